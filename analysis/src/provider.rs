//! The metric servers of MetricTemplates other than Prometheus (spec 5.4)
//!
//! Each provider is a pure pair: a query becomes a plain request, and an answer
//! becomes one point, nothing, or words that say what is wrong with it. Only one
//! series counts as an answer (invariant I11). Sending is behind `Outbound`.
//!
//! ```text
//! query ─ Plain::query ─ HttpRequest ─ Outbound ─ Answer ─ Plain::read ─ Point
//! ```

mod answer;
mod cloudwatch;
mod datadog;
mod dynatrace;
mod externalmetrics;
mod graphite;
mod influxdb;
mod kept;
mod keptn;
mod keys;
mod newrelic;
mod quantity;
mod splunk;
mod stackdriver;

use std::sync::Arc;

use api::metric_template::MetricProvider;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Url;
use rollout::answers::Measured;

use crate::context::Unusable;
use crate::measure::{finite, out_of_time};
use crate::outbound::{HttpRequest, Outbound, base_url};
use crate::wording;
use answer::{Answer, Point};
pub use kept::Kept;
pub(crate) use keys::Keys;

/// How many intervals back a server is asked, as Flagger has it.
const WINDOW_INTERVALS: i32 = 10;

/// Clocks differ, and servers cut time into minutes.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// A metric server that is not a Prometheus.
#[derive(Clone)]
pub struct Provider(Kind);

#[derive(Clone)]
enum Kind {
    /// One request, one answer.
    Plain(Arc<dyn Plain>),
    /// Signed with what the cloud says the operator is.
    CloudWatch(cloudwatch::CloudWatch),
    /// The operator's own API server.
    ExternalMetrics,
    /// Objects of the operator's own API server.
    Keptn,
    /// With a token that another server gives.
    Stackdriver(stackdriver::Stackdriver),
}

/// A server that is asked with one request.
trait Plain: Send + Sync {
    /// `spec.provider.type`, and the address as it may be shown.
    fn shown(&self) -> String;

    /// A length as its queries have it (`{{ interval }}`).
    fn interval(&self, length: TimeDelta) -> String {
        wording::interval(length)
    }

    /// The request for a query, or why there is none.
    fn query(&self, query: &str, when: &When) -> Result<HttpRequest, String>;

    /// Reads an answer of success: one point, none, or what is wrong.
    fn read(&self, answer: &Answer<'_>) -> Result<Option<Point>, String>;

    /// The request that tells whether the server can answer (spec 5.6).
    fn probe(&self, when: &When) -> Result<HttpRequest, String>;

    /// Reads the answer to it.
    fn is_online(&self, answer: &Answer<'_>) -> Result<(), String> {
        answer.check_success()
    }
}

/// When is asked, over which time, and for whom.
pub(crate) struct When {
    pub(crate) now: DateTime<Utc>,
    /// The check's interval, or the time since the canary had traffic if that is shorter.
    pub(crate) interval: TimeDelta,
    /// When the canary first had traffic, if that is known.
    pub(crate) traffic_started: Option<DateTime<Utc>>,
    /// Canary and check, to tell askers apart.
    pub(crate) asker: String,
}

impl When {
    /// The start of the time that is asked for: never before the canary had traffic.
    fn start(&self) -> DateTime<Utc> {
        let wanted = self
            .interval
            .checked_mul(WINDOW_INTERVALS)
            .and_then(|window| self.now.checked_sub_signed(window))
            .unwrap_or(DateTime::UNIX_EPOCH);
        // A window has some length.
        let latest = self.now.checked_sub_signed(TimeDelta::seconds(1));
        let started = self.traffic_started.min(latest);
        started.map_or(wanted, |started| wanted.max(started))
    }

    /// Why a point says nothing of the time that was asked for, if it does not.
    fn out_of_time(&self, point: &Point) -> Option<String> {
        let at = point.at?;
        let told_until = at.checked_add_signed(point.covers).unwrap_or(at);
        if self
            .traffic_started
            .is_some_and(|started| told_until < started)
        {
            return Some("answered with a value from before the canary had traffic".to_owned());
        }
        let window = self.now.signed_duration_since(self.start());
        let margin = self.interval.max(SKEW);
        let past = window
            .checked_add(&margin)
            .and_then(|past| past.checked_add(&point.covers))
            .unwrap_or(TimeDelta::MAX);
        out_of_time(at, self.now, past, margin)
    }
}

impl Provider {
    /// Every type but `prometheus`; none if there is no such type.
    pub(crate) fn read(spec: &MetricProvider, keys: &Keys<'_>) -> Result<Option<Self>, Unusable> {
        let kind = match spec.type_.as_str() {
            "datadog" => plain(datadog::Datadog::read(spec, keys)?),
            "newrelic" => plain(newrelic::Newrelic::read(spec, keys)?),
            "dynatrace" => plain(dynatrace::Dynatrace::read(spec, keys)?),
            "graphite" => plain(graphite::Graphite::read(spec, keys)?),
            "influxdb" => plain(influxdb::Influxdb::read(spec, keys)?),
            "splunk" => plain(splunk::Splunk::read(spec, keys)?),
            "cloudwatch" => Kind::CloudWatch(cloudwatch::CloudWatch::read(spec)?),
            "stackdriver" => Kind::Stackdriver(stackdriver::Stackdriver::read(keys)?),
            "keptn" => Kind::Keptn,
            "externalmetrics" => match externalmetrics::Remote::read(spec, keys)? {
                Some(remote) => plain(remote),
                None => Kind::ExternalMetrics,
            },
            _ => return Ok(None),
        };
        Ok(Some(Self(kind)))
    }

    /// A length as its queries have it (`{{ interval }}`).
    pub(crate) fn interval(&self, length: TimeDelta) -> String {
        match &self.0 {
            Kind::Plain(plain) => plain.interval(length),
            Kind::CloudWatch(_) | Kind::ExternalMetrics | Kind::Keptn | Kind::Stackdriver(_) => {
                wording::interval(length)
            }
        }
    }

    /// Its type and address, without credentials.
    fn shown(&self) -> String {
        match &self.0 {
            Kind::Plain(plain) => plain.shown(),
            Kind::CloudWatch(cloudwatch) => cloudwatch.shown(),
            Kind::ExternalMetrics => "externalmetrics".to_owned(),
            Kind::Keptn => "keptn".to_owned(),
            Kind::Stackdriver(stackdriver) => stackdriver.shown(),
        }
    }

    /// Asks, and says what the answer is worth; `nothing` is said of no data.
    pub(crate) async fn measure(
        &self,
        query: &str,
        when: &When,
        nothing: &str,
        outbound: &dyn Outbound,
    ) -> Measured {
        let error = |why: String| Measured::Error(format!("{} {why}", self.shown()));
        let point = match self.ask(query, when, outbound).await {
            Ok(Some(point)) => point,
            Ok(None) => return Measured::Nothing(nothing.to_owned()),
            Err(why) => return error(why),
        };
        if let Some(why) = when.out_of_time(&point) {
            return error(why);
        }
        finite(point.value, nothing).unwrap_or_else(error)
    }

    async fn ask(
        &self,
        query: &str,
        when: &When,
        outbound: &dyn Outbound,
    ) -> Result<Option<Point>, String> {
        match &self.0 {
            Kind::Plain(plain) => {
                let request = plain.query(query, when)?;
                let answer = Answer::get(&request, outbound).await?;
                answer.check_success()?;
                plain.read(&answer)
            }
            Kind::CloudWatch(cloudwatch) => cloudwatch.ask(query, when, outbound).await,
            Kind::ExternalMetrics => externalmetrics::ask(query, outbound).await,
            Kind::Keptn => keptn::ask(query, when, outbound).await,
            Kind::Stackdriver(stackdriver) => stackdriver.ask(query, when, outbound).await,
        }
    }

    /// Whether the server can answer at all.
    pub(crate) async fn available(
        &self,
        when: &When,
        outbound: &dyn Outbound,
    ) -> Result<(), String> {
        let online = match &self.0 {
            Kind::Plain(plain) => match plain.probe(when) {
                Ok(request) => Answer::get(&request, outbound)
                    .await
                    .and_then(|answer| plain.is_online(&answer)),
                Err(why) => Err(why),
            },
            Kind::CloudWatch(cloudwatch) => cloudwatch.probe(when, outbound).await,
            Kind::ExternalMetrics => externalmetrics::probe(outbound).await,
            // Flagger asks nothing of Keptn either.
            Kind::Keptn => Ok(()),
            Kind::Stackdriver(stackdriver) => stackdriver.probe(when, outbound).await,
        };
        online.map_err(|why| format!("{} {why}", self.shown()))
    }
}

fn plain(plain: impl Plain + 'static) -> Kind {
    Kind::Plain(Arc::new(plain))
}

/// Reads `spec.provider.address`.
fn address(spec: &MetricProvider, default: Option<&str>) -> Result<Url, Unusable> {
    let given = spec.address.as_deref().filter(|text| !text.is_empty());
    given
        .or(default)
        .and_then(base_url)
        .ok_or(Unusable::Address)
}

/// The URL of a path below an address.
fn below(address: &Url, path: &str) -> Url {
    let mut url = address.clone();
    url.set_path(&format!("{}{path}", address.path().trim_end_matches('/')));
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// Several series where one is wanted, as Prometheus' are told.
fn several(count: usize, what: &str) -> String {
    format!("answered with {count} {what} instead of one; aggregate them in the query")
}

/// `datadog https://api.datadoghq.com`.
fn shown(type_: &str, address: &Url) -> String {
    format!("{type_} {}", wording::origin(address))
}
