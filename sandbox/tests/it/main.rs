//! Tests of the sandbox from outside: everything goes through its client, its
//! Prometheus and its Git server, under paused time where nothing is real.

#[cfg(test)]
mod git;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod real;
#[cfg(test)]
mod rollout;
#[cfg(test)]
mod support;
#[cfg(test)]
mod traffic;
