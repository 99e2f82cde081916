//! Decides what a canary does next, from facts alone.
//!
//! `probes` names what must be asked of the world, `decide` turns the facts into wants, `audit` checks
//! each decision a second way. Nothing here reads a clock, a network, a file or the environment: the
//! operator observes, calls these three, carries the actions out in order, and writes the state last.
//!
//! ```text
//! New → Initializing → Initialized ─┐ new revision          ┌─────────── target goes back ──────────┐
//!                        Succeeded ─┼───────────────→ Waiting (confirm-rollout closed)               │
//!                        Failed ────┘                    │ open                                     ▼
//!                           ▲                            ▼                              Succeeded or Failed
//!                           └─ RollingBack ←── Progressing ⇄ WaitingPromotion → Promoting → Finalising → Succeeded
//!                                                ▲ a new revision in any of these: weight 0, start again
//! ```
//! (`RollingBack` is stored as phase Progressing with a reason, so that a crash cannot forget it.)

pub mod action;
pub mod answers;
pub mod audit;
pub mod cookies;
pub mod decide;
pub mod probes;
pub mod report;
pub mod spec;
pub mod state;
pub mod verdict;
pub mod waiting;
pub mod weight;
pub mod world;

pub use action::{Action, Severity};
pub use answers::{Answers, GateAnswer, Measured, Sample};
pub use audit::{Broken, audit};
pub use cookies::{Affinity, Cookies};
pub use decide::decide;
pub use probes::{Probe, probes};
pub use report::{Decision, Evidence, Outcome, Report};
pub use spec::{Defaults, Finding, Findings, Strategy, ValidSpec};
pub use state::{Phase, State};
pub use verdict::Verdict;
pub use waiting::WaitingOn;
pub use weight::{Split, Weight};
pub use world::{Part, Revision, Seen, Snapshot, TrafficSeen, Workload, World};
