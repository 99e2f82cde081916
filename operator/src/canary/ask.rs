//! Asks what the rollout wants to know: metrics and webhooks, each question once a round.
//!
//! A change of the target, of its configs or of the Canary's spec ends the asking at once:
//! answers about an old version are worth nothing. It judges no answer.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use analysis::{Flavour, PrometheusServer, Resolved, TemplateRef, Unusable};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rollout::answers::{GateAnswer, Measured, Sample};
use rollout::probes::Probe;
use rollout::spec::{CheckId, CheckSource, GateId, TargetKind};
use rollout::{Answers, World};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Context;
use super::subject::Subject;
use crate::error::chain;
use crate::world::kind;
use crate::world::store::Known;

/// Rounds of questions; the rollout names each probe once, so more means that it errs.
const ROUNDS_MAX: usize = 256;
/// What stands for a `metricsServer` that is no URL, where no check asks it or it only begins as one.
const NOWHERE: &str = "http://metrics-server.invalid";

/// Time the first list of MetricTemplates may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// How the asking ended.
pub(super) enum Asked {
    /// Everything that was wanted is answered.
    All {
        /// When the last answer was in.
        at: DateTime<Utc>,
    },
    /// Something changed meanwhile.
    Interrupted,
}

/// One answer.
enum Answer {
    Sample(CheckId, String, bool, Sample),
    Gate(GateId, GateAnswer),
}

/// Asks until the rollout wants nothing more.
pub(super) async fn ask(
    ctx: &Context,
    subject: &Subject,
    world: &World,
    answers: &mut Answers,
    woken: &mut watch::Receiver<u64>,
) -> Asked {
    let before = Fingerprint::take(ctx, subject);
    let started = Instant::now();
    for round in 0..ROUNDS_MAX {
        let now = ctx.clock.now();
        let wanted = rollout::probes::probes(&subject.spec, &subject.state, world, answers, now);
        if wanted.is_empty() {
            if round > 0 {
                let (namespace, target) = (&subject.key.namespace, &subject.spec.target.name);
                ctx.metrics
                    .observe_duration(namespace, target, started.elapsed().as_secs_f64());
            }
            return Asked::All { at: now };
        }
        let context = context(ctx, subject, &wanted).await;
        let mut open: FuturesUnordered<_> = wanted
            .iter()
            .map(|probe| one(ctx, &context, probe))
            .collect();
        loop {
            tokio::select! {
                answer = open.next() => match answer {
                    Some(answer) => keep(ctx, subject, answers, answer),
                    None => break,
                },
                Ok(()) = woken.changed() => if Fingerprint::take(ctx, subject) != before {
                    return Asked::Interrupted;
                }
            }
        }
    }
    tracing::error!(
        canary = subject.spec.dotted(),
        "Asking did not end; deciding with what is known."
    );
    Asked::All {
        at: ctx.clock.now(),
    }
}

async fn one(ctx: &Context, context: &analysis::Context, probe: &Probe) -> Answer {
    match probe {
        Probe::Check {
            check,
            key,
            since: _,
        } => {
            let sample = analysis::measure(check, key, context, &*ctx.outbound).await;
            let is_ms = match check.source {
                CheckSource::Duration => true,
                CheckSource::SuccessRate | CheckSource::Query(_) | CheckSource::Template { .. } => {
                    false
                }
            };
            Answer::Sample(check.id, check.name.clone(), is_ms, sample)
        }
        Probe::Gate {
            gate,
            key,
            call,
            phase,
        } => {
            let answer = analysis::answer(gate, call, *phase, context, &*ctx.outbound).await;
            let key = key.clone();
            Answer::Gate(gate.id, GateAnswer { key, ..answer })
        }
    }
}

fn keep(ctx: &Context, subject: &Subject, answers: &mut Answers, answer: Answer) {
    match answer {
        Answer::Sample(id, name, is_ms, sample) => {
            if let Measured::Value(value) = sample.measured {
                // Dashboards expect the duration in seconds.
                let value = if is_ms { value / 1000.0 } else { value };
                ctx.metrics.set_analysis(
                    &subject.key.namespace,
                    &subject.spec.target.name,
                    &name,
                    value,
                );
            }
            answers.put_sample(id, sample);
        }
        Answer::Gate(id, answer) => answers.put_gate(id, answer),
    }
}

/// What metrics and webhooks are told of the canary.
pub(super) async fn context(
    ctx: &Context,
    subject: &Subject,
    wanted: &[Probe],
) -> analysis::Context {
    let spec = &subject.spec;
    let named = |reference: Option<&str>| reference.unwrap_or(&spec.target.name).to_owned();
    let own = &subject.canary.spec;
    let status = subject.status();
    let server =
        PrometheusServer::at(&spec.metrics_server).or_else(|| PrometheusServer::at(NOWHERE));
    let checksum = analysis::checksum(
        status.and_then(|status| status.tracked_configs.as_ref()),
        status
            .and_then(|status| status.last_applied_spec.as_deref())
            .unwrap_or_default(),
    );
    analysis::Context {
        name: spec.name.clone(),
        namespace: spec.namespace.clone(),
        target: spec.target.name.clone(),
        service: spec.apex.clone(),
        ingress: named(
            own.ingress_ref
                .as_ref()
                .map(|reference| reference.name.as_str()),
        ),
        route: route(ctx, subject)
            .unwrap_or_else(|| named(own.route_ref.as_ref().map(|found| found.name.as_str()))),
        flavour: Flavour::choose(
            &ctx.settings.mesh_provider,
            own.provider.as_deref(),
            spec.target.kind == TargetKind::Service,
        ),
        metrics_server: server.unwrap_or_else(|| unreachable!("the address of nowhere is a URL")),
        templates: templates(ctx, wanted).await,
        checksum,
        traffic_started: status
            .and_then(|status| status.analysis.as_ref()?.traffic_started.as_ref())
            .map(|time| time.0),
        now: ctx.clock.now(),
    }
}

/// Of a Knative Service the revision that is judged.
fn route(ctx: &Context, subject: &Subject) -> Option<String> {
    if subject.spec.target.kind != TargetKind::Knative {
        return None;
    }
    match subject.workload(ctx, &subject.target()) {
        Known::Present(seen) => Some(seen.template.to_string()),
        Known::Absent | Known::Unread(_) => None,
    }
}

async fn templates(
    ctx: &Context,
    wanted: &[Probe],
) -> BTreeMap<TemplateRef, Result<Resolved, Unusable>> {
    let mut found = BTreeMap::new();
    for probe in wanted {
        let Probe::Check { check, .. } = probe else {
            continue;
        };
        let CheckSource::Template { name, namespace } = &check.source else {
            continue;
        };
        let reference = TemplateRef {
            namespace: namespace.clone(),
            name: name.clone(),
        };
        if let Entry::Vacant(place) = found.entry(reference) {
            let resolved = resolve(ctx, place.key()).await;
            place.insert(resolved);
        }
    }
    found
}

async fn resolve(ctx: &Context, reference: &TemplateRef) -> Result<Resolved, Unusable> {
    let key = crate::world::key::Key::new(&reference.namespace, &reference.name);
    let missing = || Unusable::Missing {
        namespace: reference.namespace.clone(),
        name: reference.name.clone(),
    };
    let unread = |why: String| Unusable::Unread {
        namespace: reference.namespace.clone(),
        name: reference.name.clone(),
        why,
    };
    let store = ctx.caches.raw(&kind::metric_template());
    // If the list never comes, the template counts as missing: the check is unknown, not failed.
    let _ = tokio::time::timeout(LIST_TIMEOUT, store.ready()).await;
    let found = match store.get(&key) {
        Known::Present(seen) => Some(seen.value()),
        // It may be new, and its watch behind.
        Known::Absent | Known::Unread(_) => {
            let asked = ctx.writer.get(&kind::metric_template(), &key).await;
            asked.map_err(|error| unread(chain(&error)))?
        }
    };
    // The decoder quotes values, and addresses and headers may hold credentials.
    let template: api::MetricTemplate =
        api::decode::decode(found.ok_or_else(missing)?).map_err(|error| {
            unread(format!(
                "{} is not of the right form; correct it",
                error.field
            ))
        })?;
    let Some(secret) = &template.spec.provider.secret_ref else {
        return Resolved::read(&template, None);
    };
    let read = ctx
        .writer
        .get(&kind::secret(), &key.sibling(&secret.name))
        .await
        .map_err(|error| Unusable::SecretUnread {
            secret: secret.name.clone(),
            why: chain(&error),
        })?;
    let content = read.as_ref().map(secret_data);
    Resolved::read(&template, content.as_ref())
}

pub(super) fn secret_data(secret: &Value) -> BTreeMap<String, Vec<u8>> {
    let data = serde_json::from_value::<BTreeMap<String, k8s_openapi::ByteString>>(
        secret.get("data").cloned().unwrap_or_default(),
    );
    data.unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.0))
        .collect()
}

/// What answers are about: if it changes, they are worth nothing.
#[derive(PartialEq, Eq)]
struct Fingerprint {
    template: Option<Box<str>>,
    configs: Vec<Option<Box<str>>>,
    canary: Option<(i64, bool)>,
}

impl Fingerprint {
    fn take(ctx: &Context, subject: &Subject) -> Self {
        let target = match subject.workload(ctx, &subject.target()) {
            Known::Present(seen) => Some(seen),
            Known::Absent | Known::Unread(_) => None,
        };
        let references = target
            .as_ref()
            .map(|seen| &*seen.configs)
            .filter(|_| ctx.settings.is_config_tracked);
        let configs = references.unwrap_or_default().iter().map(|config| {
            ctx.caches
                .configs(config.kind)
                .read(&subject.key.sibling(&config.name), |seen| {
                    seen.version.clone()
                })
        });
        Self {
            configs: configs.collect(),
            template: target.as_ref().map(|seen| seen.template.clone()),
            canary: ctx
                .caches
                .canaries
                .read(&subject.key, |seen| (seen.generation, seen.is_deleting)),
        }
    }
}
