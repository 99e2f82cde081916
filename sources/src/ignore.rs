//! Leaves out the files that ignore rules exclude, in Flux's layers.
//!
//! Low to high, the last match wins: version control, built-in excludes (only
//! while nobody wrote a rule), `.sourceignore` files from the root inwards,
//! `spec.ignore`. Unlike Git, an excluded directory is still looked into, so
//! `!dir/keep.yaml` works below `dir/`. One pattern is read in `pattern.rs`.

mod pattern;

use crate::files::Files;
use pattern::Pattern;

const IGNORE_FILE: &str = ".sourceignore";
const VERSION_CONTROL: &str = ".git/\n.gitignore\n.gitmodules\n.gitattributes\n";
const BUILT_IN: &str = "\
*.jpg\n*.jpeg\n*.gif\n*.png\n*.wmv\n*.flv\n*.tar.gz\n*.zip
.github/\n.circleci/\n.travis.yml\n.gitlab-ci.yml\nappveyor.yml\n.drone.yml
cloudbuild.yaml\ncodeship-services.yml\ncodeship-steps.yml
**/.goreleaser.yml\n**/.sops.yaml\n**/.flux.yaml\n";
/// Patterns considered; those beyond it are not read.
const PATTERNS_MAX: usize = 10_000;

/// The files that stay, `spec_ignore` being `spec.ignore`.
#[must_use]
pub fn filter(files: Files, spec_ignore: Option<&str>) -> Files {
    let mut custom = Vec::new();
    for (path, file) in &files {
        if path.name() == IGNORE_FILE {
            let text = String::from_utf8_lossy(&file.bytes);
            custom.extend(read_patterns(&text, path.parent().unwrap_or_default()));
        }
    }
    custom.extend(read_patterns(spec_ignore.unwrap_or_default(), ""));
    custom.truncate(PATTERNS_MAX);
    let mut patterns: Vec<Pattern> = read_patterns(VERSION_CONTROL, "").collect();
    if custom.is_empty() {
        patterns.extend(read_patterns(BUILT_IN, ""));
    }
    patterns.extend(custom);
    files
        .into_iter()
        .filter(|(path, _)| !is_excluded(&patterns, path.as_str()))
        .collect()
}

fn read_patterns<'a>(text: &'a str, directory: &'a str) -> impl Iterator<Item = Pattern> + 'a {
    text.lines()
        .filter_map(move |line| Pattern::parse(line, directory))
}

fn is_excluded(patterns: &[Pattern], path: &str) -> bool {
    let last = patterns.iter().rev().find(|pattern| pattern.matches(path));
    last.is_some_and(|pattern| !pattern.is_negated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{File, RelPath};

    /// Which of `paths` stay, given `.sourceignore` contents by directory.
    fn check(ignores: &[(&str, &str)], spec: &str, paths: &[(&str, bool)]) {
        let file = |text: &str| File {
            bytes: text.to_owned().into(),
            is_executable: false,
        };
        let mut files: Files = paths
            .iter()
            .map(|(p, _)| (RelPath::parse(p).unwrap(), file("")))
            .collect();
        for (path, text) in ignores {
            files.insert(RelPath::parse(path).unwrap(), file(text));
        }
        let kept = filter(files, Some(spec));
        for (path, stays) in paths {
            assert_eq!(
                kept.contains_key(&RelPath::parse(path).unwrap()),
                *stays,
                "{path} under {ignores:?} {spec:?}"
            );
        }
    }

    #[test]
    fn built_in_rules_hold_until_someone_writes_one() {
        let paths = [
            (".gitignore", false),
            ("a/.gitmodules", false),
            (".github/x", false),
            ("a/p.png", false),
            ("a/P.PNG", true),
            ("x.tgz", true),
            ("a/.sops.yaml", false),
            ("app.yaml", true),
        ];
        check(&[], "", &paths);
        check(&[], "# only a comment\n\n", &paths);
        check(
            &[],
            "other",
            &[
                (".gitignore", false),
                ("a/p.png", true),
                (".github/x", true),
            ],
        );
        check(&[], "!.gitignore", &[(".gitignore", true), ("p.png", true)]);
    }

    #[test]
    fn layers_override_each_other() {
        check(
            &[(".sourceignore", "/*\n!/deploy/\n")],
            "",
            &[
                ("README.md", false),
                ("deploy/a.yaml", true),
                ("other/a.yaml", false),
            ],
        );
        check(
            &[(".sourceignore", "*.txt"), ("keep/.sourceignore", "!*.txt")],
            "",
            &[
                ("a.txt", false),
                ("keep/a.txt", true),
                ("keep/b/a.txt", true),
            ],
        );
        check(
            &[("keep/.sourceignore", "a.txt")],
            "!a.txt",
            &[("keep/a.txt", true), ("a.txt", true)],
        );
        check(
            &[],
            "dir/\n!dir/keep.yaml",
            &[("dir/keep.yaml", true), ("dir/other.yaml", false)],
        );
    }

    #[test]
    fn patterns_match_as_in_gitignore() {
        check(
            &[],
            "name",
            &[
                ("name", false),
                ("a/name", false),
                ("name/below", false),
                ("names", true),
            ],
        );
        check(&[], "name/", &[("name", true), ("a/name/b", false)]);
        check(&[], "/name", &[("name", false), ("a/name", true)]);
        check(
            &[],
            "a/b",
            &[("a/b", false), ("a/b/c", false), ("x/a/b", true)],
        );
        check(
            &[],
            "a/**/z",
            &[("a/z", false), ("a/b/c/z", false), ("z", true)],
        );
        check(&[], "**/z", &[("z", false), ("a/b/z", false)]);
        check(
            &[],
            "a/**",
            &[("a/b", false), ("a/b/c", false), ("b/a", true)],
        );
        check(&[], "a**b", &[("axb", false), ("d/axb", false)]);
        check(&[], "/a**b", &[("axb", true), ("ab", true)]);
        check(
            &[],
            "f?[0-9].y*l\n\\!x\n\\#y\ntrail \nspace\\ ",
            &[
                ("fa1.yaml", false),
                ("fab.yaml", true),
                ("!x", false),
                ("#y", false),
                ("trail", false),
                ("space ", false),
            ],
        );
        check(&[], "[bad", &[("[bad", true), ("b", true)]);
    }
}
