//! The inventory: what was applied, in Flux's form (`spec/flux-sync.md` 3.8).

use api::kustomization::{Inventory, InventoryEntry};

use crate::object::ObjectId;

/// The entry of an object: `<namespace>_<name>_<group>_<kind>`, with `:` in names as `__`.
#[must_use]
pub fn entry(id: &ObjectId) -> InventoryEntry {
    let name = id.name.replace(':', "__");
    InventoryEntry {
        id: format!("{}_{name}_{}_{}", id.namespace, id.group, id.kind),
        v: id.version.clone(),
    }
}

/// The object of an entry; nothing for an entry that is not in that form.
#[must_use]
pub fn parse(entry: &InventoryEntry) -> Option<ObjectId> {
    let (namespace, rest) = entry.id.split_once('_')?;
    let (rest, kind) = rest.rsplit_once('_')?;
    let (name, group) = rest.rsplit_once('_')?;
    if name.is_empty() || kind.is_empty() {
        return None;
    }
    Some(ObjectId {
        group: group.to_owned(),
        version: entry.v.clone(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.replace("__", ":"),
    })
}

/// The inventory of these objects, in the order given.
#[must_use]
pub fn of<'a>(ids: impl IntoIterator<Item = &'a ObjectId>) -> Inventory {
    Inventory {
        entries: ids.into_iter().map(entry).collect(),
    }
}

/// The objects of `old` that are not in `new`; a change of version alone is none.
#[must_use]
pub fn stale(old: &Inventory, new: &Inventory) -> Vec<ObjectId> {
    old.entries
        .iter()
        .filter(|e| !new.entries.iter().any(|n| n.id == e.id))
        .filter_map(parse)
        .collect()
}

/// Puts objects that are still there back into the inventory.
pub fn keep(inventory: &mut Inventory, survivors: &[ObjectId]) {
    for survivor in survivors {
        let entry = entry(survivor);
        if !inventory.entries.iter().any(|e| e.id == entry.id) {
            inventory.entries.push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back() {
        for (group, kind, namespace, name, want) in [
            (
                "apps",
                "Deployment",
                "apps",
                "podinfo",
                "apps_podinfo_apps_Deployment",
            ),
            ("", "Namespace", "", "apps", "_apps__Namespace"),
            (
                "rbac.authorization.k8s.io",
                "ClusterRole",
                "",
                "system:x",
                "_system__x_rbac.authorization.k8s.io_ClusterRole",
            ),
        ] {
            let id = ObjectId {
                group: group.to_owned(),
                version: "v1".to_owned(),
                kind: kind.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            let written = entry(&id);
            assert_eq!(written.id, want);
            assert_eq!(parse(&written), Some(id));
        }
        assert_eq!(
            parse(&InventoryEntry {
                id: "nonsense".to_owned(),
                v: String::new()
            }),
            None
        );
    }

    #[test]
    fn a_version_bump_is_not_stale() {
        let of = |id: &str, v: &str| InventoryEntry {
            id: id.to_owned(),
            v: v.to_owned(),
        };
        let old = Inventory {
            entries: vec![
                of("a_b__Secret", "v1"),
                of("a_c_apps_Deployment", "v1beta1"),
            ],
        };
        let new = Inventory {
            entries: vec![of("a_c_apps_Deployment", "v1")],
        };
        let stale: Vec<String> = stale(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(stale, ["Secret/a/b"]);
    }
}
