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

/// What the flags say, before it becomes a question.
struct Flags {
    address: Option<String>,
    service: String,
    headers: HeaderMap,
    connect_timeout: Duration,
    answer_timeout: Duration,
    is_tls: bool,
    is_unchecked: bool,
    name: Option<String>,
    roots: Option<Named>,
    cert: Option<Named>,
    key: Option<Named>,
}

pub(super) fn parse(words: &[String]) -> Result<Probe, CommandError> {
    let mut flags = Flags {
        address: None,
        service: String::new(),
        headers: HeaderMap::new(),
        connect_timeout: Duration::from_secs(1),
        answer_timeout: Duration::from_secs(1),
        is_tls: false,
        is_unchecked: false,
        name: None,
        roots: None,
        cert: None,
        key: None,
    };
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
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None if SWITCHES.contains(&flag) => (flag, Some("true")),
            None => (flag, words.next().map(String::as_str)),
        };
        flags.take(name, value)?;
    }
    flags.probe()
}

impl Flags {
    fn take(&mut self, flag: &str, value: Option<&str>) -> Result<(), CommandError> {
        let wrong = || CommandError::Value {
            program: PROGRAM,
            flag: format!("-{flag}"),
            value: value.map(str::to_owned),
        };
        let text = || value.ok_or_else(wrong);
        let time = || {
            let time = parse_duration(text()?).filter(|time| !time.is_zero());
            time.ok_or_else(wrong)
        };
        match flag {
            "addr" => self.address = Some(text()?.to_owned()),
            "service" => self.service = text()?.to_owned(),
            "connect-timeout" => self.connect_timeout = time()?,
            "rpc-timeout" => self.answer_timeout = time()?,
            "tls" => self.is_tls = parse_bool(text()?).ok_or_else(wrong)?,
            "tls-no-verify" => self.is_unchecked = parse_bool(text()?).ok_or_else(wrong)?,
            "tls-server-name" => self.name = Some(text()?.to_owned()),
            "tls-ca-cert" => self.roots = Some(Named::new("-tls-ca-cert", text()?)),
            "tls-client-cert" => self.cert = Some(Named::new(CERT, text()?)),
            "tls-client-key" => self.key = Some(Named::new(KEY, text()?)),
            "rpc-header" => {
                let header = hey::header_of(PROGRAM, "-rpc-header", text()?)?;
                self.headers.extend([header]);
            }
            // Both change nothing that is asked.
            "verbose" | "user-agent" => {}
            "gzip" | "alts" | "spiffe" => {
                return Err(CommandError::Unserved {
                    program: PROGRAM,
                    flag: format!("-{flag}"),
                    cure: "leave it out, or use --allow-shell and type bash",
                });
            }
            _ => return Err(unknown(PROGRAM, &format!("-{flag}"))),
        }
        Ok(())
    }

    fn probe(self) -> Result<Probe, CommandError> {
        let address = self
            .address
            .ok_or(CommandError::NoHost { program: PROGRAM })?;
        let scheme = if self.is_tls { "https" } else { "http" };
        let url = format!("{scheme}://{address}/").parse();
        let url = url.map_err(|_| CommandError::Value {
            program: PROGRAM,
            flag: "-addr".to_owned(),
            value: Some(address),
        })?;
        let mut plan = Plan::new(url, Limit::Requests(1));
        plan.connect_timeout = Some(self.connect_timeout);
        plan.timeout = Some(self.connect_timeout.saturating_add(self.answer_timeout));
        if self.is_tls && !self.is_unchecked {
            plan.trust = Trust::Checked {
                roots: None,
                name: self.name,
            };
        }
        let pair = pair(PROGRAM, (self.cert, self.key), [CERT, KEY])?;
        let named = self.roots.as_ref().or(pair.as_ref().map(|(cert, _)| cert));
        if let (Some(named), false) = (named, self.is_tls) {
            return Err(CommandError::Alone {
                program: PROGRAM,
                flag: named.flag,
                other: "-tls",
            });
        }
        Ok(Probe {
            plan,
            credentials: Credentials {
                roots: self.roots,
                pair,
            },
            headers: self.headers,
            service: self.service,
            connect_timeout: self.connect_timeout,
        })
    }
}
