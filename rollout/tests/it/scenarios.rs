//! The scripts of e2e/scenarios against the core: what is told there is what is decided here.
//!
//! `UPDATE_EXPECT=1 cargo test -p rollout scenarios` writes the traces anew.

use std::path::{Path, PathBuf};

use expect_test::expect_file;

use crate::script::Cluster;

/// Parts a script's Canary from its moments.
const BORDER: &str = "\n---\n";

#[test]
fn every_script_goes_as_it_says() {
    let scripts = scripts();
    assert!(scripts.len() > 20, "only {} scripts", scripts.len());
    for path in scripts {
        let text = std::fs::read_to_string(&path).unwrap();
        expect_file![&path].assert_eq(&run(&path, &text));
    }
}

/// A difference that a script names must be in the list of differences, word for word.
#[test]
fn named_differences_are_listed() {
    let listed = std::fs::read_to_string(root().join("docs/differences.md")).unwrap();
    let mut named = 0;
    for path in scripts() {
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text
            .lines()
            .filter(|line| line.starts_with("# Differs from Flagger:"))
        {
            let row = line.split('"').nth(1);
            let row = row.unwrap_or_else(|| panic!("{}: no row in {line}", path.display()));
            let is_listed = listed
                .lines()
                .any(|one| one.starts_with(&format!("| {row} |")));
            assert!(is_listed, "{}: no row {row:?}", path.display());
            named += 1;
        }
    }
    assert!(named > 0, "no script names a difference");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn scripts() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("e2e/scenarios")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "script"));
    paths.sort();
    paths
}

/// The script with its trace made anew: the Canary and the moments stay.
fn run(path: &Path, text: &str) -> String {
    let (head, moments) = text
        .split_once(BORDER)
        .unwrap_or_else(|| panic!("{}: no line ---", path.display()));
    let manifest = goyaml::parse_json(head, &goyaml::Limits::default()).unwrap();
    let [manifest] = manifest.as_slice() else {
        panic!("{}: one Canary and no more", path.display());
    };
    let mut cluster = Cluster::of_script(api::decode::decode(manifest.clone()).unwrap());
    let mut out = format!("{head}{BORDER}");
    for line in moments.lines() {
        if let Some(words) = line.strip_prefix("> ") {
            out.push_str(&format!("{line}\n{}", cluster.moment(words)));
        } else if let Some(words) = line.strip_prefix(">> ") {
            out.push_str(&format!("{line}\n"));
            cluster.moment(words);
        } else if line.is_empty() || line.starts_with('#') {
            out.push_str(&format!("{line}\n"));
        }
    }
    out
}
