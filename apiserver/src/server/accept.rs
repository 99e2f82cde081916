//! Reads the `Accept` header: JSON or not, whole objects, tables or only metadata.

use http::{HeaderMap, header};

use crate::table::Form;

/// What the client accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accept {
    kinds: Vec<MediaType>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct MediaType {
    name: String,
    /// The `as` parameter.
    shape: String,
    /// The `g` and `v` parameters as `g/v`.
    group_version: String,
}

impl Accept {
    /// Reads the header; without one anything is accepted.
    pub(crate) fn parse(headers: &HeaderMap) -> Self {
        let kinds = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(media_type)
            .collect();
        Self { kinds }
    }

    /// Whether an answer in JSON is accepted.
    pub(crate) fn takes_json(&self) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(MediaType::is_json)
    }

    /// The shape of objects that the client likes best among those that exist.
    pub(crate) fn form(&self) -> Form {
        self.kinds
            .iter()
            .filter(|kind| kind.is_json())
            .find_map(|kind| match kind.shape.as_str() {
                "" => Some(Form::Whole),
                "Table" => Some(Form::Table),
                "PartialObjectMetadata" | "PartialObjectMetadataList" => Some(Form::Metadata),
                _ => None,
            })
            .unwrap_or(Form::Whole)
    }

    /// Whether discovery of all groups in one document, version 2, is accepted.
    pub(crate) fn takes_aggregated(&self) -> bool {
        self.kinds.iter().any(|kind| {
            kind.is_json()
                && kind.shape == "APIGroupDiscoveryList"
                && kind.group_version == "apidiscovery.k8s.io/v2"
        })
    }
}

impl MediaType {
    fn is_json(&self) -> bool {
        matches!(
            self.name.as_str(),
            "application/json" | "*/*" | "application/*"
        )
    }
}

fn media_type(text: &str) -> MediaType {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let (mut shape, mut group, mut version) = (String::new(), String::new(), String::new());
    for part in parts {
        match part.split_once('=') {
            Some(("as", value)) => shape = value.to_owned(),
            Some(("g", value)) => group = value.to_owned(),
            Some(("v", value)) => version = value.to_owned(),
            Some(_) | None => {}
        }
    }
    MediaType {
        name,
        shape,
        group_version: format!("{group}/{version}"),
    }
}
