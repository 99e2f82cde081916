//! Values that must never be shown, and the ways to send them
//!
//! No type here has Debug or Display, so that nothing can print one by mistake.

/// A value from a Secret, or one that may hold credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a value out of all texts.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, to be sent and never to be shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// How a metric server is told who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Basic …`.
    Basic {
        /// The user's name.
        username: Secret,
        /// The password.
        password: Secret,
    },
}

impl Credentials {
    /// The parts that no text may hold.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        match self {
            Self::Bearer(token) => vec![token.expose()],
            Self::Basic {
                username: _,
                password,
            } => vec![password.expose()],
        }
    }
}
