//! Flagger's load tester: gates, tasks, and a load generator
