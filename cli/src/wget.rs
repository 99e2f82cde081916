//! Under the name `wget`: the probe that Flagger's manifests run in the container.
//!
//! `wget --quiet --tries=1 --timeout=4 --spider http://localhost:8080/healthz` asks a server
//! beside us once and tells by the exit code whether it is well. It does nothing else: no other
//! hosts, no names to resolve, no TLS, no files, no redirects.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Longest time that may be asked for; GNU wget's own default is 900 s.
const TIMEOUT_S_MAX: u64 = 900;
/// Most attempts that may be asked for.
const TRIES_MAX: u32 = 20;
/// Bytes of an answer's first line that are read.
const STATUS_BYTES_MAX: usize = 1024;

/// GNU wget's exit codes.
const BAD_USAGE: u8 = 2;
const NO_NETWORK: u8 = 4;
const BAD_ANSWER: u8 = 8;

/// Why there is no good answer: the exit code, and words.
type Failure = (u8, String);

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
struct Probe {
    addresses: Vec<SocketAddr>,
    host: String,
    path: String,
    timeout: Duration,
    tries: u32,
}

/// Asks, and gives the code to end with.
#[expect(
    clippy::print_stderr,
    reason = "what a failed probe says goes into the pod's events, quiet or not"
)]
pub(crate) fn start(words: &[OsString]) -> ExitCode {
    let outcome = Probe::read(words)
        .map_err(|why| (BAD_USAGE, why))
        .and_then(|probe| probe.ask());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, why)) => {
            eprintln!("wget: {why}");
            ExitCode::from(code)
        }
    }
}

impl Probe {
    fn read(words: &[OsString]) -> Result<Self, String> {
        let (mut url, mut timeout, mut tries) = (None, 10, 1);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let word = word.to_str().ok_or("an argument is not text")?;
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
                Some(_) | None => (word, None),
            };
            let mut number = |most: u64| {
                let text = value.or_else(|| words.next()?.to_str());
                let number = text.and_then(|text| text.parse().ok());
                number
                    .filter(|number| (1..=most).contains(number))
                    .ok_or_else(|| format!("{flag} needs a number from 1 to {most}"))
            };
            match flag {
                "--quiet" | "-q" | "--spider" | "--no-verbose" | "-nv" => {}
                "--timeout" | "-T" => timeout = number(TIMEOUT_S_MAX)?,
                "--tries" | "-t" => tries = number(u64::from(TRIES_MAX))?,
                flag if flag.starts_with('-') => {
                    return Err(format!(
                        "{flag} is not known: this is sluice, which only probes servers beside it, as \
                         `wget --quiet --tries=1 --timeout=4 --spider http://localhost:8080/healthz`"
                    ));
                }
                given => url = Some(given),
            }
        }
        let url = url.ok_or("give a URL, such as http://localhost:8080/healthz")?;
        let (host, path, addresses) = place(url).ok_or_else(|| {
            format!(
                "{url:?} is not an http URL of localhost, such as http://localhost:8080/healthz"
            )
        })?;
        Ok(Self {
            addresses,
            host,
            path,
            timeout: Duration::from_secs(timeout),
            tries: u32::try_from(tries).unwrap_or(TRIES_MAX),
        })
    }

    fn ask(&self) -> Result<(), Failure> {
        let mut outcome = Err((NO_NETWORK, "nothing was tried".to_owned()));
        for _ in 0..self.tries {
            outcome = self.once();
            // An answer is final, whatever it is.
            if !matches!(outcome, Err((NO_NETWORK, _))) {
                break;
            }
        }
        outcome
    }

    fn once(&self) -> Result<(), Failure> {
        let end = Instant::now() + self.timeout;
        let gone = |error: std::io::Error| (NO_NETWORK, format!("{}: {error}", self.host));
        let left = || {
            end.checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
                .ok_or_else(|| gone(std::io::ErrorKind::TimedOut.into()))
        };
        let mut opened = Err(gone(std::io::ErrorKind::AddrNotAvailable.into()));
        for address in &self.addresses {
            opened = TcpStream::connect_timeout(address, left()?).map_err(gone);
            if opened.is_ok() {
                break;
            }
        }
        let mut stream = opened?;
        stream.set_write_timeout(Some(left()?)).map_err(gone)?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: sluice\r\nConnection: close\r\n\r\n",
            self.path, self.host
        );
        stream.write_all(request.as_bytes()).map_err(gone)?;
        let mut answer = Vec::new();
        while !answer.contains(&b'\n') && answer.len() < STATUS_BYTES_MAX {
            stream.set_read_timeout(Some(left()?)).map_err(gone)?;
            let mut part = [0; 256];
            match stream.read(&mut part).map_err(gone)? {
                0 => break,
                count => answer.extend_from_slice(part.get(..count).unwrap_or_default()),
            }
        }
        status(&answer).map_err(|why| (BAD_ANSWER, format!("{}: {why}", self.host)))
    }
}

/// Whether the first line of an answer is one of success.
fn status(answer: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(answer);
    let line = text.lines().next().unwrap_or_default();
    let code = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|code| code.parse::<u16>().ok());
    match code {
        Some(200..300) => Ok(()),
        Some(code) => Err(format!("the server answered {code}")),
        None => Err("the answer is not HTTP".to_owned()),
    }
}

/// Host and port, path, and the addresses to try, of an `http` URL of this machine.
fn place(url: &str) -> Option<(String, String, Vec<SocketAddr>)> {
    let url: http::Uri = url.parse().ok()?;
    if url.scheme_str() != Some("http") {
        return None;
    }
    let authority = url.authority()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let port = url.port_u16().unwrap_or(80);
    let host = authority.host();
    let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    let addresses: Vec<IpAddr> = match host.trim_matches(['[', ']']) {
        "localhost" => vec![v4.into(), v6.into()],
        literal => vec![literal.parse().ok().filter(IpAddr::is_loopback)?],
    };
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let addresses = addresses
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect();
    Some((authority.to_string(), path.to_owned(), addresses))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn flagger_s_probe_is_read() {
        for (line, timeout, addresses) in [
            (
                "--quiet --tries=1 --timeout=4 --spider http://localhost:8080/healthz",
                4,
                2,
            ),
            ("-q -T 2 -t 1 --spider http://127.0.0.1:8080/healthz", 2, 1),
            ("http://[::1]:8080/healthz", 10, 1),
        ] {
            let probe = Probe::read(&words(line)).unwrap();
            assert_eq!(
                (
                    probe.timeout.as_secs(),
                    probe.addresses.len(),
                    probe.path.as_str(),
                    probe.tries
                ),
                (timeout, addresses, "/healthz", 1),
                "{line}"
            );
        }
        for line in [
            "",
            "--spider",
            "http://example.com/",
            "http://10.0.0.1:8080/",
            "http://localhost@example.com/",
            "https://localhost/",
            "localhost:8080/healthz",
            "-O x http://localhost/",
            "--post-file=/etc/passwd http://localhost/",
            "--timeout=x http://localhost/",
            "--tries=0 http://localhost/",
        ] {
            assert!(Probe::read(&words(line)).is_err(), "{line}");
        }
    }

    #[test]
    fn the_exit_code_tells_how_the_server_is() {
        let check = |answer: Option<&'static [u8]>, wanted: Option<u8>| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            // Without an answer to give, nobody listens.
            let server = answer.map(|answer| {
                std::thread::spawn(move || {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut asked = [0; 512];
                    let count = stream.read(&mut asked).unwrap();
                    stream.write_all(answer).unwrap();
                    assert!(
                        asked[..count].starts_with(b"GET /healthz HTTP/1.1\r\nHost: localhost:")
                    );
                })
            });
            let line = format!("-q --tries=1 --timeout=4 --spider http://localhost:{port}/healthz");
            let got = Probe::read(&words(&line)).unwrap().ask();
            assert_eq!(got.as_ref().err().map(|(code, _)| *code), wanted, "{got:?}");
            if let Some(server) = server {
                server.join().unwrap();
            }
        };
        check(
            Some(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"),
            None,
        );
        check(Some(b"HTTP/1.1 204 No Content\r\n\r\n"), None);
        check(Some(b"HTTP/1.0 503 no\r\n\r\n"), Some(BAD_ANSWER));
        check(
            Some(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"),
            Some(BAD_ANSWER),
        );
        check(Some(b"hello\n"), Some(BAD_ANSWER));
        check(Some(b""), Some(BAD_ANSWER));
        check(None, Some(NO_NETWORK));
    }
}
