//! Serves get, list and watch.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::Response;
use serde_json::{Value, json};

use super::{Call, Core, reply, reply::ReplyBody, route::Target};
use crate::{
    cluster::shown,
    resource::ResourceType,
    selector::Selector,
    status::{ApiError, FieldError},
    store::ObjectKey,
    watch::{self, WatchPlan},
};

/// Seconds that a watch lasts when the client does not say: chosen between these, as kube-apiserver does.
const WATCH_SECONDS: (u64, u64) = (1_800, 3_600);

impl Core {
    pub(super) fn read(
        &self,
        kind: &Arc<ResourceType>,
        target: &Target,
        call: &Call,
    ) -> Result<Response<ReplyBody>, ApiError> {
        if kind.is_virtual {
            return Err(ApiError::method_not_allowed());
        }
        let namespace = target.namespace.as_deref().unwrap_or_default();
        let Some(name) = &target.name else {
            return if call.query.flag("watch") {
                self.watch(kind, namespace, None, call)
            } else {
                self.list(kind, namespace, call)
            };
        };
        if call.query.flag("watch") {
            return self.watch(kind, namespace, Some(name), call);
        }
        let object = match target.subresource.as_str() {
            "" => self.cluster().get(kind, namespace, name)?,
            "status" if kind.has_status => self.cluster().get(kind, namespace, name)?,
            "scale" => self.cluster().get_scale(kind, namespace, name)?,
            _ => return Err(ApiError::no_such_path()),
        };
        Ok(reply::json(200, &self.shape(call).one(kind, &object)))
    }

    fn selector(kind: &ResourceType, call: &Call) -> Result<Selector, ApiError> {
        let word = |key: &str| call.query.get(key).unwrap_or_default();
        Selector::parse(word("labelSelector"), word("fieldSelector"), kind)
    }

    fn list(
        &self,
        kind: &Arc<ResourceType>,
        namespace: &str,
        call: &Call,
    ) -> Result<Response<ReplyBody>, ApiError> {
        let selector = Self::selector(kind, call)?;
        let limit: usize = number(call, "limit")?.unwrap_or(0);
        let start = call.query.get("continue").map(read_token).transpose()?;
        let (objects, version) =
            self.objects_at(kind, call, start.as_ref().map(|(version, _)| *version))?;
        let mut matching = objects
            .iter()
            .filter(|(at, object)| {
                (namespace.is_empty() || at.0 == namespace)
                    && start.as_ref().is_none_or(|(_, after)| *at > after)
                    && selector.matches(object)
            })
            .peekable();
        let mut items = Vec::new();
        let mut last = None;
        while let Some((at, object)) = matching.next_if(|_| limit == 0 || items.len() < limit) {
            items.push(shown(kind, object));
            last = Some(at.clone());
        }
        let left = matching.count();
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if let (true, Some(last)) = (left > 0, last) {
            crate::object::put(&mut metadata, &["continue"], json!(token(version, &last)));
            if selector == Selector::default() {
                crate::object::put(&mut metadata, &["remainingItemCount"], json!(left));
            }
        }
        Ok(reply::json(
            200,
            &self.shape(call).many(kind, items, &metadata),
        ))
    }

    /// The objects at the version that the query asks for, and that version.
    fn objects_at(
        &self,
        kind: &ResourceType,
        call: &Call,
        continued: Option<u64>,
    ) -> Result<(BTreeMap<ObjectKey, Arc<Value>>, u64), ApiError> {
        let asked: Option<u64> = number(call, "resourceVersion")?;
        let how = call.query.get("resourceVersionMatch");
        check_match(kind, how, asked, continued)?;
        let mut cluster = self.cluster();
        let current = cluster.store.version();
        let collection = cluster.store.collection(&kind.store_key);
        let exact = continued.or(asked.filter(|_| how == Some("Exact")));
        if let Some(ahead) = exact.or(asked).filter(|asked| *asked > current) {
            return Err(ApiError::version_ahead(ahead, current));
        }
        match exact {
            None => Ok((collection.objects.clone(), current)),
            Some(version) => match collection.history.rewind(&collection.objects, version) {
                Ok(objects) => Ok((objects, version)),
                Err(_) if continued.is_some() => Err(ApiError::expired(
                    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
                )),
                Err(gone) => Err(ApiError::expired(format!(
                    "The resourceVersion for the provided list is too old: {version} ({})",
                    gone.oldest
                ))),
            },
        }
    }

    fn watch(
        &self,
        kind: &Arc<ResourceType>,
        namespace: &str,
        name: Option<&str>,
        call: &Call,
    ) -> Result<Response<ReplyBody>, ApiError> {
        let selector = match name {
            Some(name) => Selector::parse("", &format!("metadata.name={name}"), kind)?,
            None => Self::selector(kind, call)?,
        };
        if call.is_gone {
            let line = watch::error_line(&ApiError::expired("too old resource version"));
            return Ok(reply::stream(futures::stream::iter([line])));
        }
        let asked: Option<u64> = number(call, "resourceVersion")?;
        let how = call.query.get("resourceVersionMatch");
        let sends_initial = call.query.flag("sendInitialEvents");
        check_initial(kind, call, how)?;
        let (current, default_seconds) = {
            let mut cluster = self.cluster();
            (
                cluster.store.version(),
                cluster.next_between(WATCH_SECONDS.0, WATCH_SECONDS.1),
            )
        };
        if let Some(ahead) = asked.filter(|asked| *asked > current) {
            return Err(ApiError::version_ahead(ahead, current));
        }
        let seconds = number(call, "timeoutSeconds")?.filter(|seconds| *seconds > 0);
        let skips_initial = call.query.get("sendInitialEvents") == Some("false");
        let since = match asked {
            Some(_) if sends_initial => None,
            None | Some(0) if skips_initial => Some(current),
            None | Some(0) => None,
            Some(version) => Some(version),
        };
        let has_bookmarks = call.query.flag("allowWatchBookmarks");
        let plan = WatchPlan {
            kind: kind.clone(),
            namespace: namespace.to_owned(),
            selector,
            shape: self.shape(call),
            since,
            has_bookmarks,
            marks_initial_end: sends_initial && has_bookmarks,
            time_limit: Duration::from_secs(seconds.unwrap_or(default_seconds)),
            trouble: call.trouble,
        };
        Ok(reply::stream(watch::stream(&self.cluster, plan)))
    }
}

/// A number in the query.
fn number<T: std::str::FromStr>(call: &Call, key: &str) -> Result<Option<T>, ApiError> {
    let Some(text) = call.query.get(key) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        ApiError::bad_request(format!("{key}: Invalid value: {text:?}: must be a number"))
    })
}

fn list_options(problem: FieldError, kind: &ResourceType) -> ApiError {
    let mut error = ApiError::invalid(kind.subject(""), &[problem]);
    error.message = error
        .message
        .replacen(&kind.kind, "ListOptions.meta.k8s.io", 1);
    error
}

fn check_match(
    kind: &ResourceType,
    how: Option<&str>,
    asked: Option<u64>,
    continued: Option<u64>,
) -> Result<(), ApiError> {
    let problem = match (how, asked) {
        (None, _) => return Ok(()),
        (Some(_), _) if continued.is_some() => FieldError::forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden when continue is provided",
        ),
        (Some("Exact"), Some(0)) => FieldError::forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        ),
        (Some("Exact" | "NotOlderThan"), Some(_)) => return Ok(()),
        (Some("Exact" | "NotOlderThan"), None) => FieldError::forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (Some(other), _) => {
            let supported = ["Exact", "NotOlderThan", ""].map(ToOwned::to_owned);
            FieldError::not_supported("resourceVersionMatch", &Value::from(other), &supported)
        }
    };
    Err(list_options(problem, kind))
}

fn check_initial(kind: &ResourceType, call: &Call, how: Option<&str>) -> Result<(), ApiError> {
    let problem = match (call.query.get("sendInitialEvents"), how) {
        (None, None) | (Some(_), Some("NotOlderThan")) => return Ok(()),
        (None, Some(_)) => FieldError::forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        (Some(_), None) => FieldError::forbidden(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (Some(_), Some(other)) => FieldError::not_supported(
            "resourceVersionMatch",
            &Value::from(other),
            &["NotOlderThan".to_owned()],
        ),
    };
    Err(list_options(problem, kind))
}

/// Where the next page of a list starts: the version and the last object of this page.
fn token(version: u64, last: &ObjectKey) -> String {
    format!("{version}:{}:{}", last.0, last.1)
}

fn read_token(token: &str) -> Result<(u64, ObjectKey), ApiError> {
    let mut parts = token.splitn(3, ':');
    let version = parts.next().and_then(|version| version.parse().ok());
    match (version, parts.next(), parts.next()) {
        (Some(version), Some(namespace), Some(name)) => {
            Ok((version, (namespace.to_owned(), name.to_owned())))
        }
        _ => Err(ApiError::bad_request(
            "continue key is not valid: it is not one that this server gave",
        )),
    }
}
