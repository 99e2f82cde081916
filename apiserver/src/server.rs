//! Serves HTTP: takes a request through faults, routes and media types to the cluster, and logs it.
//!
//! `route` reads paths, `accept` media types, `reply` makes answers; `read` and `write` are the two halves of the API;
//! `listen` puts it on a socket. What a verb does to objects is in `crate::cluster`.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use chrono::Utc;
use http::{HeaderMap, HeaderValue, Request, Response, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use tower::{Service, ServiceExt};

mod accept;
mod listen;
mod read;
pub(crate) mod reply;
mod route;
mod write;

pub use self::reply::ReplyBody;
use self::route::{Query, Route};
pub(crate) use self::{accept::Accept, route::GroupPath};
use crate::{
    cluster::{Clock, Cluster},
    discovery,
    faults::{Fault, Faults, NoFaults},
    openapi,
    requests::{RequestInfo, RequestLog, Verb},
    status::ApiError,
    table::Shape,
};

/// Bytes of a request body, as kube-apiserver limits them.
const BODY_BYTES_MAX: usize = 3 * 1_024 * 1_024;

/// How the server is made.
#[derive(Clone)]
pub struct Options {
    /// The time that timestamps are taken from.
    pub clock: Clock,
    /// Where uids and generated names come from.
    pub seed: u64,
    /// Changes of each resource that watchers can come back to.
    pub history_changes_max: usize,
    /// Requests that the log keeps.
    pub log_requests_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(Utc::now),
            seed: 0,
            history_changes_max: 1_000,
            log_requests_max: 10_000,
        }
    }
}

/// The connection broke, by a fault that a test asked for or because the client's body could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the API server broke")]
pub struct Broken;

/// A kube-apiserver in the process. Clones share one cluster.
#[derive(Clone)]
pub struct ApiServer {
    core: Arc<Core>,
}

struct Core {
    cluster: Arc<Mutex<Cluster>>,
    log: Mutex<RequestLog>,
    faults: RwLock<Arc<dyn Faults>>,
    clock: Clock,
}

/// Everything about one request that the halves of the API need.
struct Call {
    info: RequestInfo,
    query: Query,
    accept: Accept,
    headers: HeaderMap,
    body: Bytes,
    trouble: Option<crate::watch::Trouble>,
    /// A fault wants watches told that their version is gone.
    is_gone: bool,
}

impl ApiServer {
    /// A server with nothing in it but the namespaces that every cluster has.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let Options {
            clock,
            seed,
            history_changes_max,
            log_requests_max,
        } = options;
        Self {
            core: Arc::new(Core {
                cluster: Arc::new(Mutex::new(Cluster::new(
                    clock.clone(),
                    seed,
                    history_changes_max,
                ))),
                log: Mutex::new(RequestLog::new(log_requests_max)),
                faults: RwLock::new(Arc::new(NoFaults)),
                clock,
            }),
        }
    }

    /// A client in the process, known as `kube`, with this default namespace.
    #[must_use]
    pub fn client(&self, namespace: &str) -> kube::Client {
        self.client_as("kube", namespace)
    }

    /// A client in the process under a user's name, which is also its default field manager.
    ///
    /// A name that no HTTP header can hold becomes `kube`.
    #[must_use]
    pub fn client_as(&self, user: &str, namespace: &str) -> kube::Client {
        let user = HeaderValue::from_str(user).unwrap_or_else(|_| HeaderValue::from_static("kube"));
        let service = self
            .clone()
            .map_request(move |mut request: Request<kube::client::Body>| {
                request
                    .headers_mut()
                    .insert(header::USER_AGENT, user.clone());
                request
            });
        kube::Client::new(service, namespace)
    }

    /// Looks at the log of requests.
    pub fn requests<T>(&self, look: impl FnOnce(&RequestLog) -> T) -> T {
        look(&self.core.log())
    }

    /// Makes requests fail from now on as `faults` says.
    pub fn set_faults(&self, faults: Arc<dyn Faults>) {
        *self
            .core
            .faults
            .write()
            .unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Forgets the history of all resources, so that watches at an old version are told 410.
    pub fn compact(&self) {
        self.core.cluster().store.compact();
    }

    /// The version of the last change.
    #[must_use]
    pub fn resource_version(&self) -> u64 {
        self.core.cluster().store.version()
    }

    /// Answers one request.
    ///
    /// # Errors
    /// `Broken` when a fault breaks the connection or the request's body cannot be read.
    pub async fn answer<B>(&self, request: Request<B>) -> Result<Response<ReplyBody>, Broken>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = match body {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                let words = format!("Request entity too large: limit is {BODY_BYTES_MAX}");
                return Ok(reply::refusal(&ApiError::too_large(words)));
            }
            Err(_) => return Err(Broken),
        };
        self.core.answer(&parts, body).await
    }
}

impl<B> Service<Request<B>> for ApiServer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ReplyBody>;
    type Error = Broken;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move { server.answer(request).await })
    }
}

impl Core {
    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shape in which a client wants objects.
    fn shape(&self, call: &Call) -> Shape {
        Shape {
            form: call.accept.form(),
            clock: self.clock.clone(),
        }
    }

    fn log(&self) -> MutexGuard<'_, RequestLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, parts: &Parts, body: Bytes) -> Result<Response<ReplyBody>, Broken> {
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let route = Route::parse(parts.uri.path());
        let info = route.info(parts, &query);
        let fault = self
            .faults
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .on(&info);
        let mut call = Call {
            accept: Accept::parse(&parts.headers),
            headers: parts.headers.clone(),
            query,
            body,
            trouble: None,
            is_gone: false,
            info,
        };
        let mut loses_reply = false;
        match fault {
            None => {}
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::LoseReply) => loses_reply = true,
            Some(Fault::Refuse) => {
                self.log().push(call.info, 0);
                return Err(Broken);
            }
            Some(Fault::Answer {
                code,
                retry_after_s,
            }) => {
                self.log().push(call.info, code);
                return Ok(reply::refusal(&ApiError::injected(code, retry_after_s)));
            }
            Some(Fault::CutWatch(time)) => call.trouble = Some(crate::watch::Trouble::Cut(time)),
            Some(Fault::StallWatch(time)) => {
                call.trouble = Some(crate::watch::Trouble::Stall(time))
            }
            Some(Fault::Gone) if call.info.verb == Verb::Watch => call.is_gone = true,
            Some(Fault::Gone) => {
                self.log().push(call.info, 410);
                return Ok(reply::refusal(&ApiError::injected(410, None)));
            }
        }
        let mut response = self
            .route(&route, parts, &call)
            .unwrap_or_else(|error| reply::refusal(&error));
        reply::date(&mut response, (self.clock)());
        let code = if loses_reply {
            0
        } else {
            response.status().as_u16()
        };
        self.log().push(call.info, code);
        if loses_reply {
            Err(Broken)
        } else {
            Ok(response)
        }
    }

    fn route(
        &self,
        route: &Route,
        parts: &Parts,
        call: &Call,
    ) -> Result<Response<ReplyBody>, ApiError> {
        match route {
            Route::Health => Ok(reply::text("ok")),
            Route::Unknown => Ok(reply::no_such_page()),
            Route::Version => Ok(reply::json(200, &discovery::version())),
            Route::Discovery(group) => {
                discovery::answer(&self.cluster().registry, group, &call.accept)
            }
            Route::OpenApi(path) => openapi::answer(&self.cluster().registry, path, &call.accept),
            Route::Resource(target) => {
                if !call.accept.takes_json() {
                    return Err(ApiError::not_acceptable());
                }
                let found =
                    self.cluster()
                        .registry
                        .find(&target.group, &target.version, &target.plural);
                let Some(kind) = found else {
                    return Ok(reply::no_such_page());
                };
                if target.namespace.is_some() && !kind.is_namespaced && kind.plural != "namespaces"
                {
                    return Err(ApiError::no_such_path());
                }
                if parts.method == http::Method::GET {
                    self.read(&kind, target, call)
                } else {
                    self.write(&kind, target, &parts.method, call)
                }
            }
        }
    }
}
