//! Samples in memory and PromQL instant queries over them
