//! YAML exactly as go-yaml reads and writes it
