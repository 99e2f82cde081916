//! Canaries and live objects that nobody would write: golden files, changed at random and crossed with one another.
//!
//! Nothing panics, and whatever is rendered reads back as it was meant and is at rest, so that no write follows.

use std::{fs, path::Path};

use goyaml::Limits;
use mesh_adapters::{Route, Split, Weight};
use serde_json::{Value, json};

use crate::golden::Case;

/// Ways to change each file.
const CHANGED_TIMES: u64 = 15;

#[test]
fn whatever_is_rendered_reads_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .flat_map(|mesh| fs::read_dir(mesh.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let given: Vec<Value> = files
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).unwrap();
            goyaml::parse_json(&text, &Limits::default())
                .unwrap()
                .remove(0)
        })
        .collect();
    let (mut rendered, mut refused) = (0, 0);
    for (number, (path, before)) in (0..).zip(files.iter().zip(&given)) {
        for seed in 0..CHANGED_TIMES {
            let mut chance = Chance(number * CHANGED_TIMES + seed + 1);
            let mut changed = before.clone();
            let other = &given[chance.below(given.len())];
            for _ in 0..=chance.below(3) {
                change(&mut changed, other, &mut chance);
            }
            let at = format!("{}, seed {seed}: {changed}", path.display());
            let read = Case::read(&changed).map(|mut case| {
                if !case.route.is_gradual {
                    case.route.split.canary = Weight::FULL;
                }
                case
            });
            match read {
                Ok(case) if is_rendered(&case, &at) => {
                    rendered += 1;
                    case.check_back(&at);
                }
                Ok(_) | Err(_) => refused += 1,
            }
        }
    }
    assert!(
        rendered > 1000 && refused > 1000,
        "{rendered} were rendered, {refused} refused"
    );
}

/// What is refused is refused at every weight: before a release, not in the middle of one.
fn is_rendered(case: &Case, at: &str) -> bool {
    let [rest, full] = [0, 100].map(|weight| {
        let route = Route {
            split: Split {
                canary: Weight::try_from(weight).unwrap(),
                ..case.route.split
            },
            ..case.route.clone()
        };
        case.adapter.render(&route, &case.live).err()
    });
    assert_eq!(rest, full, "{at}");
    rest.is_none()
}

/// One change: a value that is odd, one that is gone, or a field of `other`.
fn change(given: &mut Value, other: &Value, chance: &mut Chance) {
    const PARTS: [&str; 4] = [
        "/canary",
        "/canary/service",
        "/canary/analysis",
        "/annotations",
    ];
    let part = PARTS[chance.below(PARTS.len())];
    if chance.below(2) == 0 {
        if let (Some(mine), Some(theirs)) = (
            given.pointer_mut(part).and_then(Value::as_object_mut),
            other.pointer(part).and_then(Value::as_object),
        ) && !theirs.is_empty()
        {
            let (key, value) = theirs.iter().nth(chance.below(theirs.len())).unwrap();
            mine.insert(key.clone(), value.clone());
        }
        return;
    }
    let root = if chance.below(4) == 0 { "/live" } else { part };
    let Some(mut at) = given.pointer_mut(root) else {
        return;
    };
    while chance.below(4) != 0 && is_filled(at) {
        at = match at {
            Value::Object(fields) => {
                let place = chance.below(fields.len());
                fields.values_mut().nth(place).unwrap()
            }
            Value::Array(items) => {
                let place = chance.below(items.len());
                &mut items[place]
            }
            other => other,
        };
    }
    *at = odd(at, chance);
}

fn is_filled(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// Something else in the place of `value`.
fn odd(value: &Value, chance: &mut Chance) -> Value {
    let twice = match value {
        Value::Array(items) => [items.clone(), items.clone()].concat().into(),
        Value::String(text) => format!("{text}{text}").into(),
        other => other.clone(),
    };
    let odd = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(101),
        json!(i64::MAX),
        json!(1.5),
        json!(""),
        json!("x\n\"y\"; z={"),
        json!("é".repeat(300)),
        json!([]),
        json!({}),
        json!([null]),
        twice,
    ];
    odd[chance.below(odd.len())].clone()
}

/// Xorshift: the same seed, the same changes.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        for _ in 0..3 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
        }
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }
}
