//! Knows which lists of built-in kinds merge, and by which keys.
//!
//! `merge_keys.txt` is the part of the Kubernetes OpenAPI schema (as built
//! into kyaml 0.21) that says so: a line is a type and its fields;
//! `field>Type` leads on, `field[a,b]` is a list merged by keys, `field[]` a
//! set of scalars, `field[-]>Type` a list that is replaced. Kinds that are not
//! there, such as custom resources, have no merging lists.

use std::collections::BTreeMap;
use std::sync::LazyLock;

static TYPES: LazyLock<BTreeMap<&'static str, Type>> =
    LazyLock::new(|| include_str!("merge_keys.txt").lines().map(parse).collect());

type Type = BTreeMap<&'static str, Field>;

struct Field {
    list: List,
    child: &'static str,
}

/// How a list merges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum List {
    /// The patch replaces it.
    #[default]
    Replaced,
    /// Scalars, added once each.
    Set,
    /// Objects told apart by these fields.
    Keyed(Vec<&'static str>),
}

/// What is known of a value; nothing by default.
#[derive(Clone, Copy, Default)]
pub(super) struct Schema {
    fields: Option<&'static Type>,
    list: Option<&'static List>,
}

impl Schema {
    /// The schema of an object.
    pub(super) fn of(api_version: &str, kind: &str) -> Self {
        Self {
            fields: TYPES.get(format!("{api_version}/{kind}").as_str()),
            list: None,
        }
    }

    /// The schema of a field.
    pub(super) fn field(self, name: &str) -> Self {
        let field = self.fields.and_then(|fields| fields.get(name));
        Self {
            fields: field.and_then(|f| TYPES.get(f.child)),
            list: field.map(|f| &f.list),
        }
    }

    /// The schema of the items of a list.
    pub(super) fn item(self) -> Self {
        Self { list: None, ..self }
    }

    /// How this list merges.
    pub(super) fn list(self) -> &'static List {
        self.list.unwrap_or(&List::Replaced)
    }
}

fn parse(line: &'static str) -> (&'static str, Type) {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    (name, words.map(parse_field).collect())
}

fn parse_field(word: &'static str) -> (&'static str, Field) {
    let (word, child) = word.split_once('>').unwrap_or((word, ""));
    let (name, list) = match word.split_once('[') {
        None | Some((_, "-]")) => (word.trim_end_matches("[-]"), List::Replaced),
        Some((name, "]")) => (name, List::Set),
        Some((name, keys)) => {
            let keys = keys.trim_end_matches(']').split(',').collect();
            (name, List::Keyed(keys))
        }
    };
    (name, Field { list, child })
}
