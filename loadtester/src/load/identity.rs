//! The certificate that the generator shows to servers that ask for one, and its key.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// A chain of certificates with the key of the first.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

/// Why two files are no identity. Nothing of what they hold is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The first file has no certificates.
    #[error("it holds no usable certificate: give one in PEM, and those it is signed by after it")]
    Chain,
    /// The second has no key.
    #[error("it holds no usable private key: give one in PEM, not encrypted")]
    Key,
    /// The one does not belong to the other.
    #[error("it is not the key of the first certificate beside it: give that one")]
    Pair,
}

impl Identity {
    /// Reads both from PEM.
    ///
    /// # Errors
    /// Texts that hold none, or a key of another certificate.
    pub fn read(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|_| IdentityError::Chain)?;
        if chain.is_empty() {
            return Err(IdentityError::Chain);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::Key)?;
        let pair = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        let pair = pair.map_err(|error| {
            if matches!(error, rustls::Error::InconsistentKeys(_)) {
                IdentityError::Pair
            } else if matches!(error, rustls::Error::InvalidCertificate(_)) {
                IdentityError::Chain
            } else {
                IdentityError::Key
            }
        })?;
        Ok(Self(Arc::new(pair)))
    }

    /// What shows the certificate to whoever asks.
    pub(super) fn shown(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.0)))
    }
}

/// Tells nothing of the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.cert.len();
        write!(f, "Identity({count} certificates)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERT: &[u8] = include_bytes!("../../tests/it/testdata/client.cert.pem");
    const KEY: &[u8] = include_bytes!("../../tests/it/testdata/client.key.pem");

    #[test]
    fn two_files_that_belong_together() {
        let identity = Identity::read(CERT, KEY).unwrap();
        assert_eq!(format!("{identity:?}"), "Identity(1 certificates)");
        // One file may hold both.
        let both = [CERT, KEY].concat();
        assert!(Identity::read(&both, &both).is_ok());
        let other = include_bytes!("../../tests/it/testdata/named.key.pem");
        for (chain, key, wanted) in [
            (KEY, KEY, IdentityError::Chain),
            (b"", KEY, IdentityError::Chain),
            (CERT, CERT, IdentityError::Key),
            (
                CERT,
                b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
                IdentityError::Key,
            ),
            (CERT, other, IdentityError::Pair),
        ] {
            assert_eq!(Identity::read(chain, key).err(), Some(wanted));
        }
    }
}
