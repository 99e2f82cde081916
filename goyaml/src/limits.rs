//! Says how much a YAML text may cost before reading it is refused.

/// Bounds on one text. Aliases count as often as they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text, bytes.
    pub text_bytes_max: usize,
    /// Scalars and collections after alias expansion, over all documents.
    pub nodes_max: usize,
    /// Bytes of all scalars after alias expansion.
    pub expanded_bytes_max: usize,
    /// Nesting of collections.
    pub depth_max: usize,
    /// Documents in one text.
    pub documents_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes_max: 16 * 1024 * 1024,
            nodes_max: 1_000_000,
            expanded_bytes_max: 48 * 1024 * 1024,
            depth_max: 100,
            documents_max: 20_000,
        }
    }
}
