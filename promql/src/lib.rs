//! Answers PromQL instant queries over samples kept in memory.
//!
//! The language is parsed by `promql-parser`; what a query means is ours and
//! follows Prometheus 2.42 (windows closed at both ends, 5 minutes of
//! lookback, counter resets, extrapolation). The crate does no IO and is told
//! the time: a caller appends samples and asks with the instant it means.
//!
//! ```text
//!  text of /metrics ──▶ exposition ──▶ Store ──▶ query(store, expr, at) ──▶ Value ──▶ JSON
//! ```
//!
//! It does not keep samples on disk, knows no native histograms, no exemplars
//! and no recording rules; an unknown function is an error that names it.

mod error;
mod eval;
mod exposition;
mod labels;
mod store;
mod value;

pub use error::QueryError;
pub use eval::{LOOKBACK_MS, query, query_range};
pub use exposition::{Exposition, ExpositionError, MetricType, Scraped, parse_exposition};
pub use labels::{Labels, METRIC_NAME};
pub use store::{AppendError, Limits, Point, STALE_NAN_BITS, SeriesId, Store, is_stale, stale_nan};
pub use value::{ApiResponse, Sample, Series, Value, format_value};
