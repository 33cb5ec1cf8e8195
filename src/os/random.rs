//! Random numbers: the salt of the fingerprints in a record, and the id of a run.
//!
//! The record keeps fingerprints of the values of environment variables. The salt prevents that a
//! value can be looked up in a table of known digests.

use crate::digest::hex;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Read;

/// What tells this process from all others in a log: 64 random bits in hexadecimal, or where there
/// are none, the process id.
#[must_use]
pub fn run_id() -> String {
    let random = salt().ok().and_then(|salt| salt.get(..16).map(str::to_owned));
    random.unwrap_or_else(|| std::process::id().to_string())
}

/// 128 random bits in hexadecimal, from `/dev/urandom` (urandom(4)).
///
/// # Errors
/// The device cannot be read, for example in a container without `/dev`.
pub fn salt() -> Result<String> {
    let mut bytes = [0; 16];
    let mut device = File::open("/dev/urandom").context("cannot open /dev/urandom")?;
    device.read_exact(&mut bytes).context("cannot read /dev/urandom")?;
    Ok(hex(&bytes))
}
