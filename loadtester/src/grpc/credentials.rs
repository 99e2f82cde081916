//! Files that a line names: certificates to check a server by, and a certificate with its key to show to one that asks.

use std::path::PathBuf;

use bytes::Bytes;

use super::{CallError, describe};
use crate::load::{Identity, IdentityError, Plan, Trust};

/// A file, and the flag that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) flag: &'static str,
    pub(crate) path: PathBuf,
}

impl Named {
    pub(crate) fn new(flag: &'static str, path: &str) -> Self {
        let path = path.into();
        Self { flag, path }
    }

    fn read(&self) -> Result<Vec<u8>, CallError> {
        describe::read(self.flag, &self.path)
    }
}

/// What a line names, not yet read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials {
    /// Certificates to check the server by, instead of the system's.
    pub(crate) roots: Option<Named>,
    /// Certificate and key to show to a server that asks.
    pub(crate) pair: Option<(Named, Named)>,
}

impl Credentials {
    /// Reads the files into the plan; those to check by only if it checks.
    ///
    /// # Errors
    /// Files that cannot be read, or hold something else.
    pub(crate) fn read_into(&self, plan: &mut Plan) -> Result<(), CallError> {
        if let (Some(file), Trust::Checked { roots, .. }) = (&self.roots, &mut plan.trust) {
            *roots = Some(Bytes::from(file.read()?));
        }
        if let Some((cert, key)) = &self.pair {
            plan.identity = Some(identity(cert, key)?);
        }
        Ok(())
    }
}

fn identity(cert: &Named, key: &Named) -> Result<Identity, CallError> {
    let (chain, secret) = (cert.read()?, key.read()?);
    Identity::read(&chain, &secret).map_err(|error| {
        let file = match error {
            IdentityError::Chain => cert,
            IdentityError::Key | IdentityError::Pair => key,
        };
        CallError::File {
            flag: file.flag,
            path: file.path.clone(),
            why: error.to_string(),
        }
    })
}
