//! The operator against an API server and controllers in the process, on paused time.

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod definitions;
#[cfg(test)]
mod deletion;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod knative;
#[cfg(test)]
mod lease;
#[cfg(test)]
mod meshes;
#[cfg(test)]
mod others;
#[cfg(test)]
mod outbound;
#[cfg(test)]
mod ports;
#[cfg(test)]
mod pruning;
#[cfg(test)]
mod removals;
#[cfg(test)]
mod series;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod targets;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod trouble;
#[cfg(test)]
mod unknown;
