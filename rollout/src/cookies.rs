//! Cookies that keep a user on one side (spec/flagger.md 4.13): their names, and how values are made.
//!
//! A value is made of what is stored, never by chance: a decision that is taken anew, after a conflict or a
//! crash, gives the same one, so none is lost. Which are in force is decided in `decide/sessions.rs`.

/// The cookies that a Canary names (`analysis.sessionAffinity`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affinity {
    /// Of users who met the canary.
    pub cookie_name: String,
    /// Of users who met the primary; `None` lets them be drawn anew at each request.
    pub primary_cookie_name: Option<String>,
}

/// The cookies in force, each as `name=value`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cookies {
    /// Of users who met the canary (`sessionAffinityCookie`); `None` while it has no traffic.
    pub canary: Option<String>,
    /// Of users who met the primary at this weight (`primarySessionAffinityCookie`).
    pub primary: Option<String>,
    /// The canary's of the run before, to be taken back (`previousSessionAffinityCookie`).
    pub previous: Option<String>,
}

/// Letters of a value, as many as Flagger takes.
const VALUE_LETTERS: usize = 10;
const LETTERS: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `name=value`, with a value of ten letters that stands for the name and all of `parts`.
pub(crate) fn made(name: &str, parts: &[&str]) -> String {
    format!("{name}={}", letters(name, parts))
}

/// Ten letters that stand for the name and all of `parts`.
pub(crate) fn letters(name: &str, parts: &[&str]) -> String {
    let mut state = fold(name, parts);
    let mut letters = String::new();
    for _ in 0..VALUE_LETTERS {
        let place = usize::try_from(state % 52).unwrap_or_default();
        letters.push(LETTERS.get(place).copied().map_or('A', char::from));
        state /= 52;
    }
    letters
}

/// True when `cookie` is one of this name, with a value.
pub(crate) fn is_named(cookie: &str, name: &str) -> bool {
    cookie
        .split_once('=')
        .is_some_and(|(found, value)| found == name && !value.is_empty())
}

/// FNV-1a over name and parts, each ended by a byte that no text has, mixed as SplitMix64 ends.
fn fold(name: &str, parts: &[&str]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let all = std::iter::once(&name).chain(parts);
    let bytes = all.flat_map(|part| part.bytes().chain([0xff]));
    let sum = bytes.fold(OFFSET, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    let mixed = (sum ^ (sum >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
