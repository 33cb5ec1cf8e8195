//! How many earlier baselines the volume keeps.

/// How much is kept: both bounds hold, and the newest is kept whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So many.
    pub number: usize,
    /// So many bytes together.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { number: 10, bytes: 256 << 20 }
    }
}
