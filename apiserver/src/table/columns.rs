//! Says which columns each kind has in `kubectl get`, and finds their cells.
//!
//! Columns and wording are those of pkg/printers/internalversion for built-in kinds, and of the CRD for custom ones.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

mod builtin;

use self::builtin::{Row, rows};
use super::{age, json_path};
use crate::{
    object::{self, text},
    resource::ResourceType,
    status::plain,
};

/// One column.
pub(super) struct Column {
    name: String,
    kind: String,
    format: String,
    description: String,
    priority: i64,
    source: Source,
}

enum Source {
    Name,
    Age,
    /// A path of a CRD's column, and whether its value is a date.
    Path(String, bool),
    Cell(fn(&Value) -> Value),
}

impl Column {
    fn new(name: &str, kind: &str, priority: i64, source: Source) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            format: if name == "Name" {
                "name".to_owned()
            } else {
                String::new()
            },
            description: String::new(),
            priority,
            source,
        }
    }

    /// The definition that the client reads.
    pub(super) fn definition(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.kind,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        })
    }

    /// The cell of an object.
    pub(super) fn cell(&self, object: &Value, now: DateTime<Utc>) -> Value {
        match &self.source {
            Source::Name => json!(object::name(object)),
            Source::Age => json!(age::since(
                text(object, &["metadata", "creationTimestamp"]),
                now
            )),
            Source::Cell(cell) => cell(object),
            Source::Path(path, is_date) => {
                let found = json_path::find(object, path);
                match found.as_slice() {
                    [] => Value::Null,
                    [first, ..] if *is_date => json!(age::since(first.as_str(), now)),
                    [one] if one.is_number() || one.is_boolean() => (*one).clone(),
                    many => json!(
                        many.iter()
                            .map(|value| plain(value))
                            .collect::<Vec<_>>()
                            .join(",")
                    ),
                }
            }
        }
    }
}

/// The columns of a kind.
pub(super) fn of(kind: &ResourceType) -> Vec<Column> {
    let mut columns = vec![Column::new("Name", "string", 0, Source::Name)];
    if kind.is_custom {
        for column in &kind.columns {
            columns.push(Column {
                name: column.name.clone(),
                kind: column.kind.clone(),
                format: column.format.clone(),
                description: column.description.clone(),
                priority: column.priority,
                source: Source::Path(column.json_path.clone(), column.kind == "date"),
            });
        }
        if kind.columns.is_empty() {
            columns.push(Column::new("Age", "string", 0, Source::Age));
        }
        return columns;
    }
    let (before_age, after_age) = rows(&kind.plural);
    let cell = |row: &Row| Column::new(row.0, "string", row.1, Source::Cell(row.2));
    columns.extend(before_age.iter().map(cell));
    columns.push(Column::new("Age", "string", 0, Source::Age));
    columns.extend(after_age.iter().map(cell));
    columns
}
