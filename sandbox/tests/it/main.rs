//! Tests of the sandbox from outside: everything goes through its client, its
//! Prometheus and its Git server, under paused time where nothing is real.

mod git;
mod prometheus;
mod real;
mod rollout;
mod support;
mod traffic;
