//! Every case in `testdata`: files in `tree/`, built at `tree/top`, must come
//! out as `expected.yaml`, which kustomize 5.8 wrote.

use std::path::Path;

use kustomize::{Limits, Overlay, RelPath, Tree, build, to_yaml};

fn add_files(tree: &mut Tree, root: &Path, folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_files(tree, root, &path);
            continue;
        }
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        tree.insert(RelPath::parse(name).unwrap(), read(&path));
    }
}

#[expect(clippy::disallowed_methods, reason = "tests read golden files")]
fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn builds_as_kustomize() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut wrong = Vec::new();
    let mut cases = 0;
    for case in std::fs::read_dir(&testdata).unwrap() {
        let case = case.unwrap().path();
        let mut tree = Tree::new();
        add_files(&mut tree, &case.join("tree"), &case.join("tree"));
        let expected = String::from_utf8(read(&case.join("expected.yaml"))).unwrap();
        let built = match build(&tree, "top", &Overlay::default(), &Limits::default()) {
            Ok(objects) => to_yaml(&objects),
            Err(error) => format!("error: {error}\n"),
        };
        cases += 1;
        if built != expected {
            wrong.push(format!(
                "{}\n{}",
                case.display(),
                first_difference(&expected, &built)
            ));
        }
    }
    assert!(cases >= 10, "only {cases} cases found");
    assert!(
        wrong.is_empty(),
        "{} of {cases} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The first line that differs, and a few around it.
fn first_difference(expected: &str, built: &str) -> String {
    let expected: Vec<&str> = expected.lines().collect();
    let built: Vec<&str> = built.lines().collect();
    let at = (0..).find(|i| expected.get(*i) != built.get(*i)).unwrap();
    let part = |lines: &[&str]| {
        lines[at.saturating_sub(6).min(lines.len())..(at + 6).min(lines.len())].join("\n")
    };
    format!(
        "line {}, kustomize:\n{}\n--- ours:\n{}\n",
        at + 1,
        part(&expected),
        part(&built)
    )
}
