//! Says how much one build may cost.

/// Bounds on one build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nested kustomizations.
    pub depth_max: usize,
    /// Kustomizations read, counting each reference.
    pub kustomizations_max: usize,
    /// Files read, counting each reference.
    pub files_max: usize,
    /// Bytes of those files.
    pub bytes_max: usize,
    /// Objects held at one time.
    pub objects_max: usize,
    /// What one YAML text may cost.
    pub yaml: goyaml::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 32,
            kustomizations_max: 1_000,
            files_max: 10_000,
            bytes_max: 64 * 1024 * 1024,
            objects_max: 20_000,
            yaml: goyaml::Limits::default(),
        }
    }
}
