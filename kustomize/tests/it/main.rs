//! Holds builds against the output of the real kustomize, and checks errors.

// Behind cfg(test), so that clippy takes them for the tests they are.
#[cfg(test)]
mod errors;
#[cfg(test)]
mod flux;
#[cfg(test)]
mod golden;
