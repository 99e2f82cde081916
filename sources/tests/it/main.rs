//! Fetches from real Git servers, and from hostile ones.

#[cfg(test)]
mod bridge;
#[cfg(test)]
mod fetch;
#[cfg(test)]
mod hostile;
