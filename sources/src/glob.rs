//! Matches one text against a glob, as Go's `path.Match` does within a segment.
//!
//! `*`, `?`, `[a-z]`, `[^a-z]` and `\\`. It knows nothing of slashes: callers
//! split paths first.

/// Whether `pattern` matches the whole of `text`; a malformed pattern matches nothing.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to resume when a later part fails: after the last `*`, one character on.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&'*') {
            p += 1;
            star = Some((p, t));
            continue;
        }
        let step = text.get(t).and_then(|c| match_one(pattern.get(p..)?, *c));
        if let Some(length) = step {
            p += length;
            t += 1;
        } else if p == pattern.len() && t == text.len() {
            return true;
        } else if let Some((after, from)) = star.filter(|(_, from)| *from < text.len()) {
            p = after;
            t = from.saturating_add(1);
            star = Some((after, t));
        } else {
            return false;
        }
    }
}

/// Length of the pattern part that matches `c`.
fn match_one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.split_first()? {
        ('?', _) => Some(1),
        ('\\', rest) => (rest.first() == Some(&c)).then_some(2),
        ('[', rest) => match_class(rest, c),
        (literal, _) => (*literal == c).then_some(1),
    }
}

/// Length of `[…]` when it holds `c`; `rest` starts after the bracket.
fn match_class(rest: &[char], c: char) -> Option<usize> {
    let is_negated = rest.first() == Some(&'^');
    let mut at = usize::from(is_negated);
    let mut is_found = false;
    let mut is_first = true;
    let next = |at: &mut usize| -> Option<char> {
        let mut found = *rest.get(*at)?;
        *at += 1;
        if found == '\\' {
            found = *rest.get(*at)?;
            *at += 1;
        }
        Some(found)
    };
    while is_first || rest.get(at)? != &']' {
        is_first = false;
        let low = next(&mut at)?;
        let mut high = low;
        if rest.get(at) == Some(&'-') {
            at += 1;
            high = next(&mut at)?;
        }
        is_found |= (low..=high).contains(&c);
    }
    // The two brackets around what was read.
    (is_found != is_negated).then_some(at.saturating_add(2))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn globs_match_whole_texts() {
        for (pattern, text, wanted) in [
            ("", "", true),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?", "ä", true),
            ("[^a-c]x", "dx", true),
            ("[^a-c]x", "ax", false),
            ("[]a]", "]", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[a", "a", false),
            ("a\\", "a\\", false),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn many_stars_stay_linear_enough() {
        let text = "a".repeat(5000);
        assert!(!matches(
            &"a*".repeat(200).replace("a*a*", "*a*"),
            &format!("{text}b").replace('a', "c")
        ));
    }
}
