//! Creates the random salt of the fingerprints in a record.
//!
//! The record keeps fingerprints of the values of environment variables. The salt prevents that a
//! value can be looked up in a table of known digests.

use crate::digest::hex;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Read;

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
