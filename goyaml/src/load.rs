//! Builds values from YAML events, within limits.
//!
//! Duplicate keys are errors; merge keys are applied at the end of their
//! mapping, where the mapping's own keys win. The depth and the number of
//! nodes are counted as if every alias had been written out.

mod scalar;
mod tree;

use granit_parser::{Event, Parser, Span};

use crate::error::{Error, Fault};
use crate::limits::Limits;
use crate::resolve::Dialect;
use crate::value::Value;
use tree::Tree;

/// Reads every document as `sigs.k8s.io/yaml` does.
///
/// # Errors
/// Bad YAML, duplicate keys, or more than `limits` allow.
pub fn parse_documents(text: &str, limits: &Limits) -> Result<Vec<Value>, Error> {
    parse_documents_as(text, Dialect::Sigs, limits)
}

/// Reads every document in the given dialect.
///
/// # Errors
/// Bad YAML, duplicate keys, or more than `limits` allow.
pub fn parse_documents_as(
    text: &str,
    dialect: Dialect,
    limits: &Limits,
) -> Result<Vec<Value>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_characters(text, limits)?;
    let mut options = granit_parser::options! {
        block_scalar_eof_without_line_feed: true,
        bom_inside_document_as_content: true,
    };
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut tree = Tree::new(dialect, limits);
    let mut documents = Vec::new();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|e| syntax(text, &e))?;
        let place = |fault: Fault| at(fault, text, &span);
        match event {
            Event::DocumentEnd => {
                if documents.len() >= limits.documents_max {
                    return Err(place(Fault::TooManyDocuments(limits.documents_max)));
                }
                documents.push(tree.finish());
            }
            Event::Scalar(scalar, style, anchor, tag) => {
                let node = scalar::Scalar {
                    text: scalar,
                    style,
                    tag: tag.as_deref(),
                };
                tree.scalar(node, anchor).map_err(place)?;
            }
            Event::SequenceStart(_, anchor, _) => tree.open_seq(anchor).map_err(place)?,
            Event::MappingStart(_, anchor, _) => tree.open_map(anchor).map_err(place)?,
            Event::SequenceEnd | Event::MappingEnd => tree.close().map_err(place)?,
            Event::Alias(id) => tree.alias(id).map_err(place)?,
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::Anchor(..)
            | Event::UnresolvedAlias(_)
            | _ => {}
        }
    }
    Ok(documents)
}

fn at(fault: Fault, text: &str, span: &Span) -> Error {
    Error::at(fault, text, span.start.line(), span.start.col())
}

fn syntax(text: &str, error: &granit_parser::ScanError) -> Error {
    let marker = error.marker();
    let fault = Fault::Syntax(error.info());
    Error::at(fault, text, marker.line(), marker.col())
}

/// Refuses what go-yaml's reader refuses before any grammar.
fn check_characters(text: &str, limits: &Limits) -> Result<(), Error> {
    if text.len() > limits.text_bytes_max {
        return Err(Error::of(Fault::TooLong {
            bytes: text.len(),
            bytes_max: limits.text_bytes_max,
        }));
    }
    let Some((offset, bad)) = text.char_indices().find(|(_, c)| is_control(*c)) else {
        return Ok(());
    };
    let before = text.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.chars().rev().take_while(|c| *c != '\n').count();
    Err(Error::at(Fault::ControlCharacter(bad), text, line, column))
}

fn is_control(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' => false,
        '\0'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => true,
        _ => false,
    }
}
