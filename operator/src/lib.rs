//! Runs every controller: canary and GitOps
