//! What a query answers, and its JSON in the shape of the Prometheus HTTP API
//! v1 (`/api/v1/query`, field `data`). Values are strings there, so that NaN
//! and infinities survive.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeStruct, Serializer};

use crate::error::QueryError;
use crate::labels::Labels;
use crate::store::Point;

/// One series' value at the query's instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The labels left by the query.
    pub labels: Labels,
    /// The instant of the query and the value.
    pub point: Point,
}

/// One series' values over a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The labels left by the query.
    pub labels: Labels,
    /// In order of time.
    pub points: Vec<Point>,
}

/// What a query answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number at the query's instant.
    Scalar(Point),
    /// One sample a series.
    Vector(Vec<Sample>),
    /// Many samples a series.
    Matrix(Vec<Series>),
    /// A text, from a string literal.
    Text {
        /// The query's instant, Unix milliseconds.
        t_ms: i64,
        /// The text.
        text: String,
    },
}

impl Value {
    /// The type's name in the API.
    #[must_use]
    pub fn result_type(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "scalar",
            Self::Vector(_) => "vector",
            Self::Matrix(_) => "matrix",
            Self::Text { .. } => "string",
        }
    }

    /// The one number of a scalar or of a vector of one sample.
    #[must_use]
    pub fn single(&self) -> Option<f64> {
        match self {
            Self::Scalar(point) => Some(point.v),
            Self::Vector(samples) => match samples.as_slice() {
                [one] => Some(one.point.v),
                [] | [_, ..] => None,
            },
            Self::Matrix(_) | Self::Text { .. } => None,
        }
    }
}

/// A value as the API prints it: shortest digits that read back the same,
/// with an exponent below 1e-6 and from 1e21 on; `NaN`, `+Inf`, `-Inf`.
#[must_use]
pub fn format_value(v: f64) -> String {
    if v.is_nan() {
        return "NaN".to_owned();
    }
    if v.is_infinite() {
        return if v > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = v.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return v.to_string();
    }
    let text = format!("{v:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, power) = exponent
                .strip_prefix('-')
                .map_or(('+', exponent), |p| ('-', p));
            format!("{digits}e{sign}{power:0>2}")
        }
        None => text,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of our time fit 53 bits"
)]
fn seconds(t_ms: i64) -> f64 {
    t_ms as f64 / 1000.0
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (seconds(self.t_ms), format_value(self.v)).serialize(serializer)
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Sample", 2)?;
        out.serialize_field("metric", &self.labels)?;
        out.serialize_field("value", &self.point)?;
        out.end()
    }
}

impl Serialize for Series {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Series", 2)?;
        out.serialize_field("metric", &self.labels)?;
        out.serialize_field("values", &self.points)?;
        out.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Value", 2)?;
        out.serialize_field("resultType", self.result_type())?;
        match self {
            Self::Scalar(point) => out.serialize_field("result", point)?,
            Self::Vector(samples) => out.serialize_field("result", samples)?,
            Self::Matrix(series) => out.serialize_field("result", series)?,
            Self::Text { t_ms, text } => out.serialize_field("result", &(seconds(*t_ms), text))?,
        }
        out.end()
    }
}

/// The whole body of an answer of the API.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum ApiResponse {
    /// The query was answered.
    Success {
        /// The answer.
        data: Value,
    },
    /// It was not.
    Error {
        /// `bad_data`, `execution`, …
        #[serde(rename = "errorType")]
        error_type: &'static str,
        /// Why, for a reader.
        error: String,
    },
}

impl From<Result<Value, QueryError>> for ApiResponse {
    fn from(answer: Result<Value, QueryError>) -> Self {
        match answer {
            Ok(data) => Self::Success { data },
            Err(error) => Self::Error {
                error_type: error.api_type(),
                error: error.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_go_prints_them() {
        let printed = |v| format_value(v);
        for (v, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-07"),
            (1e-6, "0.000001"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (0.1 + 0.2, "0.30000000000000004"),
        ] {
            assert_eq!(printed(v), want);
        }
    }
}
