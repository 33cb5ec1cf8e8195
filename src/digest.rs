//! SHA-256 digests and how they are written.

use sha2::{Digest as _, Sha256};
use std::io::{self, Read};

/// The 32 bytes of a SHA-256.
pub(crate) type Sum = [u8; 32];

/// Bytes in lower-case hexadecimal, as sha256sum(1) prints them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of bytes in hexadecimal.
pub(crate) fn hex_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The SHA-256 of everything that is still to be read, without holding it.
///
/// # Errors
/// Those of read(2).
pub(crate) fn of_reader(reader: &mut impl Read) -> io::Result<Sum> {
    let mut sha = Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(sha.finalize().into()),
            Ok(count) => sha.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A digest over several pieces. Each piece goes in with its length, so that two different lists
/// of pieces never have the same bytes.
#[derive(Clone, Default)]
pub(crate) struct Pieces(Sha256);

impl Pieces {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.0.update((piece.len() as u64).to_le_bytes());
        self.0.update(piece);
    }

    /// 64 hexadecimal characters.
    pub(crate) fn hex(self) -> String {
        hex(&self.0.finalize())
    }

    /// The first `bytes` bytes of the digest in hexadecimal.
    pub(crate) fn short_hex(self, bytes: usize) -> String {
        hex(self.0.finalize().get(..bytes).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_sha256sum_however_it_is_read() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex_of(b""), empty);
        let long = vec![b'x'; (1 << 17) + 1];
        assert_eq!(hex(&of_reader(&mut &long[..]).unwrap()), hex_of(&long));
    }

    #[test]
    fn pieces_do_not_run_into_each_other() {
        let digest = |pieces: &[&str]| {
            let mut digest = Pieces::new();
            pieces.iter().for_each(|piece| digest.add(piece.as_bytes()));
            digest.short_hex(16)
        };
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["ab"]), digest(&["ab", ""]));
        assert_eq!(digest(&["ab"]).len(), 32);
    }
}
