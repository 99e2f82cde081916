//! Providers over real sockets: TLS, limits, time, and addresses that are not called

use std::sync::Arc;

use analysis::{Egress, Flavour, Network, Outbound, answer, measure};
use expect_test::expect;
use rollout::spec::gate::Gate;
use rollout::state::Phase;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::{SECRET, context, gate, network, told};
use crate::loopback::{Loopback, Reply, refused, reply};
use crate::recorded::Case;

const ANSWER: &str = r#"{"items":[{"value":"1500m"}]}"#;

async fn measured(provider: Value, secret: &[(&str, &str)], network: &Network) -> String {
    let case = Case::new(provider, secret, "ns/m");
    told(&measure(&case.check, "k", &case.context, network).await)
}

/// A TLS server for another name than the one it is called by.
async fn tls_server() -> String {
    let certificate = include_bytes!("testdata/tls.cert.pem");
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("testdata/tls.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut head = vec![0; 8192];
            let count = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..count]).to_lowercase();
            let is_known = head.contains(&format!("authorization: bearer {SECRET}"));
            let status = if is_known { 200 } else { 401 };
            let length = ANSWER.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{ANSWER}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn certificates_are_checked_unless_told_otherwise() {
    let url = tls_server().await;
    let ask = async |is_unchecked: bool| {
        let provider = json!({ "type": "externalmetrics", "address": url, "insecureSkipVerify": is_unchecked });
        let told = measured(provider, &[("token", SECRET)], &network()).await;
        told.replace(&url, "SERVER")
    };
    let checked = ask(false).await;
    let refusal = "error: externalmetrics SERVER showed a certificate that is not valid: ";
    assert!(checked.starts_with(refusal), "{checked}");
    assert_eq!(ask(true).await, "value 1.5");
}

/// Proxies are named by the environment, so this test runs itself once more in one of its own.
#[tokio::test]
async fn only_webhooks_with_unchecked_certificates_pass_the_proxy_by() {
    const PROXIED: &str = "SLUICE_TEST_IS_PROXIED";
    if std::env::var_os(PROXIED).is_none() {
        let proxy = Loopback::start(vec![reply(200, "", ANSWER)]).await;
        let name = "sockets::only_webhooks_with_unchecked_certificates_pass_the_proxy_by";
        let mut again = tokio::process::Command::new(std::env::current_exe().unwrap());
        again.args([name, "--exact"]).env("http_proxy", proxy.url());
        let output = again.env(PROXIED, "1").output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    // Only the proxy answers.
    let url = refused().await;
    for is_unchecked in [false, true] {
        let provider = json!({ "type": "externalmetrics", "address": url, "insecureSkipVerify": is_unchecked });
        assert_eq!(measured(provider, &[], &network()).await, "value 1.5");
        let hook = Gate {
            is_tls_unchecked: is_unchecked,
            ..gate(&url)
        };
        let context = context(Flavour::Istio, &url);
        let answer = answer(&hook, "k", Phase::Progressing, &context, &network()).await;
        assert_eq!(answer.is_open, !is_unchecked, "{}", answer.detail);
    }
}

#[tokio::test]
async fn sockets_can_fail() {
    let check = async |reply: Reply| {
        let server = Loopback::start(vec![reply]).await;
        let provider = json!({ "type": "externalmetrics", "address": server.url() });
        let told = measured(provider, &[("token", SECRET)], &network()).await;
        told.replace(&server.url(), "SERVER")
    };
    assert_eq!(check(reply(200, "", ANSWER)).await, "value 1.5");
    expect!["error: externalmetrics SERVER gave an answer longer than 1048576 bytes"]
        .assert_eq(&check(Reply::Endless).await);
    expect!["error: externalmetrics SERVER gave an answer that is not HTTP"]
        .assert_eq(&check(Reply::Bytes("garbage".into())).await);
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{";
    expect!["error: externalmetrics SERVER broke off its answer"]
        .assert_eq(&check(Reply::Bytes(cut.into())).await);
    let away = reply(307, "Location: http://169.254.169.254/\r\n", "");
    expect!["error: externalmetrics SERVER redirected to another host, which is not followed"]
        .assert_eq(&check(away).await);
    let url = refused().await;
    let provider = json!({ "type": "externalmetrics", "address": url });
    let told = measured(provider, &[], &network()).await;
    expect!["error: externalmetrics SERVER refused the connection"]
        .assert_eq(&told.replace(&url, "SERVER"));
    let server = Loopback::start(vec![reply(200, "", ANSWER)]).await;
    let provider = json!({ "type": "externalmetrics", "address": server.url() });
    let bad = measured(provider, &[("token", "hunter2\nmarker")], &network()).await;
    expect![[
        r#"error: externalmetrics SERVER cannot be asked: header "authorization" is not valid"#
    ]]
    .assert_eq(&bad.replace(&server.url(), "SERVER"));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn forbidden_addresses_are_not_called() {
    let network = Network::new(Egress::default()).unwrap();
    let ask = async |address: &str| {
        measured(
            json!({ "type": "externalmetrics", "address": address }),
            &[],
            &network,
        )
        .await
    };
    expect!["error: externalmetrics http://169.254.169.254 is at 169.254.169.254, which must not be called"].assert_eq(&ask("http://169.254.169.254").await);
    expect!["error: externalmetrics http://127.0.0.1:1 is at 127.0.0.1, which must not be called"]
        .assert_eq(&ask("http://127.0.0.1:1").await);
}

#[tokio::test]
async fn the_environment_is_read() {
    assert!(network().variable("PATH").is_some());
    assert!(network().variable("SLUICE_NO_SUCH_VARIABLE").is_none());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let text = network().file(file).await;
    assert!(text.is_some_and(|text| text.expose().starts_with("[package]")));
    assert!(network().file("/no/such/file").await.is_none());
}
