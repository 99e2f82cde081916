//! Runs both controllers: watches in, passes out.
//!
//! One watch a kind feeds a cache, its own controller, and the wake-ups of
//! those who depend on it. Status-only changes wake no one but dependants, so a
//! quiet cluster costs no requests.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::ApiResource;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Controller as KubeController, WatchStreamExt as _, watcher};
use sources::network::Network;
use sources::store::{Store, StoreError};
use tokio::sync::mpsc;

use crate::context::{Controller, Interrupts, Shared};
use crate::record::RecordError;
use crate::subject::{self, Key};
use crate::{Clock, Settings, kustomization, source};

/// Wake-ups waiting to be taken; a full queue slows the watch, it drops nothing.
const WAKES_MAX: usize = 1024;
/// Delay after a conflict: the newer object arrives by watch meanwhile.
const CONFLICT_DELAY: Duration = Duration::from_millis(500);

/// Why the controllers could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The storage folder cannot be used.
    #[error("failed to open the artifact storage")]
    Storage(#[from] StoreError),
}

/// Runs until dropped; it returns only when it cannot start.
///
/// `network` reaches the Git servers: `sources::network::HostNetwork`, or one in process.
///
/// # Errors
/// [`RunError`] when the storage folder cannot be made.
pub async fn run(
    settings: Settings,
    client: Client,
    clock: Clock,
    network: Arc<dyn Network>,
) -> Result<Infallible, RunError> {
    let store = Store::open(settings.storage_path.clone(), &settings.storage_address)?;
    let (source_kind, kustomization_kind) = (source::kind(), kustomization::kind());
    let (repositories, repositories_writer) = writer(&source_kind);
    let (kustomizations, kustomizations_writer) = writer(&kustomization_kind);
    let (wake, woken) = mpsc::channel(WAKES_MAX);
    let shared = Arc::new(Shared {
        clock,
        store,
        network,
        kinds: apply::Kinds::new(client.clone()),
        identities: kustomization::Identities::default(),
        repositories: repositories.clone(),
        kustomizations: kustomizations.clone(),
        interrupts: Interrupts::default(),
        settings,
    });
    let source_controller = Arc::new(Controller::new(
        Arc::clone(&shared),
        client.clone(),
        source_kind.clone(),
        "source-controller",
        "source-controller",
    ));
    let kustomize_controller = Arc::new(Controller::new(
        Arc::clone(&shared),
        client.clone(),
        kustomization_kind.clone(),
        "kustomize-controller",
        "gotk-kustomize-controller",
    ));
    let namespace = shared.settings.namespace.as_deref();
    let source_events = watch(
        &client,
        namespace,
        &source_kind,
        repositories_writer,
        wake.clone(),
        Wake::Source,
    );
    let kustomization_events = watch(
        &client,
        namespace,
        &kustomization_kind,
        kustomizations_writer,
        wake,
        Wake::Dependency,
    );
    let wakes = kustomization::woken(Arc::clone(&shared), woken);

    let sources = KubeController::for_stream_with(source_events, repositories, source_kind)
        .with_config(Config::default())
        .run(
            |object, controller| guard(source::reconcile(object, controller)),
            retry,
            source_controller,
        )
        .for_each(|_| futures::future::ready(()));
    let kustomizations =
        KubeController::for_stream_with(kustomization_events, kustomizations, kustomization_kind)
            .reconcile_on(wakes)
            .with_config(Config::default())
            .run(
                |object, controller| guard(kustomization::reconcile(object, controller)),
                retry,
                kustomize_controller,
            )
            .for_each(|_| futures::future::ready(()));
    futures::future::join(sources, kustomizations).await;
    // Both streams are endless; should they end all the same, there is nothing left to run.
    futures::future::pending().await
}

fn writer(kind: &ApiResource) -> (reflector::Store<DynamicObject>, Writer<DynamicObject>) {
    let writer = Writer::new(kind.clone());
    (writer.as_reader(), writer)
}

/// Something that others may have been waiting for.
#[derive(Clone, Debug)]
pub(crate) enum Wake {
    /// A source of this key changed its revision.
    Source(Key),
    /// A Kustomization of this key changed its status.
    Dependency(Key),
    /// An object of this key asks for a pass itself.
    Own(Key),
}

/// Fills the cache, wakes dependants, and passes on objects that ask for a pass themselves.
fn watch(
    client: &Client,
    namespace: Option<&str>,
    kind: &ApiResource,
    writer: Writer<DynamicObject>,
    wake: mpsc::Sender<Wake>,
    word: fn(Key) -> Wake,
) -> BoxStream<'static, Result<DynamicObject, watcher::Error>> {
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, kind),
        None => Api::all_with(client.clone(), kind),
    };
    let seen: Arc<Mutex<BTreeMap<Key, Marks>>> = Arc::default();
    watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .filter_map(move |event| {
            let (seen, wake) = (Arc::clone(&seen), wake.clone());
            async move {
                match event {
                    Ok(event) => {
                        let (object, woken) = note(&seen, event, word);
                        for woken in woken {
                            // The receiver lives as long as this stream does.
                            let _ = wake.send(woken).await;
                        }
                        object.map(Ok)
                    }
                    Err(error) => {
                        tracing::warn!(error = sources::chain(&error), "Watch interrupted.");
                        Some(Err(error))
                    }
                }
            }
        })
        .boxed()
}

/// What was last seen of an object.
#[derive(Clone, PartialEq, Eq)]
struct Marks {
    trigger: u64,
    /// What dependants look at.
    outcome: Option<String>,
}

fn note(
    seen: &Mutex<BTreeMap<Key, Marks>>,
    event: watcher::Event<DynamicObject>,
    word: fn(Key) -> Wake,
) -> (Option<DynamicObject>, Vec<Wake>) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    match event {
        watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
            let key = Key::of(&object);
            let marks = Marks {
                trigger: subject::trigger(&object),
                outcome: outcome(&object),
            };
            let before = seen.insert(key.clone(), marks.clone());
            let is_triggered = before
                .as_ref()
                .is_none_or(|before| before.trigger != marks.trigger);
            let is_outcome_new = before.is_some_and(|before| before.outcome != marks.outcome);
            let outcome = is_outcome_new.then(|| word(key.clone()));
            let own = is_triggered.then_some(Wake::Own(key));
            (
                is_triggered.then_some(object),
                outcome.into_iter().chain(own).collect(),
            )
        }
        watcher::Event::Delete(object) => {
            let key = Key::of(&object);
            seen.remove(&key);
            (None, vec![word(key)])
        }
        watcher::Event::Init | watcher::Event::InitDone => (None, Vec::new()),
    }
}

/// The part of a status that dependants look at: artifact, readiness, applied revision.
fn outcome(object: &DynamicObject) -> Option<String> {
    let status = object.data.get("status")?;
    let part = |pointer: &str| {
        status
            .pointer(pointer)
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    let ready = status
        .get("conditions")
        .and_then(|all| all.as_array())
        .and_then(|all| {
            all.iter()
                .find(|c| c.get("type").and_then(|t| t.as_str()) == Some("Ready"))
                .and_then(|c| c.get("status"))
                .map(ToString::to_string)
        });
    Some(format!(
        "{} {} {} {}",
        part("/artifact/revision"),
        part("/observedGeneration"),
        part("/lastAppliedRevision"),
        ready.unwrap_or_default()
    ))
}

/// Keeps a broken pass to its own object.
async fn guard(
    pass: impl Future<Output = Result<Action, RecordError>>,
) -> Result<Action, RecordError> {
    match AssertUnwindSafe(pass).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            Err(RecordError::Broken(text))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn retry(object: Arc<DynamicObject>, error: &RecordError, controller: Arc<Controller>) -> Action {
    let key = Key::of(&object);
    match error {
        RecordError::Conflict => Action::requeue(CONFLICT_DELAY),
        RecordError::Gone => {
            controller.recent.forget(&key);
            Action::await_change()
        }
        RecordError::Encode(_) | RecordError::Write(_) | RecordError::Broken(_) => {
            tracing::warn!(kind = controller.kind.kind, name = %key, error = sources::chain(error), "Pass not recorded.");
            let settings = &controller.shared.settings;
            Action::requeue(controller.attempts.failed(
                &key,
                settings.retry_delay_min,
                settings.retry_delay_max,
            ))
        }
    }
}

/// The wake-ups as a stream.
pub(crate) fn stream(mut woken: mpsc::Receiver<Wake>) -> impl Stream<Item = Wake> {
    futures::stream::poll_fn(move |context| woken.poll_recv(context))
}

/// What kube's controller takes.
pub(crate) fn reference(key: &Key, kind: &ApiResource) -> ObjectRef<DynamicObject> {
    ObjectRef::new_with(&key.name, kind.clone()).within(&key.namespace)
}
