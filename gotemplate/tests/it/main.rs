//! Holds the engine to what Go 1.26's text/template answers
//!
//! `testdata/go.json` was made by running each template there through Go with
//! the functions below: output, or the text of the error, byte for byte.

use gotemplate::{Arity, Funcs, Function, Limits, MissingKey, Options, Param, Template, Value};
use serde_json::Value as Json;

/// Functions of the same names and types as in the program that asked Go.
fn funcs() -> Funcs {
    let arity = |fixed: &[Param], variadic| Arity {
        fixed: fixed.to_vec(),
        variadic,
    };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.to_string()),
        Value::Nil
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Func(_) => None,
    };
    let mut funcs = Funcs::default();
    funcs.insert("name", Function::constant("podinfo"));
    funcs.insert("namespace", Function::constant("test"));
    funcs.insert("interval", Function::constant("1m"));
    let variables = Value::string_map([("ns", "prod"), ("empty", ""), ("n", "7")]);
    funcs.insert("variables", Function::constant(variables));
    let join = move |args: &[Value]| {
        let texts: Option<Vec<String>> = args.iter().map(text).collect();
        Ok(Value::from(texts.ok_or("unchecked")?.join(",")))
    };
    funcs.insert(
        "join",
        Function::new(arity(&[Param::String], Some(Param::String)), join),
    );
    let add = |args: &[Value]| match args {
        [Value::Int(a), Value::Int(b)] => Ok(Value::Int(a + b)),
        _ => Err("unchecked".to_owned()),
    };
    funcs.insert(
        "add",
        Function::new(arity(&[Param::Int, Param::Int], None), add),
    );
    let half = |args: &[Value]| match args {
        [Value::Float(value)] => Ok(Value::Float(value / 2.0)),
        _ => Err("unchecked".to_owned()),
    };
    funcs.insert("half", Function::new(arity(&[Param::Float], None), half));
    let flip = |args: &[Value]| match args {
        [Value::Bool(value)] => Ok(Value::Bool(!value)),
        _ => Err("unchecked".to_owned()),
    };
    funcs.insert("flip", Function::new(arity(&[Param::Bool], None), flip));
    funcs.insert(
        "same",
        Function::new(arity(&[Param::Any], None), |args| {
            Ok(args.first().cloned().unwrap_or_default())
        }),
    );
    funcs.insert(
        "fail",
        Function::new(Arity::default(), |_| Err("it broke".to_owned())),
    );
    funcs
}

fn run(text: &str, data: &Value, options: &Options) -> Result<String, String> {
    let template = Template::parse("t", text, funcs()).map_err(|error| error.to_string())?;
    template
        .execute(data, options)
        .map_err(|error| error.to_string())
}

#[test]
fn answers_as_go_does() {
    let golden: Json = serde_json::from_str(include_str!("../../testdata/go.json")).unwrap();
    let data = Value::from(&golden["data"]);
    let mut wrong = Vec::new();
    let cases = golden["cases"].as_array().unwrap();
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let data = if case["nil"] == true {
            &Value::Nil
        } else {
            &data
        };
        let missing_key = match case["missing"].as_str() {
            Some("error") => MissingKey::Error,
            Some("zero") => MissingKey::Zero,
            _ => MissingKey::Default,
        };
        let ours = run(
            text,
            data,
            &Options {
                missing_key,
                ..Options::default()
            },
        );
        let go = match case["err"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(case["out"].as_str().unwrap().to_owned()),
        };
        if ours != go {
            wrong.push(format!(
                "{text}\n  missing {missing_key:?}\n  ours {ours:?}\n  go   {go:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// Each of these would run for ever, or fill the memory.
#[test]
fn stops_at_its_limits() {
    let check = |text: &str, expected: &str| {
        let options = Options {
            missing_key: MissingKey::Default,
            limits: Limits {
                steps_max: 10_000,
                output_bytes_max: 4096,
                depth_max: 200,
            },
        };
        let error = run(text, &Value::Nil, &options).unwrap_err();
        assert!(error.contains(expected), "{text:.60}: {error}");
    };
    check(
        "{{ range 9223372036854775807 }}{{ end }}",
        "more than 10000 steps",
    );
    check(
        r#"{{ define "r" }}{{ template "r" }}{{ end }}{{ template "r" }}"#,
        "exceeded maximum template depth (200)",
    );
    check(r#"{{ printf "%5000d" 1 }}"#, "more than 4096 bytes");
    check(
        r#"{{ printf "%999999d%999999d%999999d" 1 1 1 }}"#,
        "more than 4096 bytes",
    );
    check(r#"{{ range 5000 }}x{{ end }}"#, "more than");
    let doubling = r#"{{ $x := "xxxxxxxx" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}"#;
    check(doubling, "more than 4096 bytes");
    let same = format!(
        r#"{{{{ $x := printf "%4000d" 1 }}}}{{{{ $x = printf "{}" $x }}}}"#,
        "%[1]s".repeat(1000)
    );
    check(&same, "more than 4096 bytes");
    check(
        &format!("{{{{ {}1{} }}}}", "(".repeat(200), ")".repeat(200)),
        "max expression depth exceeded",
    );
    check(
        &format!("{}{}", "{{ if 1 }}".repeat(200), "{{ end }}".repeat(200)),
        "max block depth exceeded",
    );
    check(
        &format!(
            "{}{}",
            "{{ if 0 }}{{ else }}".repeat(200),
            "{{ end }}".repeat(200)
        ),
        "max block depth exceeded",
    );
    check(
        &format!(
            "{{{{ if 1 }}}}{}{{{{ end }}}}",
            "{{ else if 1 }}".repeat(200)
        ),
        "max block depth exceeded",
    );
}

/// The deepest template that is allowed fits the stack of a test's thread (2 MiB).
#[test]
fn allows_what_its_limits_allow() {
    let nested = format!("{}x{}", "{{ if 1 }}".repeat(90), "{{ end }}".repeat(90));
    assert_eq!(
        run(&nested, &Value::Nil, &Options::default()),
        Ok("x".to_owned())
    );
    let parens = format!("{{{{ {}1{} }}}}", "(".repeat(90), ")".repeat(90));
    assert_eq!(
        run(&parens, &Value::Nil, &Options::default()),
        Ok("1".to_owned())
    );
}

/// What is valid in Go and refused here, with a text that says so.
#[test]
fn refuses_complex_constants() {
    for text in ["{{ 1i }}", "{{ 1+2i }}"] {
        let error = run(text, &Value::Nil, &Options::default()).unwrap_err();
        assert!(error.contains("is not supported"), "{error}");
    }
}

/// A set grows by further texts, which see each other's definitions.
#[test]
fn adds_to_a_set() {
    let mut set = Template::parse(
        "a",
        r#"{{ template "b" . }}{{ define "c" }}c{{ end }}"#,
        Funcs::default(),
    )
    .unwrap();
    set.add("b", "b{{ . }}{{ template \"c\" }}").unwrap();
    assert_eq!(set.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(
        set.execute(&Value::Int(1), &Options::default()).unwrap(),
        "b1c"
    );
    set.add("c", "{{ .x }}").unwrap();
    let error = set
        .execute_template("c", &Value::Int(1), &Options::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"template: c:1:3: executing "c" at <.x>: can't evaluate field x in type int"#
    );
    let error = set
        .execute_template("d", &Value::Nil, &Options::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"template: d: no template "d" in the set"#
    );
}

/// The lexer and parser meet every cut of a template that uses all of it.
#[test]
fn never_panics_on_cut_text() {
    let text = r#"a {{- /* c */ -}} {{ $x, $y := .a.b | printf "%[1]*.3f\n" 'x' (index . 1).c }}{{ range $i, $v := . }}{{ break }}{{ else }}é{{ end -}} {{ define `d` }}{{ block "e" nil }}{{ end }}{{ end }}{{ 0x1p-2 }}"#;
    for (cut, _) in text.char_indices() {
        let _ = run(&text[..cut], &Value::Nil, &Options::default());
        let _ = run(&text[cut..], &Value::Nil, &Options::default());
    }
}
