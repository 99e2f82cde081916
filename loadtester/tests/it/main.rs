//! The load tester over loopback: its HTTP API, and the load it generates.

mod api;
mod load;
mod support;
