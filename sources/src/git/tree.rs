//! Walks a commit's tree into a file map.
//!
//! Symlinks and submodules are dropped; names that Git itself would refuse to
//! check out are an error. A tree that repeats itself is counted each time it
//! is met, so a small pack cannot unfold into a large tree unnoticed.

use crate::files::{File, FileLimits, Files, PATH_DEPTH_MAX, RelPath, TreeBuilder, TreeError};
use crate::git::GitError;
use crate::git::object::{Kind, Mode, Oid, parse_tree};
use crate::git::pack::Objects;

/// The files below `root`.
pub(crate) fn walk(objects: &Objects, root: Oid, limits: FileLimits) -> Result<Files, GitError> {
    let mut tree = TreeBuilder::new(limits);
    let mut waiting = vec![(String::new(), root, 0)];
    while let Some((prefix, oid, depth)) = waiting.pop() {
        if depth > PATH_DEPTH_MAX {
            return Err(GitError::Limit {
                max: PATH_DEPTH_MAX as u64,
                unit: "levels of directories",
            });
        }
        let bytes = content(objects, oid, Kind::Tree)?;
        for entry in parse_tree(oid, &bytes).map_err(GitError::Object)? {
            check_name(&prefix, entry.name)?;
            let path = format!("{prefix}{}", entry.name);
            match entry.mode {
                Mode::Directory => {
                    tree.count_entry()?;
                    waiting.push((format!("{path}/"), entry.oid, depth.saturating_add(1)));
                }
                Mode::File | Mode::Executable => {
                    let file = File {
                        bytes: content(objects, entry.oid, Kind::Blob)?,
                        is_executable: entry.mode == Mode::Executable,
                    };
                    tree.add(RelPath::parse(&path).map_err(TreeError::Path)?, file)?;
                }
                Mode::Symlink | Mode::Submodule => tree.count_entry()?,
            }
        }
    }
    Ok(tree.finish()?)
}

fn content(objects: &Objects, oid: Oid, kind: Kind) -> Result<bytes::Bytes, GitError> {
    let object = objects.get(&oid).ok_or(GitError::MissingObject { oid })?;
    if object.kind != kind {
        return Err(GitError::Protocol {
            what: "a tree entry's object has another kind than its mode",
        });
    }
    Ok(object.bytes.clone())
}

/// Refuses `.git` in any spelling that a case-folding disk would read as it.
fn check_name(prefix: &str, name: &str) -> Result<(), GitError> {
    let folded = name.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    if name.contains('/')
        || folded == ".git"
        || folded == "git~1"
        || matches!(name, "." | ".." | "")
    {
        return Err(GitError::TreeName {
            path: format!("{prefix}{name}"),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::object::{Object, hash};

    fn put(objects: &mut Objects, kind: Kind, bytes: Vec<u8>) -> Oid {
        let oid = hash(kind, &bytes).unwrap();
        let bytes = bytes.into();
        objects.insert(oid, Object { kind, bytes });
        oid
    }

    fn tree(objects: &mut Objects, entries: &[(&str, &[u8], Oid)]) -> Oid {
        let mut bytes = Vec::new();
        for (mode, name, oid) in entries {
            bytes.extend(format!("{mode} ").as_bytes());
            bytes.extend(*name);
            bytes.push(0);
            let hex = oid.to_string();
            bytes.extend(
                (0..40)
                    .step_by(2)
                    .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()),
            );
        }
        put(objects, Kind::Tree, bytes)
    }

    #[test]
    fn links_and_submodules_are_dropped() {
        let mut objects = Objects::new();
        let blob = put(&mut objects, Kind::Blob, b"x".to_vec());
        let below = tree(&mut objects, &[("100755", b"run", blob)]);
        let root = tree(
            &mut objects,
            &[
                ("100644", b"a", blob),
                ("40000", b"d", below),
                ("120000", b"l", blob),
                ("160000", b"s", blob),
            ],
        );
        let files = walk(&objects, root, FileLimits::default()).unwrap();
        let shown: Vec<_> = files
            .iter()
            .map(|(path, file)| (path.as_str(), file.is_executable))
            .collect();
        assert_eq!(shown, [("a", false), ("d/run", true)]);
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in [
            &b".git"[..],
            b".GIT",
            b".git.",
            b"git~1",
            b"..",
            b".",
            b"",
            b"a/b",
            b"/a",
            b"\xff",
        ] {
            let mut objects = Objects::new();
            let blob = put(&mut objects, Kind::Blob, b"x".to_vec());
            let below = tree(&mut objects, &[("100644", name, blob)]);
            let root = tree(&mut objects, &[("40000", b"d", below)]);
            assert!(
                walk(&objects, root, FileLimits::default()).is_err(),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_tree_bomb_and_twins_are_refused() {
        let mut objects = Objects::new();
        let blob = put(&mut objects, Kind::Blob, b"x".to_vec());
        let twins = tree(
            &mut objects,
            &[("100644", b"a", blob), ("100644", b"a", blob)],
        );
        assert!(matches!(
            walk(&objects, twins, FileLimits::default()),
            Err(GitError::Tree(TreeError::Duplicate { .. }))
        ));

        let mut level = tree(&mut objects, &[("100644", b"f", blob)]);
        for _ in 0..20 {
            level = tree(
                &mut objects,
                &[
                    ("40000", b"a", level),
                    ("40000", b"b", level),
                    ("40000", b"c", level),
                ],
            );
        }
        assert!(matches!(
            walk(&objects, level, FileLimits::default()),
            Err(GitError::Tree(TreeError::Limit { .. }))
        ));
    }

    #[test]
    fn a_missing_object_is_named() {
        let mut objects = Objects::new();
        let absent = hash(Kind::Blob, b"absent").unwrap();
        let root = tree(&mut objects, &[("100644", b"a", absent)]);
        let error = walk(&objects, root, FileLimits::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(&absent.to_string()), "{error}");
    }
}
