//! What is sent, what counts as delivered, and what is not called.

use std::net::IpAddr;
use std::sync::Arc;

use notifier::{
    Border, Field, Flags, Message, Request, Secret, SendError, Sender, Severity, Transport,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

struct Gate {
    is_loopback_open: bool,
}

impl Border for Gate {
    fn is_open(&self, _: &str, address: IpAddr) -> bool {
        self.is_loopback_open || !address.is_loopback()
    }
}

/// Answers one request with a status; gives its address, and what it was sent.
async fn server(status: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains("\"end\"") {
            let mut part = [0; 1024];
            let count = socket.read(&mut part).await.unwrap();
            assert!(count > 0, "the request ended early");
            heard.extend_from_slice(&part[..count]);
        }
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(heard).unwrap()
    });
    (address, heard)
}

fn request(url: &str, proxy: Option<&str>, token: Option<&str>) -> Request {
    Request {
        url: Secret::new(url),
        token: token.map(Secret::new),
        proxy: proxy.map(Secret::new),
        body: json!({"text": "end"}),
    }
}

async fn send(is_loopback_open: bool, request: &Request) -> Result<(), SendError> {
    let gate = Gate { is_loopback_open };
    Sender::new(Arc::new(gate)).send(request).await
}

#[tokio::test]
async fn the_body_and_the_token_arrive_once() {
    let (address, heard) = server("204 No Content").await;
    let request = request(&format!("http://{address}/T0?k=v"), None, Some("xoxb-1"));
    assert_eq!(send(true, &request).await, Ok(()));
    let heard = heard.await.unwrap().to_lowercase();
    for part in [
        "post /t0?k=v",
        "authorization: bearer xoxb-1",
        "content-type: application/json",
    ] {
        assert!(heard.contains(part), "{heard}");
    }
}

#[tokio::test]
async fn anything_but_success_is_an_error() {
    for (status, code) in [("500 Oops", 500), ("404 No", 404), ("302 Found", 302)] {
        let (address, _heard) = server(status).await;
        let request = request(&format!("http://{address}/"), None, None);
        assert_eq!(send(true, &request).await, Err(SendError::Status(code)));
    }
}

#[tokio::test]
async fn a_proxy_is_gone_through() {
    let (address, heard) = server("200 OK").await;
    let request = request(
        "http://hooks.invalid/a",
        Some(&format!("http://{address}")),
        None,
    );
    assert_eq!(send(true, &request).await, Ok(()));
    assert!(
        heard
            .await
            .unwrap()
            .starts_with("POST http://hooks.invalid/a")
    );
}

#[tokio::test]
async fn closed_addresses_are_not_called_and_secrets_not_told() {
    for (url, proxy) in [
        ("http://127.0.0.1:9/secret-path", None),
        ("http://localhost:9/secret-path", None),
        ("http://[::1]:9/secret-path", None),
        (
            "http://hooks.invalid/secret-path",
            Some("http://127.0.0.1:9"),
        ),
    ] {
        let found = send(false, &request(url, proxy, None)).await.unwrap_err();
        assert!(matches!(found, SendError::Forbidden(_)), "{url}: {found}");
    }
    let refused = send(
        true,
        &request("http://127.0.0.1:9/secret-path", None, Some("secret-token")),
    )
    .await;
    let told = refused.unwrap_err().to_string();
    assert!(
        told.contains("refused") && !told.contains("secret"),
        "{told}"
    );
    let odd = send(true, &request("http://127.0.0.1:9/", None, Some("a\nb"))).await;
    assert_eq!(odd, Err(SendError::Unusable("token")));
}

#[test]
fn the_flags_make_a_receiver() {
    let flags = Flags {
        slack_url: Some(Secret::new("https://hooks.test/T0")),
        slack_token: Some(Secret::new("xoxb-1")),
        slack_proxy_url: None,
        slack_user: "flagger".into(),
        slack_channel: "ops".into(),
        msteams_url: None,
        msteams_proxy_url: None,
    };
    let message = Message {
        sender: "podinfo.test".into(),
        text: "hello".into(),
        severity: Severity::Info,
        fields: vec![Field::new("Cluster", "eu")],
    };
    let request = flags.receiver().unwrap().unwrap().request(&message);
    assert_eq!(request.body["channel"], "ops");
    assert!(
        request
            .token
            .is_some_and(|token| token.expose() == "xoxb-1")
    );
}
