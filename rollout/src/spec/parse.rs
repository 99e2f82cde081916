//! Turns the api's Canary into a `ValidSpec`: top level, target and service.
//!
//! Each part has a file below; each adds what is wrong to the same review, so that a user sees all of it.

use api::{Canary, canary::CanaryAnalysis};
use chrono::TimeDelta;

use super::{
    Autoscaler, Defaults, Findings, Percent, Target, TargetKind, ValidSpec, finding::Review,
};

mod affinity;
mod checks;
mod gates;
mod ports;
mod references;
mod server;
mod steps;
mod testers;

const PROGRESS_DEADLINE_S_DEFAULT: i32 = 600;
const INTERVAL_S_DEFAULT: i64 = 60;
const INTERVAL_S_MAX: i64 = 7 * 24 * 3600;
/// Longest name a Service can have.
const SERVICE_NAME_CHARS_MAX: usize = 63;
/// Longest name a workload can have.
const OBJECT_NAME_CHARS_MAX: usize = 253;
/// The longer of the suffixes of derived names.
const SUFFIX: &str = "-primary";
/// Flagger's A/B and Blue/Green rounds when provider `kubernetes` is given none.
const KUBERNETES_ITERATIONS: u32 = 10;

pub(super) fn validate(canary: &Canary, defaults: &Defaults) -> Result<ValidSpec, Findings> {
    let name = canary.metadata.name.clone().unwrap_or_default();
    let namespace = canary.metadata.namespace.clone().unwrap_or_default();
    let mut review = Review::new(format!("canary {namespace}/{name}"));
    let Some(analysis) = canary.analysis() else {
        review.add(
            "spec.analysis",
            "missing",
            "say how a revision is judged: interval, threshold and stepWeight or iterations",
        );
        return review.finish(None);
    };
    let provider = given(&canary.spec.provider, &defaults.provider);
    references::review(canary, analysis, &provider, defaults, &mut review);
    review_service(canary, &mut review);
    let mut notices = Vec::new();
    let target = target(canary, &mut review);
    let strategy = steps::strategy(canary, analysis, &provider, &mut notices, &mut review);
    testers::review(analysis, strategy.as_ref(), &mut review);
    let interval = interval(analysis, defaults, &mut review);
    let promotion_step = steps::promotion_step(analysis, &mut review);
    let canary_ready_threshold = percent(
        analysis.canary_ready_threshold,
        "canaryReadyThreshold",
        &mut review,
    );
    let primary_ready_threshold = percent(
        analysis.primary_ready_threshold,
        "primaryReadyThreshold",
        &mut review,
    );
    let progress_deadline = progress_deadline(canary, &mut review);
    let checks = checks::checks(analysis, &namespace, &mut review);
    let metrics_server = server::metrics_server(canary, defaults, &checks, &mut review);
    let on_unknown = checks::on_unknown(analysis, &mut review);
    let affinity = affinity::affinity(analysis, &mut review);
    notices.extend(affinity::notice(affinity.as_ref(), &provider));
    notices.extend(origins_notice(canary, &provider));
    let gates = gates::gates(analysis, &mut review);
    let spec = target.zip(strategy).map(|(target, strategy)| ValidSpec {
        uid: canary.metadata.uid.clone().unwrap_or_default(),
        metrics_server,
        apex: canary.apex().to_owned(),
        autoscaler: autoscaler(canary),
        threshold: threshold(analysis),
        is_analysis_skipped: canary.spec.skip_analysis,
        is_reverted_on_deletion: canary.spec.revert_on_deletion,
        is_suspended: canary.spec.suspend,
        name,
        namespace,
        provider,
        target,
        interval,
        strategy,
        promotion_step,
        canary_ready_threshold,
        primary_ready_threshold,
        progress_deadline,
        checks,
        on_unknown,
        affinity,
        gates,
        notices,
    });
    review.finish(spec)
}

fn given(value: &Option<String>, fallback: &str) -> String {
    let value = value.as_deref().filter(|value| !value.is_empty());
    value.unwrap_or(fallback).to_owned()
}

fn autoscaler(canary: &Canary) -> Option<Autoscaler> {
    let scaler = canary.spec.autoscaler_ref.as_ref()?;
    Some(Autoscaler {
        kind: scaler.kind.clone(),
        name: scaler.name.clone(),
    })
}

fn target(canary: &Canary, review: &mut Review) -> Option<Target> {
    let target = &canary.spec.target_ref;
    if target.name.is_empty() {
        review.add("spec.targetRef.name", "empty", "name the workload");
    }
    if target.name.len() + SUFFIX.len() > OBJECT_NAME_CHARS_MAX {
        review.add(
            "spec.targetRef.name",
            format!("{} characters long", target.name.len()),
            format!("{SUFFIX} is added to it, and both may have {OBJECT_NAME_CHARS_MAX} at most"),
        );
    }
    let kind = match target.kind.as_str() {
        "Deployment" => TargetKind::Deployment,
        "DaemonSet" => TargetKind::DaemonSet,
        "Service" if references::is_knative(target) => TargetKind::Knative,
        "Service" if target.api_version.starts_with("serving.knative.dev/") => {
            review.add(
                "spec.targetRef.apiVersion",
                format!("{:?}", target.api_version),
                format!("of Knative use {:?}", references::KNATIVE),
            );
            return None;
        }
        "Service" => TargetKind::Service,
        other => {
            review.add(
                "spec.targetRef.kind",
                format!("{other:?}"),
                "use Deployment, DaemonSet or Service",
            );
            return None;
        }
    };
    Some(Target {
        kind,
        api_version: target.api_version.clone(),
        name: target.name.clone(),
    })
}

/// Origins that an HTTPRoute cannot say, which are left out, as in Flagger.
fn origins_notice(canary: &Canary, provider: &str) -> Option<&'static str> {
    let policy = canary.spec.service.as_ref()?.cors_policy.as_ref()?;
    let is_http_route = provider == "sluice"
        || (provider.starts_with("gatewayapi:v1") && !provider.starts_with("gatewayapi:v1beta1"));
    (is_http_route && !policy.allow_origins.is_empty()).then_some(
        "spec.service.corsPolicy.allowOrigins has no effect: an HTTPRoute takes exact origins; list them in allowOrigin",
    )
}

fn review_service(canary: &Canary, review: &mut Review) {
    let Some(service) = &canary.spec.service else {
        // Knative routes to revisions, by its own Service.
        if !references::is_knative(&canary.spec.target_ref) {
            review.add("spec.service", "missing", "give at least spec.service.port");
        }
        return;
    };
    if !(1..=65_535).contains(&service.port) {
        review.add(
            "spec.service.port",
            service.port,
            "a port is between 1 and 65535",
        );
    }
    ports::review(service, review);
    let apex = canary.apex();
    if apex.len() + SUFFIX.len() > SERVICE_NAME_CHARS_MAX {
        review.add(
            "spec.service.name",
            format!("{apex:?}"),
            format!(
                "with {SUFFIX} it has more than the {SERVICE_NAME_CHARS_MAX} characters that a Service name can have"
            ),
        );
    }
}

fn interval(analysis: &CanaryAnalysis, defaults: &Defaults, review: &mut Review) -> TimeDelta {
    let fallback = TimeDelta::seconds(INTERVAL_S_DEFAULT);
    let Some(text) = analysis.interval.as_deref().filter(|text| !text.is_empty()) else {
        return fallback;
    };
    window(text, "spec.analysis.interval", review)
        .unwrap_or(fallback)
        .max(defaults.interval_min)
}

/// Parses a Go duration of at most a week.
fn window(text: &str, field: &str, review: &mut Review) -> Option<TimeDelta> {
    let parsed = match api::duration::parse(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            review.add(field, format!("{text:?}"), error.to_string());
            return None;
        }
    };
    match TimeDelta::from_std(parsed) {
        Ok(length) if length <= TimeDelta::seconds(INTERVAL_S_MAX) => Some(length),
        Ok(_) | Err(_) => {
            review.add(field, format!("{text:?}"), "use at most 168h");
            None
        }
    }
}

/// Flagger reads anything below 1 as 1.
fn threshold(analysis: &CanaryAnalysis) -> u32 {
    let given = analysis.threshold.unwrap_or(0).max(1);
    u32::try_from(given).unwrap_or(u32::MAX)
}

fn percent(given: Option<i64>, field: &str, review: &mut Review) -> Percent {
    let Some(given) = given else {
        return Percent::FULL;
    };
    let percent = u8::try_from(given).ok().and_then(Percent::new);
    percent.unwrap_or_else(|| {
        review.add(
            format!("spec.analysis.{field}"),
            given,
            "a share is between 0 and 100 per cent",
        );
        Percent::FULL
    })
}

fn progress_deadline(canary: &Canary, review: &mut Review) -> TimeDelta {
    let seconds = canary
        .spec
        .progress_deadline_seconds
        .unwrap_or(PROGRESS_DEADLINE_S_DEFAULT);
    if seconds < 1 {
        review.add(
            "spec.progressDeadlineSeconds",
            seconds,
            "give a workload at least 1 second to become ready",
        );
    }
    TimeDelta::seconds(i64::from(seconds))
}
