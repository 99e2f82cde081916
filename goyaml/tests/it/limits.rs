//! Bad and greedy texts: each is refused with its place, none is slow.

use expect_test::{Expect, expect};
use goyaml::{Limits, parse_documents};

fn check_error(text: &str, expected: &Expect) {
    let answer = match parse_documents(text, &Limits::default()) {
        Ok(documents) => format!("{documents:?}"),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&answer);
}

#[test]
fn names_the_place_and_hides_the_value() {
    check_error(
        "kind: Secret\ndata:\n  token: 'hunter2\n",
        &expect![[r#"failed to read YAML at line 3, column 10: unclosed quote, near "token: …""#]],
    );
    check_error(
        "a:\n  pass: hunter2\n  pass: b\n",
        &expect![[
            r#"failed to read YAML at line 3, column 3: key "pass" is set twice in one mapping, near "pass: …""#
        ]],
    );
    check_error(
        "a:\n\tb: 1\n",
        &expect![[
            r#"failed to read YAML at line 2, column 2: tabs disallowed within this context (block indentation), near "b: …""#
        ]],
    );
    check_error(
        "a: x\0y\n",
        &expect![[
            r#"failed to read YAML at line 1, column 5: control character '\0' is not allowed, near "a: …""#
        ]],
    );
    check_error(
        "a: &x [*x]\n",
        &expect![[
            r#"failed to read YAML at line 1, column 8: an alias stands inside the value of its own anchor, near "a: …""#
        ]],
    );
    check_error(
        "a: *nowhere\n",
        &expect![[
            r#"failed to read YAML at line 1, column 4: while parsing node, found unknown anchor, near "a: …""#
        ]],
    );
    check_error(
        "a: !!int hunter2\n",
        &expect![[
            r#"failed to read YAML at line 1, column 10: the value is a string, not the !!int that its tag says, near "a: …""#
        ]],
    );
    check_error(
        "{? [a] : b}\n",
        &expect![[
            r#"failed to read YAML at line 1, column 6: a mapping key must be a string, number or boolean, not a sequence, near "{? [a] : …""#
        ]],
    );
    check_error(
        "a:\n  <<: 1\n",
        &expect![[
            r#"failed to read YAML at line 2, column 7: "<<" needs a mapping or a sequence of mappings, near "<<: …""#
        ]],
    );
}

#[test]
fn refuses_what_costs_too_much() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let uses = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{uses}]\n");
    }
    check_error(
        &bomb,
        &expect![[
            r#"failed to read YAML at line 6, column 40: more than the 1000000 values allowed, counting each use of an alias, near "a5: …""#
        ]],
    );
    check_error(
        &"[".repeat(1_000_000),
        &expect!["failed to read YAML at line 1, column 256: recursion limit exceeded"],
    );
    check_error(
        &"- ".repeat(1_000),
        &expect![
            "failed to read YAML at line 1, column 201: nested deeper than the 100 levels allowed"
        ],
    );
    check_error(
        &"a: {".repeat(101),
        &expect![[
            r#"failed to read YAML at line 1, column 400: nested deeper than the 100 levels allowed, near "a: …""#
        ]],
    );
    let big = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        "*a, ".repeat(100)
    );
    check_error(
        &big,
        &expect![[
            r#"failed to read YAML at line 2, column 185: more than the 50331648 bytes of values allowed, counting each use of an alias, near "b: …""#
        ]],
    );
    check_error(
        &"x".repeat(17 << 20),
        &expect![
            "failed to read YAML: the text has 17825792 bytes, more than the 16777216 allowed"
        ],
    );
    check_error(
        &"---\n".repeat(20_002),
        &expect![
            "failed to read YAML at line 20001, column 4: more than the 20000 documents allowed"
        ],
    );
}

#[test]
fn reads_streams() {
    let read = |text: &str| {
        goyaml::parse_json(text, &Limits::default())
            .map(|documents| serde_json::Value::from(documents).to_string())
            .unwrap()
    };
    assert_eq!(read(""), "[]");
    assert_eq!(read("# nothing\n"), "[]");
    assert_eq!(
        read("---\n---\na: 1\n...\n---\nb: 2\n"),
        r#"[null,{"a":1},{"b":2}]"#
    );
    assert_eq!(
        read("%YAML 1.2\n---\na: \u{feff}b\n"),
        "[{\"a\":\"\u{feff}b\"}]"
    );
    assert_eq!(read("a: &x 1\n---\nb: 2\n"), r#"[{"a":1},{"b":2}]"#);
}

#[test]
fn reads_into_types() {
    let limits = Limits::default();
    let numbers: Vec<u8> = goyaml::from_str("[1, 0x10, 1e1]", &limits).unwrap_or_default();
    assert_eq!(numbers, [1, 16, 10]);
    let wrong = goyaml::from_str::<Vec<u8>>("hunter2", &limits).map_err(|e| e.to_string());
    expect![[r#"
        Err(
            "failed to read YAML: invalid type: a string, expected a sequence",
        )
    "#]]
    .assert_debug_eq(&wrong);
    let two = goyaml::from_str::<u8>("1\n---\n2", &limits).map_err(|e| e.to_string());
    expect![[r#"
        Err(
            "failed to read YAML: found 2 documents where one is wanted",
        )
    "#]]
    .assert_debug_eq(&two);
    let written = goyaml::to_yaml(&[("b", 1), ("a", 2)]).ok();
    expect![[r#"
        Some(
            "- - b\n  - 1\n- - a\n  - 2\n",
        )
    "#]]
    .assert_debug_eq(&written);
}
