//! Finds the Kustomizations that a changed source or dependency concerns, and
//! ends their health waits when what they wait for is out of date.

use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use kube::api::DynamicObject;
use kube::runtime::reflector::ObjectRef;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::context::{Shared, cached};
use crate::runtime::{Wake, reference, stream};
use crate::subject::Key;
use crate::{kustomization, source};

/// Turns wake-ups into passes.
pub(crate) fn woken(
    shared: Arc<Shared>,
    woken: mpsc::Receiver<Wake>,
) -> impl Stream<Item = ObjectRef<DynamicObject>> + Send {
    stream(woken).flat_map(move |wake| futures::stream::iter(concerned(&shared, &wake)))
}

fn concerned(shared: &Shared, wake: &Wake) -> Vec<ObjectRef<DynamicObject>> {
    let kind = kustomization::kind();
    let is_concerned: Box<dyn Fn(&DynamicObject) -> bool> = match wake {
        Wake::Own(key) => {
            shared.interrupts.interrupt(key);
            return Vec::new();
        }
        Wake::Source(key) => {
            let source = cached(&shared.repositories, &source::kind(), key);
            let revision = source.and_then(|object| text(&object, "/status/artifact/revision"));
            Box::new(move |object| uses(object, key) && !is_at(object, revision.as_deref()))
        }
        Wake::Dependency(key) => Box::new(|object| waits_for(object, key)),
    };
    let mut concerned = Vec::new();
    for object in shared.kustomizations.state() {
        if is_concerned(&object) {
            let key = Key::of(&object);
            if matches!(wake, Wake::Source(_)) {
                shared.interrupts.interrupt(&key);
            }
            concerned.push(reference(&key, &kind));
        }
    }
    concerned
}

fn uses(object: &DynamicObject, source: &Key) -> bool {
    let own = Key::of(object);
    text(object, "/spec/sourceRef/kind").as_deref() == Some("GitRepository")
        && text(object, "/spec/sourceRef/name").as_deref() == Some(&source.name)
        && text(object, "/spec/sourceRef/namespace").unwrap_or(own.namespace) == source.namespace
}

/// Whether it is at this revision already, or on its way there.
fn is_at(object: &DynamicObject, revision: Option<&str>) -> bool {
    let attempted = text(object, "/status/lastAttemptedRevision");
    attempted.is_some()
        && attempted.as_deref() == revision
        && ready(object) != Some("False".to_owned())
}

fn waits_for(object: &DynamicObject, dependency: &Key) -> bool {
    if ready(object).as_deref() == Some("True") {
        return false;
    }
    let own = Key::of(object);
    let all = object
        .data
        .pointer("/spec/dependsOn")
        .and_then(Value::as_array);
    all.is_some_and(|all| {
        all.iter().any(|one| {
            let namespace = one
                .get("namespace")
                .and_then(Value::as_str)
                .unwrap_or(&own.namespace);
            one.get("name").and_then(Value::as_str) == Some(&dependency.name)
                && namespace == dependency.namespace
        })
    })
}

fn ready(object: &DynamicObject) -> Option<String> {
    let all = object.data.pointer("/status/conditions")?.as_array()?;
    let ready = all
        .iter()
        .find(|one| one.get("type").and_then(Value::as_str) == Some("Ready"))?;
    ready
        .get("status")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn text(object: &DynamicObject, pointer: &str) -> Option<String> {
    object
        .data
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
}
