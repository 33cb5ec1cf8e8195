//! How many earlier baselines the volume keeps for `rollback`.

/// How many earlier baselines are kept. Both limits apply, but the newest one is always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The largest number of baselines.
    pub number: usize,
    /// The largest size of all together, in bytes.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { number: 10, bytes: 256 << 20 }
    }
}
