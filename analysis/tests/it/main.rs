//! Asks loopback servers and a fake way out; what must be answered is in tables

#[cfg(test)]
mod clouds;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod counters;
#[cfg(test)]
mod egress;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod loopback;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod queries;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod webhook;
#[cfg(test)]
mod windows;
