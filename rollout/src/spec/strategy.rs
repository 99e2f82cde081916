//! The strategies as one thing: a row of splits to visit, each left only after its checks passed.
//!
//! Weighted releases visit rising weights; A/B tests visit 100 % `iterations` times (the match keeps other
//! users away); Blue/Green stays at 0 % `iterations` times and then visits 100 % once. Where the run stands
//! is read from its weight and iterations, so that a spec edited on the way is followed from there.

use crate::weight::{Split, Weight};

/// How traffic moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// Rising weights.
    Weighted {
        /// Canary weights in order, each above the one before; never empty.
        steps: Vec<Weight>,
        /// Mirror once before the first step.
        is_mirrored_first: bool,
    },
    /// Users chosen by `analysis.match`.
    AbTesting {
        /// Rounds of checks.
        iterations: u32,
    },
    /// All users at once, after checks without users.
    BlueGreen {
        /// Rounds of checks before the switch.
        iterations: u32,
        /// Mirror the users' requests during them.
        is_mirrored: bool,
    },
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The split in force.
    pub split: Split,
    /// Iterations begun; 0 for weighted releases.
    pub iterations: u32,
}

/// What follows a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another split, or another round at the same one.
    Visit(Position),
    /// All visited: promote.
    Promote,
}

impl Strategy {
    /// What follows `here`; `has_routes` is false for provider `kubernetes`, where no traffic moves.
    #[must_use]
    pub fn next(&self, here: Position, has_routes: bool) -> Next {
        match self {
            Self::Weighted {
                steps,
                is_mirrored_first,
            } => next_weight(steps, *is_mirrored_first, here),
            Self::AbTesting { iterations } => {
                if here.iterations >= *iterations {
                    return Next::Promote;
                }
                Next::Visit(Position {
                    split: Split::to_canary(Weight::FULL),
                    iterations: here.iterations.saturating_add(1),
                })
            }
            Self::BlueGreen {
                iterations,
                is_mirrored,
            } => next_blue_green(*iterations, *is_mirrored && has_routes, here, has_routes),
        }
    }

    /// Rounds of checks of a run without a failure.
    #[must_use]
    pub fn rounds(&self) -> usize {
        match self {
            Self::Weighted {
                steps,
                is_mirrored_first,
            } => steps.len().saturating_add(usize::from(*is_mirrored_first)),
            Self::AbTesting { iterations } => usize::try_from(*iterations).unwrap_or(usize::MAX),
            Self::BlueGreen { iterations, .. } => usize::try_from(*iterations)
                .unwrap_or(usize::MAX)
                .saturating_add(1),
        }
    }

    /// Number of iterations, 0 for weighted releases.
    #[must_use]
    pub const fn iterations(&self) -> u32 {
        match self {
            Self::Weighted { .. } => 0,
            Self::AbTesting { iterations } | Self::BlueGreen { iterations, .. } => *iterations,
        }
    }
}

fn next_weight(steps: &[Weight], is_mirrored_first: bool, here: Position) -> Next {
    let weight = here.split.canary;
    if is_mirrored_first && weight.is_zero() && !here.split.mirrored {
        return Next::Visit(Position {
            split: Split {
                canary: Weight::ZERO,
                mirrored: true,
            },
            iterations: 0,
        });
    }
    steps
        .iter()
        .find(|step| **step > weight)
        .map_or(Next::Promote, |step| {
            Next::Visit(Position {
                split: Split::to_canary(*step),
                iterations: 0,
            })
        })
}

fn next_blue_green(iterations: u32, mirrored: bool, here: Position, has_routes: bool) -> Next {
    let following = here.iterations.saturating_add(1);
    if here.iterations < iterations {
        return Next::Visit(Position {
            split: Split {
                canary: here.split.canary,
                mirrored: mirrored && here.split.canary.is_zero(),
            },
            iterations: following,
        });
    }
    if here.iterations == iterations {
        let canary = if has_routes {
            Weight::FULL
        } else {
            Weight::ZERO
        };
        return Next::Visit(Position {
            split: Split::to_canary(canary),
            iterations: following,
        });
    }
    Next::Promote
}
