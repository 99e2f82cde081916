//! Runs the written cases, in process and over a socket.

use apiserver::{ApiServer, conformance::cases};

use crate::server;

#[tokio::test(start_paused = true)]
async fn every_case_in_process() {
    let client = server().client("default");
    let mut failures = Vec::new();
    let all = cases();
    assert!(all.len() > 25, "the cases are read");
    for (number, case) in all.iter().enumerate() {
        if let Err(mismatch) = case.run(&client, number).await {
            failures.push(mismatch.to_string());
        }
    }
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[tokio::test]
async fn the_first_cases_over_a_socket() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(server().serve(listener));
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let client = kube::Client::try_from(config).unwrap();
    for (number, case) in cases().iter().take(5).enumerate() {
        case.run(&client, number).await.unwrap();
    }
    assert!(ApiServer::kubeconfig(address).contains(&address.to_string()));
    task.abort();
}

#[tokio::test]
async fn only_loopback_is_served() {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    assert!(server().serve(listener).await.is_err());
}
