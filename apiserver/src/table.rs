//! Gives objects the shape that the client asked for: whole, only metadata, or a table for people.
//!
//! `columns` says which columns the kinds have, `json_path` finds the cells of custom ones, `age` words durations.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

mod age;
mod columns;
mod json_path;

use self::columns::Column;
use crate::{cluster::Clock, object, resource::ResourceType};

/// What the client wants to see of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Metadata,
    Table,
}

/// A form, and the time by which ages are told.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) form: Form,
    pub(crate) clock: Clock,
}

impl Shape {
    /// One object.
    pub(crate) fn one(&self, kind: &ResourceType, object: &Value) -> Value {
        match self.form {
            Form::Whole => object.clone(),
            Form::Metadata => metadata_of(object),
            Form::Table => {
                let version =
                    object::text(object, &["metadata", "resourceVersion"]).unwrap_or_default();
                let metadata = json!({ "resourceVersion": version });
                table(
                    kind,
                    std::slice::from_ref(object),
                    &metadata,
                    (self.clock)(),
                )
            }
        }
    }

    /// A list of objects.
    pub(crate) fn many(&self, kind: &ResourceType, items: Vec<Value>, metadata: &Value) -> Value {
        match self.form {
            Form::Whole => {
                let items: Vec<Value> = items.into_iter().map(|item| listed(kind, item)).collect();
                json!({
                    "kind": kind.list_kind,
                    "apiVersion": kind.api_version(),
                    "metadata": metadata,
                    "items": items,
                })
            }
            Form::Metadata => json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": items.iter().map(metadata_of).collect::<Vec<_>>(),
            }),
            Form::Table => table(kind, &items, metadata, (self.clock)()),
        }
    }

    /// A bookmark's object.
    pub(crate) fn bookmark(&self, object: &Value) -> Value {
        match self.form {
            Form::Whole => object.clone(),
            Form::Metadata => metadata_of(object),
            Form::Table => json!({
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": object.get("metadata"),
                "columnDefinitions": null,
                "rows": [],
            }),
        }
    }
}

/// An item of a list; built-in kinds do not repeat what the list says.
fn listed(kind: &ResourceType, mut item: Value) -> Value {
    if !kind.is_custom {
        object::take(&mut item, &["apiVersion"]);
        object::take(&mut item, &["kind"]);
    }
    item
}

fn metadata_of(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata"),
    })
}

fn table(kind: &ResourceType, items: &[Value], metadata: &Value, now: DateTime<Utc>) -> Value {
    let columns = columns::of(kind);
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let cells: Vec<Value> = columns
                .iter()
                .map(|column| column.cell(item, now))
                .collect();
            json!({ "cells": cells, "object": metadata_of(item) })
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns.iter().map(Column::definition).collect::<Vec<_>>(),
        "rows": rows,
    })
}
