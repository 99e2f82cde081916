//! The sender against servers on loopback.

#[cfg(test)]
mod sending;
