//! Decides which version tags a range admits, by the rules Flux users rely on.
//!
//! These are the rules of Masterminds/semver v3: `1.2.3` means exactly that,
//! `||` separates alternatives, space or comma means and, `a - b` is a closed
//! range. A pre-release matches only in an alternative that names one. The
//! table in `testdata/semver_ranges.txt` holds the Go library's own answers.

use std::cmp::Ordering;

/// Longest range accepted, as in Masterminds/semver.
const RANGE_BYTES_MAX: usize = 512;
/// Most alternatives in a range, as in Masterminds/semver.
const ALTERNATIVES_MAX: usize = 32;

/// A version; build metadata takes no part in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    /// Empty for a release.
    pre_release: String,
}

impl Version {
    /// Reads a tag leniently (`v1.02.3-rc.1+x`), but only with three dotted parts.
    #[must_use]
    pub fn parse_tag(tag: &str) -> Option<Self> {
        if tag.splitn(3, '.').count() != 3 {
            return None;
        }
        let written = Written::parse(tag)?;
        written.is_whole_of(tag).then_some(())?;
        written.version([written.part(0)?, written.part(1)?, written.part(2)?])
    }

    /// Order by semver precedence.
    #[must_use]
    pub fn cmp_precedence(&self, other: &Self) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| cmp_pre_release(&self.pre_release, &other.pre_release))
    }

    fn major(&self) -> u64 {
        self.numbers[0]
    }

    fn major_minor(&self) -> [u64; 2] {
        [self.numbers[0], self.numbers[1]]
    }
}

fn cmp_pre_release(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Why a range cannot be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("refused version range {range:?}: {reason}")]
pub struct RangeError {
    range: String,
    reason: &'static str,
}

impl RangeError {
    /// What is wrong, without the range.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

/// Alternatives of which one must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range(Vec<Alternative>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Alternative {
    comparators: Vec<Comparator>,
    names_pre_release: bool,
}

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    /// [`RangeError`] with the reason.
    pub fn parse(range: &str) -> Result<Self, RangeError> {
        let refuse = |reason| RangeError {
            range: range.chars().take(200).collect(),
            reason,
        };
        if range.len() > RANGE_BYTES_MAX {
            return Err(refuse("it is longer than 512 bytes"));
        }
        let rewritten = rewrite_hyphens(range);
        let alternatives: Vec<&str> = rewritten.split("||").collect();
        if alternatives.len() > ALTERNATIVES_MAX {
            return Err(refuse("it has more than 32 alternatives"));
        }
        let read = |text: &&str| {
            Alternative::parse(text)
                .ok_or_else(|| refuse("it is no version range, such as \">=1.0.0 <2.0.0\""))
        };
        alternatives
            .iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether `version` is in the range.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        self.0.iter().any(|alternative| {
            (version.pre_release.is_empty() || alternative.names_pre_release)
                && alternative
                    .comparators
                    .iter()
                    .all(|comparator| comparator.admits(version))
        })
    }
}

impl Alternative {
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim_start_matches(is_space);
        let mut comparators = Vec::new();
        loop {
            let comparator;
            (comparator, rest) = Comparator::parse(rest)?;
            comparators.push(comparator);
            let after = rest.trim_start_matches(is_space);
            if after.is_empty() {
                break;
            }
            rest = match after.strip_prefix(',') {
                Some(after) => after.trim_start_matches(is_space),
                None if after.len() < rest.len() => after,
                None => return None,
            };
        }
        let names_pre_release = comparators
            .iter()
            .any(|c| !c.version.pre_release.is_empty());
        Some(Self {
            comparators,
            names_pre_release,
        })
    }
}

/// How many numbers of a comparator were written, before an `x` or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    /// `*`
    Nothing,
    /// `1`
    Major,
    /// `1.2`
    Minor,
    /// `1.2.3`
    Patch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// Two-character spellings first, so that none is read as its first half.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparator {
    operator: Operator,
    version: Version,
    precision: Precision,
}

impl Comparator {
    fn parse(text: &str) -> Option<(Self, &str)> {
        let (operator, after) = OPERATORS
            .iter()
            .find_map(|(word, operator)| Some((*operator, text.strip_prefix(word)?)))
            .unwrap_or((Operator::Equal, text));
        let written = Written::parse(after.trim_start_matches(is_space))?;
        let is_written = |index| {
            written
                .part(index)
                .is_some_and(|part| !matches!(part, "x" | "X" | "*"))
        };
        let (precision, parts) = if !is_written(0) {
            (Precision::Nothing, ["0", "0", "0"])
        } else if !is_written(1) {
            (Precision::Major, [written.part(0)?, "0", "0"])
        } else if !is_written(2) {
            (Precision::Minor, [written.part(0)?, written.part(1)?, "0"])
        } else {
            (
                Precision::Patch,
                [written.part(0)?, written.part(1)?, written.part(2)?],
            )
        };
        let version = written.version(parts)?;
        Some((
            Self {
                operator,
                version,
                precision,
            },
            written.rest,
        ))
    }

    fn admits(&self, version: &Version) -> bool {
        let floor = &self.version;
        let order = version.cmp_precedence(floor);
        match self.operator {
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Less => order.is_lt(),
            Operator::Greater => match self.precision {
                Precision::Major => version.major() > floor.major(),
                Precision::Minor => version.major_minor() > floor.major_minor(),
                Precision::Nothing | Precision::Patch => order.is_gt(),
            },
            Operator::LessOrEqual => match self.precision {
                Precision::Major => version.major() <= floor.major(),
                Precision::Nothing | Precision::Minor => {
                    version.major_minor() <= floor.major_minor()
                }
                Precision::Patch => order.is_le(),
            },
            Operator::NotEqual => match self.precision {
                Precision::Major => version.major() != floor.major(),
                Precision::Minor => {
                    version.major_minor() != floor.major_minor()
                        || version.pre_release != floor.pre_release
                }
                Precision::Nothing | Precision::Patch => order.is_ne(),
            },
            Operator::Equal if self.precision == Precision::Patch => order.is_eq(),
            Operator::Equal | Operator::Tilde => order.is_ge() && self.admits_tilde(version),
            Operator::Caret => order.is_ge() && self.admits_caret(version),
        }
    }

    /// The ceiling of `~`: the last written number but one must stay.
    fn admits_tilde(&self, version: &Version) -> bool {
        match self.precision {
            Precision::Major => version.major() == self.version.major(),
            // `~0.0.0` and `*` admit everything.
            Precision::Nothing | Precision::Patch if self.version.numbers == [0, 0, 0] => true,
            Precision::Nothing | Precision::Minor | Precision::Patch => {
                version.major_minor() == self.version.major_minor()
            }
        }
    }

    /// The ceiling of `^`: the first number that is not zero must stay.
    fn admits_caret(&self, version: &Version) -> bool {
        let [major, minor, _] = self.version.numbers;
        if major > 0 || self.precision == Precision::Major {
            version.major() == major
        } else if minor > 0 || self.precision == Precision::Minor {
            version.major_minor() == [0, minor]
        } else {
            version.numbers == self.version.numbers
        }
    }
}

/// A version as written, its parts not yet numbers, and what follows it.
struct Written<'a> {
    parts: [Option<&'a str>; 3],
    pre_release: &'a str,
    rest: &'a str,
}

impl<'a> Written<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut rest = text.strip_prefix('v').unwrap_or(text);
        let mut parts = [None; 3];
        for (index, slot) in parts.iter_mut().enumerate() {
            let at = if index == 0 {
                rest
            } else {
                rest.strip_prefix('.').unwrap_or_default()
            };
            let (part, after) =
                split_while(at, |c| c.is_ascii_digit() || matches!(c, 'x' | 'X' | '*'));
            if part.is_empty() {
                break;
            }
            (*slot, rest) = (Some(part), after);
        }
        parts[0]?;
        let (pre_release, after) = identifiers(rest, '-');
        let (_, after) = identifiers(after, '+');
        Some(Self {
            parts,
            pre_release,
            rest: after,
        })
    }

    fn part(&self, index: usize) -> Option<&'a str> {
        match index {
            0 => self.parts[0],
            1 => self.parts[1],
            2 => self.parts[2],
            _ => None,
        }
    }

    fn is_whole_of(&self, _text: &str) -> bool {
        self.rest.is_empty()
    }

    fn version(&self, [major, minor, patch]: [&str; 3]) -> Option<Version> {
        let number = |text: &str| text.parse::<u64>().ok();
        let has_bad_zero = self.pre_release.split('.').any(|id| {
            id.len() > 1 && id.starts_with('0') && id.bytes().all(|b| b.is_ascii_digit())
        });
        if has_bad_zero {
            return None;
        }
        Some(Version {
            numbers: [number(major)?, number(minor)?, number(patch)?],
            pre_release: self.pre_release.to_owned(),
        })
    }
}

/// Splits `-a.b` or `+a.b` off; nothing when no identifier follows the mark.
fn identifiers(text: &str, mark: char) -> (&str, &str) {
    let Some(after) = text.strip_prefix(mark) else {
        return ("", text);
    };
    let mut end = 0;
    let mut is_start = true;
    for (at, c) in after.char_indices() {
        match c {
            '.' if !is_start => is_start = true,
            c if c.is_ascii_alphanumeric() || c == '-' => {
                is_start = false;
                end = at.saturating_add(1);
            }
            _ => break,
        }
    }
    match after.split_at_checked(end) {
        Some((found, rest)) if !found.is_empty() => (found, rest),
        _ => ("", text),
    }
}

fn split_while(text: &str, accept: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !accept(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

/// Writes each `a - b` as `>= a, <= b `.
fn rewrite_hyphens(range: &str) -> String {
    let mut out = String::new();
    let mut rest = range;
    while let Some(first) = rest.chars().next() {
        if let Some((low, high, after)) = hyphen_range(rest) {
            out.push_str(&format!(">= {low}, <= {high} "));
            rest = after;
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

fn hyphen_range(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.trim_start_matches(is_space);
    let (low, after) = take_written(text)?;
    let dash = after.trim_start_matches(is_space);
    let high = dash
        .strip_prefix('-')
        .filter(|_| dash.len() < after.len())?;
    let trimmed = high.trim_start_matches(is_space);
    if trimmed.len() == high.len() {
        return None;
    }
    let (high, after) = take_written(trimmed)?;
    Some((low, high, after.trim_start_matches(is_space)))
}

fn take_written(text: &str) -> Option<(&str, &str)> {
    let rest = Written::parse(text)?.rest;
    text.split_at_checked(text.len().checked_sub(rest.len())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers by github.com/Masterminds/semver/v3 v3.5.0: range, then the
    /// versions of the first line that it admits, or `invalid`.
    const TABLE: &str = include_str!("../testdata/semver_ranges.txt");

    #[test]
    fn ranges_admit_what_the_go_library_admits() {
        let mut lines = TABLE.lines();
        let versions: Vec<&str> = lines
            .next()
            .unwrap()
            .trim_start_matches("versions:")
            .split_whitespace()
            .collect();
        let mut wrong = Vec::new();
        for line in lines {
            let (range, wanted) = line.split_once('\t').unwrap();
            let found = Range::parse(range).map_or_else(
                |_| "invalid".to_owned(),
                |range| {
                    let admits =
                        |version: &&&str| range.matches(&Version::parse_tag(version).unwrap());
                    versions
                        .iter()
                        .filter(admits)
                        .copied()
                        .collect::<Vec<_>>()
                        .join(" ")
                },
            );
            if found != wanted {
                wrong.push(format!("{range:?}\n  want {wanted}\n  have {found}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn tags_need_three_parts() {
        for (tag, is_version) in [
            ("v1.2.3", true),
            ("1.02.3", true),
            ("1.2.3-rc.1+build", true),
            ("1.2", false),
            ("v1", false),
            ("release-1.2.3", false),
            ("1.2.3.4", false),
            ("1.2.x", false),
            ("1.2.3-01", false),
            ("99999999999999999999.0.0", false),
        ] {
            assert_eq!(Version::parse_tag(tag).is_some(), is_version, "{tag}");
        }
    }
}
