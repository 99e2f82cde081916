//! Elects one leader by a Lease: acquires, renews, gives it back.
//!
//! Another's lease counts as expired by our own monotonic clock only, from when its record
//! was last seen to change. It decides nothing about canaries; losing the lease ends the
//! program (see `runtime.rs`). Name and times are Flagger's.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use thiserror::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

const LEASE_NAME: &str = "flagger-leader-election";
const LEASE_S: i32 = 60;
const RENEW_DEADLINE: Duration = Duration::from_secs(15);
const RETRY_PERIOD: Duration = Duration::from_secs(5);
/// Time one try to acquire it may take.
const TRY_TIMEOUT: Duration = Duration::from_secs(15);
const _: () = assert!(RENEW_DEADLINE.as_secs() < LEASE_S as u64);

/// Why leadership ended.
#[derive(Debug, Error)]
pub enum LeaseError {
    /// Nobody renewed it in time, or another took it.
    #[error("lost the lease \"flagger-leader-election\"")]
    Lost,
}

/// One candidate.
pub struct Elector {
    leases: Api<Lease>,
    identity: String,
    clock: Clock,
    seen: Option<Seen>,
}

/// The record last seen, and since when it has not changed.
struct Seen {
    version: Option<String>,
    since: Instant,
}

impl Elector {
    /// A candidate with an identity of its own: `<host>_<uuid>`.
    pub fn new(client: kube::Client, namespace: &str, host: &str, clock: Clock) -> Self {
        let identity = format!("{host}_{}", uuid::Uuid::new_v4());
        Self {
            leases: Api::namespaced(client, namespace),
            identity,
            clock,
            seen: None,
        }
    }

    /// Waits until this candidate leads; the number grows with every change of leader.
    pub async fn acquire(&mut self) -> i32 {
        loop {
            match tokio::time::timeout(TRY_TIMEOUT, self.attempt()).await {
                Ok(Ok(Some(epoch))) => return epoch,
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "Lease not read or written; retrying."),
                Err(_) => tracing::warn!("Lease not read or written in time; retrying."),
            }
            tokio::time::sleep(RETRY_PERIOD).await;
        }
    }

    /// Renews until `shutdown`, then gives the lease back; an error means it was lost.
    pub async fn keep(&mut self, shutdown: &CancellationToken) -> Result<(), LeaseError> {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => {
                    self.release().await;
                    return Ok(());
                }
                () = tokio::time::sleep(RETRY_PERIOD) => {}
            }
            let left = RENEW_DEADLINE.saturating_sub(renewed.elapsed());
            match tokio::time::timeout(left, self.attempt()).await {
                Ok(Ok(Some(_))) => renewed = Instant::now(),
                Ok(Ok(None)) => return Err(LeaseError::Lost),
                Ok(Err(error)) => tracing::warn!(%error, "Lease not renewed; retrying."),
                Err(_) => {}
            }
            if renewed.elapsed() >= RENEW_DEADLINE {
                return Err(LeaseError::Lost);
            }
        }
    }

    /// One try: the epoch if the lease is ours afterwards, none if another holds it. A conflict is an error like
    /// others: who wrote in between is seen by the next try.
    async fn attempt(&mut self) -> Result<Option<i32>, kube::Error> {
        let Some(lease) = self.leases.get_opt(LEASE_NAME).await? else {
            let metadata = ObjectMeta {
                name: Some(LEASE_NAME.to_owned()),
                ..ObjectMeta::default()
            };
            let lease = Lease {
                metadata,
                spec: Some(self.record(None)),
            };
            self.leases.create(&PostParams::default(), &lease).await?;
            return Ok(Some(0));
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if !holder.is_empty() && holder != self.identity && !self.is_expired(&lease) {
            return Ok(None);
        }
        let record = self.record(Some(&spec));
        let epoch = record.lease_transitions.unwrap_or_default();
        let next = Lease {
            metadata: lease.metadata,
            spec: Some(record),
        };
        self.leases
            .replace(LEASE_NAME, &PostParams::default(), &next)
            .await?;
        Ok(Some(epoch))
    }

    fn is_expired(&mut self, lease: &Lease) -> bool {
        let version = lease.metadata.resource_version.clone();
        let spec = lease.spec.as_ref();
        let seconds = spec
            .and_then(|spec| spec.lease_duration_seconds)
            .unwrap_or(LEASE_S);
        let length = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        match &self.seen {
            Some(seen) if seen.version == version => seen.since.elapsed() >= length,
            Some(_) | None => {
                self.seen = Some(Seen {
                    version,
                    since: Instant::now(),
                });
                false
            }
        }
    }

    fn record(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = Some(micro_time(self.clock));
        let held = before.filter(|spec| spec.holder_identity.as_deref() == Some(&self.identity));
        let transitions = before
            .and_then(|spec| spec.lease_transitions)
            .unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(LEASE_S),
            acquire_time: held
                .and_then(|spec| spec.acquire_time.clone())
                .or_else(|| now.clone()),
            renew_time: now,
            lease_transitions: Some(match (before, held) {
                (Some(_), None) => transitions.saturating_add(1),
                (Some(_), Some(_)) | (None, _) => transitions,
            }),
            ..LeaseSpec::default()
        }
    }

    /// Empties the holder, so that the next one need not wait for the lease to expire.
    async fn release(&self) {
        let released = async {
            let mut lease = self.leases.get(LEASE_NAME).await?;
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(&self.identity) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(micro_time(self.clock));
            self.leases
                .replace(LEASE_NAME, &PostParams::default(), &lease)
                .await
                .map(|_| ())
        };
        match tokio::time::timeout(RETRY_PERIOD, released).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "Lease not released."),
            Err(_) => tracing::warn!("Lease not released in time."),
        }
    }
}

fn micro_time(clock: Clock) -> MicroTime {
    let micros = clock.now().timestamp_micros();
    MicroTime(jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}
