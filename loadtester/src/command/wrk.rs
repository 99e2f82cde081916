//! The flags of wrk (and wrk2's rate) and what they mean to our generator.
//!
//! Threads are accepted and ignored; scripts are refused, because they are programs.

use std::time::Duration;

use http::HeaderMap;

use super::{CommandError, hey, unknown};
use crate::load::{Concurrency, Limit, Pace, Plan};
use crate::settings::parse_seconds;

const PROGRAM: &str = "wrk";

pub(super) fn parse(words: &[String]) -> Result<Plan, CommandError> {
    let (mut concurrency, mut length, mut timeout) =
        (10, Duration::from_secs(10), Duration::from_secs(2));
    let (mut rate, mut headers, mut url) = (None, HeaderMap::new(), None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some((flag, value)) = flag_of(word) else {
            url = Some(word);
            continue;
        };
        if ["--latency", "-L", "-U"].contains(&flag) {
            continue;
        }
        let value = value.or_else(|| words.next().map(String::as_str));
        let bad = || CommandError::Value {
            program: PROGRAM,
            flag: flag.to_owned(),
            value: value.map(str::to_owned),
        };
        let text = value.ok_or_else(bad)?;
        match flag {
            "-t" | "--threads" => _ = text.parse::<u32>().map_err(|_| bad())?,
            "-c" | "--connections" => concurrency = text.parse().map_err(|_| bad())?,
            "-d" | "--duration" => length = seconds(text).ok_or_else(bad)?,
            "-T" | "--timeout" => timeout = seconds(text).ok_or_else(bad)?,
            "-R" | "--rate" => rate = Some(text.parse().map_err(|_| bad())?),
            "-H" | "--header" => headers.extend([hey::header_of(PROGRAM, flag, text)?]),
            "-s" | "--script" => {
                let cure = "use a hey line, or --allow-shell and type bash";
                return Err(CommandError::Unserved {
                    program: PROGRAM,
                    flag: flag.to_owned(),
                    cure,
                });
            }
            _ => return Err(unknown(PROGRAM, flag)),
        }
    }
    let url = url.ok_or(CommandError::NoUrl { program: PROGRAM })?;
    let uri = url
        .parse()
        .map_err(|_| CommandError::Url { program: PROGRAM })?;
    let mut plan = Plan::new(uri, Limit::Time(length));
    plan.concurrency = Concurrency::Constant(concurrency);
    plan.pace = rate.map(Pace::Constant);
    plan.headers = headers;
    plan.timeout = Some(timeout);
    plan.follows_redirects = false;
    Ok(plan)
}

/// The flag and its value in the same word: `-c10`, `--connections=10`.
fn flag_of(word: &str) -> Option<(&str, Option<&str>)> {
    if word.starts_with("--") {
        return Some(
            word.split_once('=')
                .map_or((word, None), |(flag, value)| (flag, Some(value))),
        );
    }
    word.strip_prefix('-').filter(|rest| !rest.is_empty())?;
    let end = word.char_indices().nth(2).map_or(word.len(), |(at, _)| at);
    let (flag, value) = word.split_at(end);
    Some((flag, (!value.is_empty()).then_some(value)))
}

/// A time such as `2s`, `2m`, or plain seconds.
fn seconds(text: &str) -> Option<Duration> {
    parse_seconds(text).filter(|length| !length.is_zero())
}
