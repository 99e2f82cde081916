//! Whatever is written reads back as itself, and nothing makes the reader panic.

use goyaml::{Dialect, Limits, Style, Value, parse_documents_as, to_string_styled};
use proptest::prelude::*;

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[ -~]{0,12}",
        "[a-z \n\t:#'\"-]{0,16}",
        "\\PC{0,8}",
        "(ab ){20,40}c"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e9..1e9f64)
            .prop_filter("whole", |f| f.fract() != 0.0)
            .prop_map(Value::Float),
        text.clone().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Seq),
            prop::collection::btree_map("[a-z0-9 :.-]{0,8}", inner, 0..4)
                .prop_map(|map| Value::Map(map.into_iter().collect())),
        ]
    })
}

/// JSON, where the order of keys does not matter.
fn canonical(value: Value) -> Option<serde_json::Value> {
    value.into_json().ok()
}

proptest! {
    #[test]
    fn written_reads_back(tree in value()) {
        for (style, dialect) in [(Style::Sigs, Dialect::Sigs), (Style::Kyaml, Dialect::V3)] {
            let text = to_string_styled(&tree, style);
            let back = parse_documents_as(&text, dialect, &Limits::default());
            let back = back.map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
            let back = back.into_iter().next().unwrap_or_default();
            prop_assert_eq!(canonical(back), canonical(tree.clone()), "{}", text);
        }
    }

    #[test]
    fn reads_anything_without_panic(text in "[ -~\n\t\u{0}-\u{20}&*{}\\[\\]:|>-]{0,64}") {
        let _ = parse_documents_as(&text, Dialect::Sigs, &Limits::default());
    }
}
