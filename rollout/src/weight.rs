//! A share of the traffic in per cent, and the split of it between primary and canary.
//!
//! A `Weight` above 100 and a split that does not sum to 100 cannot be made.

use std::fmt;

/// A share of the traffic, 0 to 100 per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Weight(u8);

/// A number that is no weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("weight {0} is not between 0 and 100")]
pub struct NotAWeight(pub i64);

impl Weight {
    /// No traffic.
    pub const ZERO: Self = Self(0);
    /// All traffic.
    pub const FULL: Self = Self(100);

    /// The weight in per cent.
    #[must_use]
    pub const fn percent(self) -> u8 {
        self.0
    }

    /// What is left for the other side.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(100_u8.saturating_sub(self.0))
    }

    /// This weight and `step` more, at most 100.
    #[must_use]
    pub fn raised(self, step: Self) -> Self {
        Self(self.0.saturating_add(step.0).min(100))
    }

    /// This weight and `step` less, at least 0.
    #[must_use]
    pub const fn lowered(self, step: Self) -> Self {
        Self(self.0.saturating_sub(step.0))
    }

    /// True for 0 %.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl TryFrom<i64> for Weight {
    type Error = NotAWeight;

    fn try_from(percent: i64) -> Result<Self, NotAWeight> {
        match u8::try_from(percent) {
            Ok(whole) if whole <= 100 => Ok(Self(whole)),
            Ok(_) | Err(_) => Err(NotAWeight(percent)),
        }
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where requests go: `canary` per cent to the canary, the rest to the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Split {
    /// The canary's share; the primary has the rest.
    pub canary: Weight,
    /// True when requests to the primary are also copied to the canary, whose answers are dropped.
    pub mirrored: bool,
}

impl Split {
    /// All traffic on the primary, nothing mirrored.
    pub const PRIMARY: Self = Self {
        canary: Weight::ZERO,
        mirrored: false,
    };

    /// `canary` per cent on the canary, nothing mirrored.
    #[must_use]
    pub const fn to_canary(canary: Weight) -> Self {
        Self {
            canary,
            mirrored: false,
        }
    }

    /// The primary's share.
    #[must_use]
    pub const fn primary(self) -> Weight {
        self.canary.rest()
    }
}
