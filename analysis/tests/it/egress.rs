//! Addresses that must not be called are not called

use std::collections::BTreeSet;

use analysis::{Egress, Flavour, Network, answer, measure};
use rollout::spec::check::CheckSource;
use rollout::state::Phase;

use crate::fixture::{check_of, context, gate, told};
use crate::loopback::{Loopback, reply};

async fn asked(egress: Egress, url: &str) -> String {
    let context = context(Flavour::Istio, "http://prom:9090");
    let network = Network::new(egress).unwrap();
    answer(&gate(url), "k", Phase::Progressing, &context, &network)
        .await
        .detail
}

#[tokio::test]
async fn forbidden_addresses() {
    let check = async |host: &str, address: &str| {
        let told = asked(Egress::default(), &format!("http://{host}/")).await;
        assert_eq!(told, format!("is at {address}, which must not be called"));
    };
    check("169.254.169.254", "169.254.169.254").await;
    check("169.254.169.254:8080", "169.254.169.254").await;
    check("[fe80::1]", "fe80::1").await;
    check("[::ffff:169.254.169.254]", "::ffff:169.254.169.254").await;
    check("0xa9fea9fe", "169.254.169.254").await;
    check("2852039166", "169.254.169.254").await;
    check("100.100.100.200", "100.100.100.200").await;
    check("[fd00:ec2::254]", "fd00:ec2::254").await;
    check("127.0.0.1", "127.0.0.1").await;
    check("127.1", "127.0.0.1").await;
    check("[::1]", "::1").await;
    check("0.0.0.0", "0.0.0.0").await;
    check("224.0.0.1", "224.0.0.1").await;
}

/// Names are checked when they are resolved.
#[tokio::test]
async fn names_are_checked_too() {
    let server = Loopback::start(vec![reply(200, "", "")]).await;
    let url = format!("http://localhost:{}", server.port);
    let told = asked(Egress::default(), &url).await;
    assert!(
        told == "is at 127.0.0.1, which must not be called"
            || told == "is at ::1, which must not be called",
        "{told}"
    );
    assert!(server.requests().is_empty());
    let exempt_hosts = BTreeSet::from(["localhost".to_owned()]);
    assert_eq!(
        asked(
            Egress {
                exempt_hosts,
                ..Egress::default()
            },
            &url
        )
        .await,
        "answered 200"
    );
    assert_eq!(
        asked(
            Egress {
                is_loopback_allowed: true,
                ..Egress::default()
            },
            &url
        )
        .await,
        "answered 200"
    );
}

#[tokio::test]
async fn metric_servers_are_checked_too() {
    let context = context(Flavour::Istio, "http://169.254.169.254/latest");
    let network = Network::new(Egress::default()).unwrap();
    let sample = measure(
        &check_of("m", CheckSource::Query("up".into())),
        "k",
        &context,
        &network,
    )
    .await;
    assert_eq!(
        told(&sample),
        "error: prometheus http://169.254.169.254 is at 169.254.169.254, which must not be called"
    );
}
