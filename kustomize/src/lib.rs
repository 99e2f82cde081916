//! Kustomize in memory: files in, objects out
