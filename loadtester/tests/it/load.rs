//! The generator: rates, limits, failures, late answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use loadtester::load::{Concurrency, Fault, Limit, Pace, Plan, Schedule, Steps, run};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::{Target, answer, until};

fn plan(url: &str, limit: Limit) -> Plan {
    Plan::new(url.parse().unwrap(), limit)
}

#[tokio::test]
async fn a_number_of_requests_over_kept_connections() {
    let target = Target::start().await;
    let mut wanted = plan(&target.url("/"), Limit::Requests(100));
    wanted.concurrency = Concurrency::Constant(4);
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let summary = run(wanted.clone(), move |answer| {
        kept.lock()
            .unwrap()
            .push(answer.headers["x-version"].to_str().unwrap().to_owned());
    });
    let summary = summary.await.unwrap();
    assert_eq!(
        (summary.requests(), summary.failed(), summary.bytes),
        (100, 0, 500)
    );
    assert_eq!(seen.lock().unwrap().len(), 100);
    assert!(target.connections.load(Ordering::SeqCst) <= 8);

    wanted.is_http2 = true;
    let is_http2 = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&is_http2);
    let observe = move |answer: &loadtester::load::Answer<'_>| {
        count.fetch_add(
            usize::from(answer.headers["x-version"] == "HTTP/2.0"),
            Ordering::SeqCst,
        );
    };
    assert_eq!(run(wanted.clone(), observe).await.unwrap().failed(), 0);
    assert_eq!(is_http2.load(Ordering::SeqCst), 100);

    (wanted.is_http2, wanted.is_keepalive) = (false, false);
    let before = target.connections.load(Ordering::SeqCst);
    run(wanted, |_| {}).await.unwrap();
    assert_eq!(target.connections.load(Ordering::SeqCst) - before, 100);
}

#[tokio::test]
async fn a_length_beyond_all_time_is_no_end() {
    let target = Target::start().await;
    let endless = run(plan(&target.url("/"), Limit::Time(Duration::MAX)), |_| {});
    tokio::select! {
        ended = endless => panic!("{ended:?}"),
        () = until("requests", || target.hits.load(Ordering::SeqCst) > 2) => {}
    }
}

#[tokio::test]
async fn a_rate_is_kept_and_late_answers_count_from_when_they_were_due() {
    let target = Target::start().await;
    let mut wanted = plan(&target.url("/"), Limit::Time(Duration::from_millis(500)));
    wanted.pace = Some(Pace::Constant(200.0));
    wanted.concurrency = Concurrency::Constant(4);
    let summary = run(wanted.clone(), |_| {}).await.unwrap();
    // A busy machine may send fewer, never more; the rest is told.
    assert!(
        summary.requests() > 20 && summary.requests() + summary.missed == 100,
        "{summary}"
    );
    // 50 ms an answer, one worker: 20 of 100 due requests can be sent, ever later.
    wanted.url = target.url("/slow").parse().unwrap();
    wanted.concurrency = Concurrency::Constant(1);
    let summary = run(wanted, |_| {}).await.unwrap();
    assert!(
        summary.requests() <= 11 && summary.missed >= 89,
        "{summary}"
    );
    assert!(
        summary.latency_max() > Duration::from_millis(300),
        "{summary}"
    );
    assert!(summary.to_string().contains("Not sent:"), "{summary}");
}

#[tokio::test]
async fn a_rate_and_workers_may_vary() {
    let target = Target::start().await;
    let steps = |start, step, end, every_ms| {
        let steps = Steps {
            start,
            step,
            every: Duration::from_millis(every_ms),
            end: Some(end),
            within: None,
            max: 1000,
        };
        Schedule::try_from(steps).unwrap()
    };
    // 10 and 20 within 200 ms, and 300 a second from then on: 60 in 300 ms.
    let mut wanted = plan(&target.url("/"), Limit::Time(Duration::from_millis(300)));
    wanted.pace = Some(Pace::Scheduled(steps(100, 100, 300, 100)));
    wanted.concurrency = Concurrency::Scheduled(steps(1, 1, 4, 10));
    let summary = run(wanted.clone(), |_| {}).await.unwrap();
    assert_eq!(summary.requests() + summary.missed, 60, "{summary}");
    // What is cut off was never due.
    wanted.limit = Limit::Requests(1000);
    wanted.cutoff = Some(Duration::from_millis(200));
    let summary = run(wanted.clone(), |_| {}).await.unwrap();
    assert_eq!(summary.requests() + summary.missed, 30, "{summary}");
    // The 31st is due after 200 ms; nobody waits for the workers of the next hours.
    wanted.limit = Limit::Requests(31);
    wanted.cutoff = None;
    wanted.concurrency = Concurrency::Scheduled(steps(1, 1, 4, 3_600_000));
    let summary = run(wanted.clone(), |_| {}).await.unwrap();
    assert_eq!((summary.requests(), summary.missed), (31, 0), "{summary}");
    assert!(summary.took >= Duration::from_millis(200), "{summary}");
    // Workers that go leave one, who sends the rest.
    wanted.concurrency = Concurrency::Scheduled(steps(4, -3, 1, 1));
    let summary = run(wanted, |_| {}).await.unwrap();
    assert_eq!((summary.requests(), summary.missed), (31, 0), "{summary}");
}

#[tokio::test]
async fn failures_are_told_apart() {
    let target = Target::start().await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let of = |url: &str| {
        let mut wanted = plan(url, Limit::Requests(3));
        wanted.timeout = Some(Duration::from_millis(50));
        run(wanted, |_| {})
    };
    let told = of(&target.url("/bad")).await.unwrap();
    assert_eq!((told.failed(), told.statuses.get(&500)), (3, Some(&3)));
    assert_eq!(
        of(&target.url("/hang"))
            .await
            .unwrap()
            .faults
            .get(&Fault::Timeout),
        Some(&3)
    );
    assert_eq!(
        of(&closed).await.unwrap().faults.get(&Fault::Connect),
        Some(&3)
    );
    assert_eq!(
        of(&target.url("/move")).await.unwrap().statuses.get(&200),
        Some(&3)
    );
    let mut wanted = plan(&target.url("/move"), Limit::Requests(1));
    wanted.follows_redirects = false;
    assert_eq!(
        run(wanted, |_| {}).await.unwrap().statuses.get(&302),
        Some(&1)
    );
    assert!(
        run(plan("ftp://a/", Limit::Requests(1)), |_| {})
            .await
            .is_err()
    );
}

#[tokio::test]
async fn https_is_loaded_whatever_its_certificate() {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("testdata/cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("testdata/key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stream = acceptor.accept(stream).await.unwrap();
            let service = hyper::service::service_fn(answer);
            let builder = auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move {
                drop(
                    builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await,
                )
            });
        }
    });
    for (is_http2, version) in [(false, "HTTP/1.1"), (true, "HTTP/2.0")] {
        let mut wanted = plan(&url, Limit::Requests(5));
        wanted.is_http2 = is_http2;
        let hits = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&hits);
        let observe = move |answer: &loadtester::load::Answer<'_>| {
            count.fetch_add(
                usize::from(
                    answer
                        .headers
                        .get("x-version")
                        .is_some_and(|seen| seen == version),
                ),
                Ordering::SeqCst,
            );
        };
        let summary = run(wanted, observe).await.unwrap();
        assert_eq!(
            (hits.load(Ordering::SeqCst), summary.failed()),
            (5, 0),
            "{summary}"
        );
    }
}
