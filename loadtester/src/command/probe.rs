//! The flags of grpc_health_probe (grpc-ecosystem, 0.4) and the one question they mean.

use std::time::Duration;

use http::HeaderMap;

use super::{CommandError, hey, pair, unknown};
use crate::grpc::credentials::{Credentials, Named};
use crate::grpc::health::Probe;
use crate::load::{Limit, Plan, Trust};
use crate::settings::{parse_bool, parse_duration};

const PROGRAM: &str = "grpc_health_probe";
const CERT: &str = "-tls-client-cert";
const KEY: &str = "-tls-client-key";
/// Flags without a value.
const SWITCHES: [&str; 6] = ["tls", "tls-no-verify", "gzip", "verbose", "alts", "spiffe"];

pub(super) fn parse(words: &[String]) -> Result<Probe, CommandError> {
    let (mut address, mut service, mut headers) = (None, String::new(), HeaderMap::new());
    let (mut connect, mut answer) = (Duration::from_secs(1), Duration::from_secs(1));
    let (mut is_tls, mut is_unchecked, mut name) = (false, false, None);
    let (mut roots, mut cert, mut key) = (None, None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        // Go reads flags up to the first word that is none.
        let Some(flag) = word.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
            break;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        if flag.is_empty() {
            break;
        }
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None if SWITCHES.contains(&flag) => (flag, Some("true")),
            None => (flag, None),
        };
        let value = value.or_else(|| words.next().map(String::as_str));
        let wrong = || CommandError::Value {
            program: PROGRAM,
            flag: format!("-{flag}"),
            value: value.map(str::to_owned),
        };
        let text = value.ok_or_else(wrong)?;
        let time = || parse_duration(text).filter(|time| !time.is_zero());
        match flag {
            "addr" => address = Some(text),
            "service" => service = text.to_owned(),
            "connect-timeout" => connect = time().ok_or_else(wrong)?,
            "rpc-timeout" => answer = time().ok_or_else(wrong)?,
            "tls" => is_tls = parse_bool(text).ok_or_else(wrong)?,
            "tls-no-verify" => is_unchecked = parse_bool(text).ok_or_else(wrong)?,
            "tls-server-name" => name = Some(text.to_owned()),
            "tls-ca-cert" => roots = Some(Named::new("-tls-ca-cert", text)),
            "tls-client-cert" => cert = Some(Named::new(CERT, text)),
            "tls-client-key" => key = Some(Named::new(KEY, text)),
            "rpc-header" => headers.extend([hey::header_of(PROGRAM, "-rpc-header", text)?]),
            // Both change nothing that is asked.
            "verbose" | "user-agent" => {}
            "gzip" | "alts" | "spiffe" => {
                return Err(CommandError::Unserved {
                    program: PROGRAM,
                    flag: format!("-{flag}"),
                    cure: "leave it out, or use --allow-shell and type bash",
                });
            }
            _ => return Err(unknown(PROGRAM, word)),
        }
    }
    let address = address.ok_or(CommandError::NoHost { program: PROGRAM })?;
    let scheme = if is_tls { "https" } else { "http" };
    let url = format!("{scheme}://{address}/").parse();
    let url = url.map_err(|_| CommandError::Value {
        program: PROGRAM,
        flag: "-addr".to_owned(),
        value: Some(address.to_owned()),
    })?;
    let mut plan = Plan::new(url, Limit::Requests(1));
    plan.connect_timeout = Some(connect);
    plan.timeout = Some(connect.saturating_add(answer));
    if is_tls && !is_unchecked {
        plan.trust = Trust::Checked { roots: None, name };
    }
    let pair = pair(PROGRAM, (cert, key), [CERT, KEY])?;
    let named = roots.as_ref().or(pair.as_ref().map(|(cert, _)| cert));
    if let (Some(named), false) = (named, is_tls) {
        return Err(CommandError::Alone {
            program: PROGRAM,
            flag: named.flag,
            other: "-tls",
        });
    }
    Ok(Probe {
        plan,
        credentials: Credentials { roots, pair },
        headers,
        service,
        connect_timeout: connect,
    })
}
