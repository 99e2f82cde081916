//! The integration tests of the crate.

#[cfg(test)]
mod conformance;
