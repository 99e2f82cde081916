//! A cluster in the process: controllers, workloads, Prometheus and a Git server
