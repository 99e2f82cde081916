//! Tests of the adapters through their public door.

mod golden;
mod live;
