//! Holds the reader and the writer against what Go answered (testdata/go.jsonl).

mod limits;
mod round_trip;

use goyaml::{Dialect, Limits, Style, Value, parse_documents_as, to_string, to_string_styled};
use serde::Deserialize;

/// What Go made of one text: JSON or an error, and the YAML written back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Golden {
    r#in: String,
    sigs_json: Option<String>,
    sigs_yaml: Option<String>,
    v3_json: Option<String>,
    kyaml: Option<String>,
}

/// Where we differ from Go on purpose: a part of the input, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "k: !\n",
        "a lone ! is an empty string to v2 and null to v3; we say string",
    ),
    (
        "k: -0.0\n",
        "Go keeps the sign of zero in JSON; we write the integer 0",
    ),
    (
        "\\ud83d\\ude00",
        "JSON's surrogate pairs are an error to Go, a character to us",
    ),
    (
        "\\u0085",
        "Go's output for a lone NEL reads back as a space",
    ),
    (
        "\\ufeffx",
        "Go escapes the character after a byte order mark for no reason",
    ),
    ("\\u007f", "Go cannot write DEL"),
    ("\\/\\e", "\\/ is YAML 1.2"),
    (
        "<<: [*x, *y]",
        "strict v2 takes a merged key for a duplicate; v3 and we do not",
    ),
    (
        "  a: 9\n  <<: *x",
        "strict v2 takes a merged key for a duplicate; v3 and we do not",
    ),
    ("\ta: 1\n", "a tab before the first key is let pass"),
    (
        "k: |\n  \ttab",
        "a tab after the indentation of a literal block is content in YAML 1.2",
    ),
    (
        "a:b, x?y]",
        "YAML 1.2 lets : and ? stand in plain scalars of a flow collection",
    ),
    (
        "[?a, -b, :c]",
        "YAML 1.2 lets : and ? start plain scalars of a flow collection",
    ),
];

/// Keys that are no strings: Go's JSON encoder gives up where we keep the text.
fn odd_key(case: &Golden) -> bool {
    case.sigs_json.is_some() && case.v3_json.is_none()
}

fn read(text: &str, dialect: Dialect) -> Result<serde_json::Value, String> {
    parse_documents_as(text, dialect, &Limits::default())
        .and_then(|documents| {
            let first = documents.into_iter().next().unwrap_or(Value::Null);
            first.into_json()
        })
        .map_err(|e| e.to_string())
}

fn compare(
    what: &str,
    case: &Golden,
    ours: &Result<serde_json::Value, String>,
    go: Option<&String>,
) -> Option<String> {
    let go = go.and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok());
    (ours.as_ref().ok() != go.as_ref())
        .then(|| format!("{what} {:?}\n  go   {go:?}\n  ours {ours:?}", case.r#in))
}

#[test]
fn reads_and_writes_as_go() {
    let golden = include_str!("../../testdata/go.jsonl");
    let mut wrong = Vec::new();
    for line in golden.lines() {
        let case: Golden = serde_json::from_str(line).unwrap();
        if DIFFERENCES.iter().any(|(part, _)| case.r#in.contains(part)) {
            continue;
        }
        let sigs = read(&case.r#in, Dialect::Sigs);
        let v3 = read(&case.r#in, Dialect::V3);
        wrong.extend(compare("sigs", &case, &sigs, case.sigs_json.as_ref()));
        if !odd_key(&case) {
            wrong.extend(compare("v3", &case, &v3, case.v3_json.as_ref()));
        }
        if let (Ok(value), Some(go)) = (&sigs, &case.sigs_yaml) {
            let ours = to_string(value);
            if ours != *go {
                wrong.push(format!(
                    "write {:?}\n  go   {go:?}\n  ours {ours:?}",
                    case.r#in
                ));
            }
        }
        let tree = parse_documents_as(&case.r#in, Dialect::V3, &Limits::default());
        if let (Ok(documents), Some(go)) = (tree, &case.kyaml) {
            let ours = to_string_styled(
                &documents.into_iter().next().unwrap_or_default(),
                Style::Kyaml,
            );
            if ours != *go {
                wrong.push(format!(
                    "kyaml {:?}\n  go   {go:?}\n  ours {ours:?}",
                    case.r#in
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
