//! Holds the evaluator to the real Prometheus: the same series, the same
//! queries, the answers it gave (`testdata/*.tsv`, whose heads say the format).

use promql::{ApiResponse, Limits, Store, parse_exposition, query};
use serde_json::{Value, json};

/// How far two values may differ, relative to their size: sums differ in their order.
const TOLERANCE: f64 = 1e-9;

const SERIES: &str = include_str!("../../testdata/series.tsv");
const QUERIES: &str = include_str!("../../testdata/queries.tsv");

fn rows(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

fn millis(seconds: &str) -> i64 {
    let seconds: f64 = seconds.parse().expect("a time in seconds");
    format!("{:.0}", seconds * 1000.0)
        .parse()
        .expect("milliseconds")
}

fn store() -> Store {
    let mut store = Store::new(Limits {
        retention_ms: i64::MAX,
        ..Limits::default()
    });
    for row in rows(SERIES) {
        let [series, start, step, values] = row.as_slice() else {
            panic!("bad row {row:?}")
        };
        for (at, value) in (0..).zip(values.split(' ')) {
            if value != "_" {
                let line = format!("{series} {value}");
                let scraped = parse_exposition(&line).expect("a sample").samples.remove(0);
                let t_ms = millis(start) + at * millis(step);
                store
                    .append(&scraped.labels, t_ms, scraped.v)
                    .expect("in order");
            }
        }
    }
    store
}

fn sort(result: &mut Value) {
    if let Some(items) = result.as_array_mut()
        && items.iter().all(|item| item.get("metric").is_some())
    {
        items.sort_by_key(|item| item["metric"].to_string());
    }
}

/// Equal but for the tolerance; values stand as strings.
fn agrees(got: &Value, want: &Value) -> bool {
    match (got, want) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agrees(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| agrees(a, b)))
        }
        (Value::Number(a), Value::Number(b)) => {
            close(a.as_f64().unwrap_or(0.0), b.as_f64().unwrap_or(1.0))
        }
        (Value::String(a), Value::String(b)) if a != b => {
            match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) => close(a, b),
                (Ok(_) | Err(_), _) => false,
            }
        }
        (a, b) => a == b,
    }
}

fn close(a: f64, b: f64) -> bool {
    a.total_cmp(&b).is_eq() || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
}

/// `None` when ours agrees with the table, else what it said.
fn disagreement(store: &Store, row: &[String]) -> Option<String> {
    let [time, text, want] = row else {
        return Some(format!("bad row {row:?}"));
    };
    let mut want: Value = serde_json::from_str(want).expect("JSON in the table");
    let answer =
        serde_json::to_value(ApiResponse::from(query(store, text, millis(time)))).expect("JSON");
    let mut got = match answer.get("errorType") {
        Some(kind) => json!({"errorType": kind}),
        None => answer["data"].clone(),
    };
    let is_ordered = ["sort", "topk", "bottomk"]
        .iter()
        .any(|name| text.starts_with(name));
    if !is_ordered {
        for answer in [&mut got, &mut want] {
            answer.get_mut("result").map(sort);
        }
    }
    let told = answer
        .get("error")
        .map(Value::to_string)
        .unwrap_or_default();
    (!agrees(&got, &want)).then(|| format!("{text} at {time}\n  want {want}\n  got  {got} {told}"))
}

#[test]
fn answers_are_those_of_prometheus() {
    let store = store();
    let table = rows(QUERIES);
    assert!(
        table.len() > 500,
        "the table is there: {} rows",
        table.len()
    );
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|row| disagreement(&store, row))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        table.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_is_missing_is_named() {
    let store = Store::default();
    for (text, want) in [
        (
            "histogram_avg(up)",
            "function \"histogram_avg\" is not supported here",
        ),
        ("hour()", "function \"hour\" is not supported here"),
        ("up + fill(0) up", "modifier \"fill\" is not supported here"),
        (
            "limitk(1, up)",
            "aggregation \"limitk\" is not supported here",
        ),
    ] {
        assert_eq!(
            query(&store, text, 0).map_err(|e| e.to_string()),
            Err(want.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn queries_have_limits() {
    let store = Store::default();
    let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let wide = vec!["1"; 8_000].join("+");
    let long = " ".repeat(20_000);
    let minus = format!("{}up", "- ".repeat(5_000));
    for text in [deep, wide, long, minus] {
        let error = query(&store, &text, 0).expect_err("refused").to_string();
        assert!(error.starts_with("refused a query"), "{error}");
    }
}
