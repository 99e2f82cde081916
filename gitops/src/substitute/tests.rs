//! Held to Flux's own library by its answers, and to our limits.

use super::*;

/// Answers by github.com/fluxcd/pkg/envsubst v1.8.0: text, then `= result` or `error: …`.
const TABLE: &str = include_str!("../../testdata/substitute.txt");

fn variables() -> Variables {
    [
        ("v", "Hello World"),
        ("empty", ""),
        ("a", "a/b/c.tar.gz"),
        ("n", "5"),
        ("u", "äöü"),
        ("nested", "${v}"),
        ("_x9", "under"),
        ("dollar", "a$b"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

#[test]
fn text_is_filled_in_as_flux_does() {
    let mut wrong = Vec::new();
    for line in TABLE.lines() {
        let (text, wanted) = line.split_once('\t').unwrap();
        let found = substitute(text, &variables());
        let is_right = match (&found, wanted.strip_prefix("= ")) {
            (Ok(found), Some(wanted)) => found == wanted,
            (Err(error @ SubstituteError::NotSet(_)), None) => wanted == format!("error: {error}"),
            (Err(_), None) => !wanted.contains("not set"),
            (Ok(_), None) | (Err(_), Some(_)) => false,
        };
        if !is_right {
            wrong.push(format!("{text}\n  want {wanted}\n  have {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nesting_and_growth_are_bounded() {
    let deep = format!("{}{}", "${x:-".repeat(100), "}".repeat(100));
    assert_eq!(
        substitute(&deep, &variables()),
        Err(SubstituteError::TooDeep)
    );
    let big = Variables::from([("b".to_owned(), "x".repeat(1 << 20))]);
    assert_eq!(
        substitute(&"${b}".repeat(20), &big),
        Err(SubstituteError::TooLong)
    );
}

#[test]
fn no_error_shows_a_value() {
    let secret = Variables::from([("s".to_owned(), "marker".to_owned())]);
    for text in [
        "${s",
        "${s-}",
        "${s:}",
        "${s/x}",
        "${s^x}",
        "${t:-${s}",
        "${s#}",
    ] {
        let error = substitute(text, &secret).unwrap_err().to_string();
        assert!(!error.contains("marker"), "{error}");
    }
}
