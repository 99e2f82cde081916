//! Writes values as go-yaml writes them, byte for byte.
//!
//! Works on [`Value`] and on `serde_json::Value` alike, without a copy.

mod node;
mod order;
mod scalar;
mod writer;

pub use node::{Node, View};

use crate::resolve::Dialect;
use writer::Writer;

/// Who the output must be equal to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// `sigs.k8s.io/yaml` `Marshal`: keys sorted, long plain lines folded.
    #[default]
    Sigs,
    /// kustomize's kyaml (go-yaml v3): keys as they stand, no folding.
    Kyaml,
}

impl Style {
    fn dialect(self) -> Dialect {
        match self {
            Self::Sigs => Dialect::Sigs,
            Self::Kyaml => Dialect::V3,
        }
    }
}

/// Writes one document as `sigs.k8s.io/yaml` does.
#[must_use]
pub fn to_string(value: &impl Node) -> String {
    to_string_styled(value, Style::Sigs)
}

/// Writes one document in the given style.
#[must_use]
pub fn to_string_styled(value: &impl Node, style: Style) -> String {
    let mut writer = Writer::new(style);
    node(&mut writer, value, Context::Root);
    writer.finish()
}

/// Where a node stands; go-yaml indents by it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Root,
    Item,
    MapValue,
    /// Of a key too long or too broken for one line: `? key`, `: value`.
    ComplexKey,
}

fn node<N: Node>(writer: &mut Writer, value: &N, context: Context) {
    match value.view() {
        View::Null => writer.plain("null"),
        View::Bool(b) => writer.plain(if b { "true" } else { "false" }),
        View::Int(i) => writer.plain(&i.to_string()),
        View::Uint(u) => writer.plain(&u.to_string()),
        View::Float(f) => writer.plain(&crate::number::format_float(f)),
        View::Str(s) => scalar::value(writer, s),
        View::Seq([]) => writer.indicator("[]"),
        View::Seq(items) => seq(writer, items, context),
        View::Map(pairs) if pairs.is_empty() => writer.indicator("{}"),
        View::Map(pairs) => map(writer, pairs),
    }
}

fn seq<N: Node>(writer: &mut Writer, items: &[N], context: Context) {
    // A sequence directly under "key:" is not indented further.
    let indentless = context == Context::MapValue && !writer.at_indention();
    let outer = writer.increase_indent(indentless);
    for item in items {
        writer.write_indent();
        writer.block_indicator("-");
        node(writer, item, Context::Item);
    }
    writer.set_indent(outer);
}

fn map<N: Node>(writer: &mut Writer, mut pairs: Vec<(&str, &N)>) {
    if writer.style() == Style::Sigs {
        pairs.sort_by(|(a, _), (b, _)| order::natural(a, b));
    }
    let outer = writer.increase_indent(false);
    for (key, value) in pairs {
        writer.write_indent();
        if scalar::is_simple_key(key) {
            scalar::key(writer, key);
            writer.colon();
            node(writer, value, Context::MapValue);
        } else {
            writer.block_indicator("?");
            scalar::value(writer, key);
            writer.write_indent();
            writer.block_indicator(":");
            node(writer, value, Context::ComplexKey);
        }
    }
    writer.set_indent(outer);
}
