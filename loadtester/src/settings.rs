//! What is typed to start a load tester, and what it means.
//!
//! Flag names are Flagger's; its single dashes are accepted by the program that owns the
//! command line, not here.

use std::time::Duration;

use clap::ArgAction;
use regex::Regex;

/// The longest duration that Go knows, 292 years.
const DURATION_MAX: Duration = Duration::from_nanos(i64::MAX.unsigned_abs());

/// Flags of the load tester.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Port to listen on.
    #[arg(long, default_value_t = 9090)]
    pub port: u16,
    /// Log level (debug, info, warning, error).
    #[arg(long, default_value = "debug")]
    pub log_level: String,
    /// Longest time a task may run, such as 1h or 90s.
    #[arg(long, default_value = "1h")]
    pub timeout: String,
    /// Only answer canaries whose namespace matches this regular expression.
    #[arg(long, default_value = "")]
    pub namespace_regexp: String,
    /// Form of log lines.
    #[arg(long, value_enum, default_value = "json")]
    pub zap_encoding: Encoding,
    /// Accepted for compatibility; without effect.
    #[arg(long, hide = true, default_value = "false", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = ArgAction::Set, value_parser = boolean)]
    pub zap_replace_globals: bool,
    /// Let tasks run programs, and send files, that the request's body names. Anyone who
    /// reaches the port can then do so.
    #[arg(long, default_value = "false", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = ArgAction::Set, value_parser = boolean)]
    pub allow_shell: bool,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoding {
    /// One JSON object a line.
    Json,
    /// For people.
    Console,
}

/// How to run a load tester.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Longest time a task may run.
    pub timeout: Duration,
    /// Namespaces that are answered; all if absent. The match is not anchored.
    pub namespace: Option<Regex>,
    /// Whether tasks may start programs and read files.
    pub is_shell_allowed: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(3600),
            namespace: None,
            is_shell_allowed: false,
        }
    }
}

/// Why flags make no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// `--timeout` is no duration.
    #[error("failed to read --timeout: {text:?} is not a duration such as \"1h\" or \"90s\"")]
    Timeout {
        /// What was given.
        text: String,
    },
    /// `--namespace-regexp` is no regular expression.
    #[error("failed to read --namespace-regexp: {text:?} is not a regular expression")]
    NamespaceRegexp {
        /// What was given.
        text: String,
        /// Why not.
        source: regex::Error,
    },
}

impl TryFrom<&Args> for Settings {
    type Error = SettingsError;

    fn try_from(args: &Args) -> Result<Self, SettingsError> {
        let text = &args.namespace_regexp;
        let namespace = match text.as_str() {
            "" => None,
            pattern => {
                Some(
                    Regex::new(pattern).map_err(|source| SettingsError::NamespaceRegexp {
                        text: text.clone(),
                        source,
                    })?,
                )
            }
        };
        let timeout = parse_duration(&args.timeout).ok_or_else(|| SettingsError::Timeout {
            text: args.timeout.clone(),
        })?;
        Ok(Self {
            timeout,
            namespace,
            is_shell_allowed: args.allow_shell,
        })
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    parse_bool(text).ok_or_else(|| format!("{text:?} is neither true nor false"))
}

/// Reads a boolean as Go's `strconv.ParseBool` does.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Reads a Go duration such as `1h2m3.5s`; "0" is zero. Negative ones are refused, and those that
/// Go cannot hold.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut seconds = 0.0_f64;
    let mut rest = text;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit;
        rest = tail;
        if rest.is_empty() {
            let length = Duration::try_from_secs_f64(seconds).ok();
            return length.filter(|length| *length <= DURATION_MAX);
        }
    }
}

/// Reads a duration in plain seconds, or as Go writes it.
pub(crate) fn parse_seconds(text: &str) -> Option<Duration> {
    let Ok(seconds) = text.parse() else {
        return parse_duration(text);
    };
    Some(Duration::from_secs(seconds)).filter(|length| *length <= DURATION_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    fn settings(flags: &[&str]) -> Result<Settings, SettingsError> {
        let args = Program::parse_from(std::iter::once(&"loadtester").chain(flags)).args;
        Settings::try_from(&args)
    }

    #[test]
    fn booleans_are_read_as_go_does() {
        for (value, wanted) in [
            ("", Some(true)),
            ("=true", Some(true)),
            ("=TRUE", Some(true)),
            ("=t", Some(true)),
            ("=1", Some(true)),
            ("=false", Some(false)),
            ("=F", Some(false)),
            ("=0", Some(false)),
            ("=maybe", None),
            ("=", None),
        ] {
            let read = |name: &str, of: fn(&Args) -> bool| {
                let flag = format!("{name}{value}");
                let program = Program::try_parse_from(["loadtester", &flag]);
                assert_eq!(program.ok().map(|p| of(&p.args)), wanted, "{flag}");
            };
            read("--allow-shell", |args| args.allow_shell);
            read("--zap-replace-globals", |args| args.zap_replace_globals);
        }
    }

    #[test]
    fn flags_become_settings() {
        let plain = settings(&[]).unwrap();
        assert!(
            plain.timeout.as_secs() == 3600 && plain.namespace.is_none() && !plain.is_shell_allowed
        );
        let full = settings(&[
            "--timeout=1h0m30s",
            "--namespace-regexp=^te",
            "--allow-shell",
            "--zap-replace-globals",
        ]);
        let full = full.unwrap();
        assert!(
            full.timeout.as_secs() == 3630
                && full.namespace.unwrap().is_match("test")
                && full.is_shell_allowed
        );
        assert!(matches!(
            settings(&["--timeout=5"]),
            Err(SettingsError::Timeout { .. })
        ));
        assert!(matches!(
            settings(&["--namespace-regexp=("]),
            Err(SettingsError::NamespaceRegexp { .. })
        ));
    }

    #[test]
    fn durations() {
        for (text, ms) in [
            ("1m", Some(60_000)),
            ("1.5s", Some(1500)),
            ("2h45m", Some(9_900_000)),
            ("0", Some(0)),
            ("2562047h", Some(9_223_369_200_000)),
        ] {
            assert_eq!(
                parse_duration(text).map(|length| length.as_millis()),
                ms,
                "{text}"
            );
        }
        for text in ["", "5", "m", "-1s", "1y", "1..s", "1s2", "2562048h"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        let seconds = |text| parse_seconds(text).map(|length| length.as_secs());
        assert_eq!(seconds("90"), Some(90));
        assert_eq!(seconds("1m"), Some(60));
        assert_eq!(seconds("9223372037"), None);
        assert_eq!(seconds("99999999999999999999"), None);
    }
}
