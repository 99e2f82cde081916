//! The GitOps controllers
