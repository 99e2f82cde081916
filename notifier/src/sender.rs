//! Sends requests through sockets, and calls no address that its border closes.
//!
//! One attempt, a few seconds, no redirects: who sends alerts must not wait for them. What
//! it tells of a failure holds neither address nor token.

use std::error::Error as _;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, ClientBuilder, Proxy, Url, redirect};
use thiserror::Error;

use crate::provider::Request;
use crate::secret::Secret;

/// Time for one request, connecting included: Flagger's.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A request on its way.
pub type Sent<'a> = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>>;

/// The way to chat services: sockets, or a test that listens.
pub trait Transport: Send + Sync {
    /// Sends one request once.
    fn send<'a>(&'a self, request: &'a Request) -> Sent<'a>;
}

/// Which addresses may be called.
pub trait Border: Send + Sync {
    /// Whether `host`, found at `address`, may be called.
    fn is_open(&self, host: &str, address: IpAddr) -> bool;
}

/// Why an alert was not delivered. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// Address, proxy or token cannot be sent to or sent.
    #[error("its {0} cannot be used (its value is not shown)")]
    Unusable(&'static str),
    /// The platform's certificates cannot be loaded, or the like.
    #[error("failed to set up the HTTP client: {0}")]
    Setup(String),
    /// An address that must not be called.
    #[error("it is at {0}, which must not be called")]
    Forbidden(IpAddr),
    /// No answer in time.
    #[error("it gave no answer within {} s", TIMEOUT.as_secs())]
    Slow,
    /// No connection, or it broke; why.
    #[error("it was not reached: {0}")]
    Unreachable(String),
    /// An answer that is no success.
    #[error("it answered {0}")]
    Status(u16),
}

/// Sends through sockets. Connections are kept; nothing is set up before the first request.
pub struct Sender {
    border: Arc<dyn Border>,
    direct: OnceLock<Client>,
}

impl Sender {
    /// A sender that calls what `border` leaves open.
    #[must_use]
    pub fn new(border: Arc<dyn Border>) -> Self {
        Self {
            border,
            direct: OnceLock::new(),
        }
    }

    async fn post(&self, request: &Request) -> Result<(), SendError> {
        let url = self.checked(&request.url, "address")?;
        let client = match &request.proxy {
            None => self.direct()?,
            Some(proxy) => self.through(proxy)?,
        };
        let mut post = client.post(url).json(&request.body);
        if let Some(token) = &request.token {
            let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
            let mut value = value.map_err(|_| SendError::Unusable("token"))?;
            value.set_sensitive(true);
            post = post.header(AUTHORIZATION, value);
        }
        let answer = post.send().await.map_err(|error| fault(&error))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(SendError::Status(answer.status().as_u16()))
        }
    }

    /// The URL, if its host is no literal address that is closed. Names are looked at when
    /// they are resolved.
    fn checked(&self, address: &Secret, what: &'static str) -> Result<Url, SendError> {
        let url = Url::parse(address.expose()).map_err(|_| SendError::Unusable(what))?;
        let host = url.host_str().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) if !self.border.is_open(host, address) => {
                Err(SendError::Forbidden(address))
            }
            Ok(_) | Err(_) => Ok(url),
        }
    }

    fn direct(&self) -> Result<Client, SendError> {
        if let Some(client) = self.direct.get() {
            return Ok(client.clone());
        }
        let made = self.builder().build().map_err(|error| setup(&error))?;
        Ok(self.direct.get_or_init(|| made).clone())
    }

    /// A client for one request: proxies are rare.
    fn through(&self, proxy: &Secret) -> Result<Client, SendError> {
        let url = self.checked(proxy, "proxy")?;
        let proxy = Proxy::all(url).map_err(|_| SendError::Unusable("proxy"))?;
        let builder = self.builder().proxy(proxy);
        builder.build().map_err(|error| setup(&error))
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder()
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .dns_resolver(Arc::new(Resolver(Arc::clone(&self.border))))
    }
}

impl Transport for Sender {
    fn send<'a>(&'a self, request: &'a Request) -> Sent<'a> {
        Box::pin(self.post(request))
    }
}

/// Resolves names, and leaves out what is closed.
struct Resolver(Arc<dyn Border>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let border = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, 0)).await?;
            let (open, closed): (Vec<SocketAddr>, Vec<SocketAddr>) =
                found.partition(|address| border.is_open(host, address.ip()));
            match closed.first() {
                Some(address) if open.is_empty() => Err(Closed(address.ip()).into()),
                Some(_) | None => Ok(Box::new(open.into_iter()) as Addrs),
            }
        })
    }
}

/// A name that leads to closed addresses only.
#[derive(Debug, Error)]
#[error("{0}")]
struct Closed(IpAddr);

/// The client's own words name the URL; its last cause does not.
fn fault(error: &reqwest::Error) -> SendError {
    if error.is_timeout() {
        return SendError::Slow;
    }
    let mut cause = error.source();
    let mut words = "the connection failed".to_owned();
    while let Some(found) = cause {
        if let Some(Closed(address)) = found.downcast_ref() {
            return SendError::Forbidden(*address);
        }
        words = found.to_string();
        cause = found.source();
    }
    SendError::Unreachable(words)
}

fn setup(error: &reqwest::Error) -> SendError {
    let cause = error.source().map(ToString::to_string);
    SendError::Setup(cause.unwrap_or_else(|| "it gave no reason".to_owned()))
}
