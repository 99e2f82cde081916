//! Reads credentials and TLS material from a Secret's keys.
//!
//! The values live in types that never print them. Nothing here fetches the
//! Secret, and nothing checks a password.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Hides a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// How a request proves who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// It does not.
    #[default]
    Anonymous,
    /// HTTP basic authentication.
    Basic {
        /// User.
        username: String,
        /// Password or token.
        password: Hidden,
    },
    /// A bearer token.
    Bearer(Hidden),
}

impl Credentials {
    /// The value of the `Authorization` header.
    #[must_use]
    pub(crate) fn header(&self) -> Option<String> {
        match self {
            Self::Anonymous => None,
            Self::Basic { username, password } => Some(format!(
                "Basic {}",
                STANDARD.encode(format!("{username}:{}", password.reveal()))
            )),
            Self::Bearer(token) => Some(format!("Bearer {}", token.reveal())),
        }
    }
}

/// TLS material beyond the system's roots.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM bundle appended to the system pool.
    pub authority: Option<Vec<u8>>,
    /// PEM certificate and PEM key shown to the server.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    /// Whether a default connection will do.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.authority.is_none() && self.client.is_none()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("authority", &self.authority.is_some())
            .field("client", &self.client.is_some())
            .finish()
    }
}

/// Everything a Secret gives to a fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Who asks.
    pub credentials: Credentials,
    /// How the connection is secured.
    pub tls: Tls,
}

/// Why a Secret cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("refused the secret: {0}")]
pub struct SecretError(String);

const UNSERVED_KEYS: [(&str, &str); 2] = [
    (
        "githubAppID",
        "GitHub App authentication is not served; use a token in \"password\" or \"bearerToken\"",
    ),
    (
        "identity",
        "SSH is not served; use an https:// URL with \"username\" and \"password\"",
    ),
];

impl Access {
    /// Reads the keys that Git over HTTP uses; `bearerToken` excludes `username`.
    ///
    /// # Errors
    /// [`SecretError`] names the key at fault, never a value.
    pub fn from_secret(keys: &BTreeMap<String, Vec<u8>>) -> Result<Self, SecretError> {
        let text = |key: &str| -> Result<Option<String>, SecretError> {
            let Some(bytes) = keys.get(key) else {
                return Ok(None);
            };
            String::from_utf8(bytes.clone())
                .map(Some)
                .map_err(|_| SecretError(format!("key {key:?} is not UTF-8 text")))
        };
        let (username, password, bearer) =
            (text("username")?, text("password")?, text("bearerToken")?);
        let credentials = match (username, password, bearer) {
            (None, None, Some(token)) => Credentials::Bearer(Hidden(token.trim().to_owned())),
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                return Err(SecretError(
                    "it has \"bearerToken\" and also \"username\" or \"password\"; keep one kind"
                        .to_owned(),
                ));
            }
            (Some(username), password, None) => Credentials::Basic {
                username,
                password: Hidden(password.unwrap_or_default()),
            },
            (None, Some(_), None) => {
                return Err(SecretError(
                    "\"password\" needs \"username\" beside it".to_owned(),
                ));
            }
            (None, None, None) => Credentials::Anonymous,
        };
        let tls = read_tls(keys)?;
        if credentials == Credentials::Anonymous {
            for (key, message) in UNSERVED_KEYS {
                if keys.contains_key(key) {
                    return Err(SecretError(message.to_owned()));
                }
            }
        }
        Ok(Self { credentials, tls })
    }
}

fn read_tls(keys: &BTreeMap<String, Vec<u8>>) -> Result<Tls, SecretError> {
    // The second name of each pair is the legacy one; the first wins.
    let either = |new: &str, old: &str| keys.get(new).or_else(|| keys.get(old)).cloned();
    let client = match (either("tls.crt", "certFile"), either("tls.key", "keyFile")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(SecretError(
                "\"tls.crt\" needs \"tls.key\" beside it".to_owned(),
            ));
        }
        (None, Some(_)) => {
            return Err(SecretError(
                "\"tls.key\" needs \"tls.crt\" beside it".to_owned(),
            ));
        }
    };
    Ok(Tls {
        authority: either("ca.crt", "caFile"),
        client,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &[(&str, &str)]) -> Result<Access, SecretError> {
        let keys = keys
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
            .collect();
        Access::from_secret(&keys)
    }

    #[test]
    fn keys_give_headers() {
        let header = |keys: &[(&str, &str)]| read(keys).unwrap().credentials.header();
        assert_eq!(header(&[]), None);
        assert_eq!(
            header(&[("username", "u"), ("password", "p")]).as_deref(),
            Some("Basic dTpw")
        );
        assert_eq!(
            header(&[("bearerToken", "t\n")]).as_deref(),
            Some("Bearer t")
        );
    }

    #[test]
    fn bad_secrets_are_named_without_their_values() {
        for keys in [
            &[("password", "marker")][..],
            &[("username", "u"), ("bearerToken", "marker")],
            &[("tls.key", "marker")],
            &[("identity", "marker")],
        ] {
            let error = read(keys).unwrap_err().to_string();
            assert!(!error.contains("marker"), "{error}");
        }
        let shown = format!(
            "{:?}",
            read(&[
                ("username", "u"),
                ("password", "marker"),
                ("ca.crt", "marker")
            ])
            .unwrap()
        );
        assert!(!shown.contains("marker"), "{shown}");
    }

    #[test]
    fn new_tls_names_win() {
        let tls = read(&[("ca.crt", "new"), ("caFile", "old")]).unwrap().tls;
        assert_eq!(tls.authority.as_deref(), Some(&b"new"[..]));
        assert!(!tls.is_default());
    }
}
