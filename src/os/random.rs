//! Salt for the fingerprints of environment values.

use crate::digest::hex;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Read;

/// 128 random bits in hexadecimal, from `/dev/urandom` (urandom(4)).
///
/// # Errors
/// Where the device cannot be read: a container without `/dev`.
pub fn salt() -> Result<String> {
    let mut bytes = [0; 16];
    let mut device = File::open("/dev/urandom").context("/dev/urandom cannot be opened")?;
    device.read_exact(&mut bytes).context("/dev/urandom cannot be read")?;
    Ok(hex(&bytes))
}
