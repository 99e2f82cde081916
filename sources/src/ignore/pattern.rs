//! Reads one line of an ignore file and matches it against paths.
//!
//! A bare name matches any segment; a pattern with a slash is anchored to its
//! directory; `**` stands for any number of segments, as a whole segment only.
//! A match on a directory covers everything below it.

use crate::glob::matches as glob;

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// `!`: takes files back in.
    pub(super) is_negated: bool,
    /// Directory whose files it speaks of; empty for the root.
    directory: String,
    is_directory_only: bool,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Name(String),
    Anchored(Vec<String>),
}

impl Pattern {
    /// Reads a line; `None` for blanks and comments.
    pub(super) fn parse(line: &str, directory: &str) -> Option<Self> {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() || line.starts_with('#') {
            return None;
        }
        let (is_negated, text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let text = if text.ends_with("\\ ") {
            text
        } else {
            text.trim_end_matches(' ')
        };
        let (is_directory_only, text) = match text.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let shape = if text.contains('/') {
            let segments = text.split('/').filter(|segment| !segment.is_empty());
            Shape::Anchored(segments.map(str::to_owned).collect())
        } else {
            Shape::Name(text.to_owned())
        };
        Some(Self {
            is_negated,
            directory: directory.to_owned(),
            is_directory_only,
            shape,
        })
    }

    /// Whether the rule speaks of the file at `path`.
    pub(super) fn matches(&self, path: &str) -> bool {
        let below = if self.directory.is_empty() {
            Some(path)
        } else {
            path.strip_prefix(self.directory.as_str())
                .and_then(|rest| rest.strip_prefix('/'))
        };
        let Some(below) = below else {
            return false;
        };
        let segments: Vec<&str> = below.split('/').collect();
        match &self.shape {
            Shape::Name(name) => {
                // The last segment is the file itself; those before it are directories.
                let directories = segments
                    .len()
                    .saturating_sub(usize::from(self.is_directory_only));
                segments
                    .iter()
                    .take(directories)
                    .any(|segment| glob(name, segment))
            }
            Shape::Anchored(pattern) => self.matches_prefix(pattern, &segments),
        }
    }

    fn matches_prefix(&self, pattern: &[String], segments: &[&str]) -> bool {
        match pattern.split_first() {
            // Something must be left when the match has to be a directory.
            None => !self.is_directory_only || !segments.is_empty(),
            Some((first, [])) if first == "**" => !segments.is_empty(),
            Some((first, rest)) if first == "**" => (0..segments.len()).any(|skipped| {
                segments
                    .get(skipped..)
                    .is_some_and(|after| self.matches_prefix(rest, after))
            }),
            Some((first, _)) if first.contains("**") => false,
            Some((first, rest)) => segments.split_first().is_some_and(|(segment, after)| {
                glob(first, segment) && self.matches_prefix(rest, after)
            }),
        }
    }
}
