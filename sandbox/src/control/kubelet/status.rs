//! What a pod's status says at a moment: phase, conditions and container
//! states, from how long the container has run and how it behaves. Pure.

use std::time::Duration;

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateWaiting, ContainerStatus, Pod,
    PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::Instant;

use crate::behaviour::{Readiness, main_container};
use crate::clock::Clock;

/// A crashing container runs this long each time.
const CRASH_AFTER: Duration = Duration::from_secs(1);
/// The kubelet's first wait before it starts a crashed container again; it doubles.
const BACKOFF_FIRST: Duration = Duration::from_secs(10);
const BACKOFF_MAX: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Creating,
    Waiting(&'static str),
    Running,
    Ready,
}

/// Where a container stands, and when that will change by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    container: Container,
    restarts: i32,
    pub(super) next: Option<Duration>,
}

pub(super) fn moment(started: Instant, ready_after: Duration, readiness: Readiness) -> Moment {
    let at = |container, next| Moment {
        container,
        restarts: 0,
        next,
    };
    let now = Instant::now();
    if readiness == Readiness::ImagePullFails {
        return at(Container::Waiting("ImagePullBackOff"), None);
    }
    if now < started {
        return at(Container::Creating, Some(started - now));
    }
    let ran = now - started;
    let ready_after = match readiness {
        Readiness::Soon => ready_after,
        Readiness::After(after) => after,
        Readiness::Never | Readiness::ImagePullFails => return at(Container::Running, None),
        Readiness::CrashLoop => return crashing(ran),
    };
    if ran >= ready_after {
        at(Container::Ready, None)
    } else {
        at(Container::Running, Some(ready_after - ran))
    }
}

fn crashing(ran: Duration) -> Moment {
    let (mut from, mut backoff, mut restarts) = (Duration::ZERO, BACKOFF_FIRST, 0);
    loop {
        let crashed = from + CRASH_AFTER;
        if ran < crashed {
            return Moment {
                container: Container::Running,
                restarts,
                next: Some(crashed - ran),
            };
        }
        from = crashed + backoff;
        if ran < from {
            let container = Container::Waiting("CrashLoopBackOff");
            return Moment {
                container,
                restarts,
                next: Some(from - ran),
            };
        }
        backoff = (backoff * 2).min(BACKOFF_MAX);
        restarts += 1;
    }
}

/// The ports the main container declares.
pub(super) fn container_ports(pod: &Pod) -> Vec<u16> {
    let container = pod.spec.as_ref().and_then(main_container);
    let ports = container.iter().flat_map(|c| c.ports.iter().flatten());
    ports
        .filter_map(|p| u16::try_from(p.container_port).ok())
        .collect()
}

pub(super) fn pod_status(clock: &Clock, pod: &Pod, ip: &str, moment: &Moment) -> PodStatus {
    let before = pod.status.clone().unwrap_or_default();
    let is_ready = moment.container == Container::Ready;
    let is_started = !matches!(
        moment.container,
        Container::Creating | Container::Waiting("ImagePullBackOff")
    );
    let condition = |type_: &str, is_true: bool| {
        let status = if is_true { "True" } else { "False" };
        let known = before
            .conditions
            .iter()
            .flatten()
            .find(|c| c.type_ == type_ && c.status == status);
        known.cloned().unwrap_or_else(|| PodCondition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            last_transition_time: Some(clock.stamp()),
            reason: (!is_true).then(|| "ContainersNotReady".to_owned()),
            ..PodCondition::default()
        })
    };
    let start = before.start_time.clone().unwrap_or_else(|| clock.stamp());
    PodStatus {
        phase: Some(if is_started { "Running" } else { "Pending" }.to_owned()),
        conditions: Some(vec![
            condition("Initialized", true),
            condition("Ready", is_ready),
            condition("ContainersReady", is_ready),
            condition("PodScheduled", true),
        ]),
        container_statuses: Some(container_statuses(pod, &before, moment, &clock.stamp())),
        pod_ip: is_started.then(|| ip.to_owned()),
        pod_ips: is_started.then(|| vec![PodIP { ip: ip.to_owned() }]),
        host_ip: Some("127.0.0.1".to_owned()),
        start_time: Some(start),
        qos_class: Some(
            before
                .qos_class
                .clone()
                .unwrap_or_else(|| "BestEffort".to_owned()),
        ),
        ..before
    }
}

fn container_statuses(
    pod: &Pod,
    before: &PodStatus,
    moment: &Moment,
    now: &Time,
) -> Vec<ContainerStatus> {
    let containers = pod.spec.iter().flat_map(|s| &s.containers);
    let statuses = containers.map(|container| {
        let known = before
            .container_statuses
            .iter()
            .flatten()
            .find(|s| s.name == container.name);
        let waiting = |reason: &str| ContainerState {
            waiting: Some(ContainerStateWaiting {
                reason: Some(reason.to_owned()),
                message: None,
            }),
            ..ContainerState::default()
        };
        let state = match moment.container {
            Container::Creating => waiting("ContainerCreating"),
            Container::Waiting(reason) => waiting(reason),
            Container::Running | Container::Ready => {
                let running = known
                    .and_then(|s| s.state.as_ref())
                    .and_then(|s| s.running.clone());
                let since = || ContainerStateRunning {
                    started_at: Some(now.clone()),
                };
                ContainerState {
                    running: Some(running.unwrap_or_else(since)),
                    ..ContainerState::default()
                }
            }
        };
        let image = container.image.clone().unwrap_or_default();
        ContainerStatus {
            name: container.name.clone(),
            ready: moment.container == Container::Ready,
            started: Some(state.running.is_some()),
            restart_count: moment.restarts,
            image_id: image.clone(),
            image,
            state: Some(state),
            ..ContainerStatus::default()
        }
    });
    statuses.collect()
}
