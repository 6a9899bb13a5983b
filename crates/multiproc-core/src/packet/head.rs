//! The fixed first bytes of every packet.

use std::io;

/// Marks a packet of this layout; the last digit is its version.
const MAGIC: u32 = u32::from_le_bytes(*b"mpk1");
/// The body goes on in a sealed memfd, which is the packet's last descriptor.
const TAIL: u32 = 1;

/// What the first [`Head::LEN`] bytes of a packet say.
///
/// | bytes  | field                                                             |
/// |--------|-------------------------------------------------------------------|
/// | 0..4   | magic                                                             |
/// | 4..8   | kind, whatever the two sides mean by it                           |
/// | 8..16  | length of the whole body                                          |
/// | 16..20 | number of descriptors, without the one that holds the tail        |
/// | 20..24 | flags: bit 0 "the body goes on in the last descriptor", others 0  |
///
/// Both sides run on one machine, so the byte order is the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: u32,
    pub(super) body_len: u64,
    pub(super) fds: u32,
    pub(super) has_tail: bool,
}

impl Head {
    pub(super) const LEN: usize = 24;

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let flags = if self.has_tail { TAIL } else { 0 };
        bytes[0..4].copy_from_slice(&MAGIC.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.kind.to_ne_bytes());
        bytes[8..16].copy_from_slice(&self.body_len.to_ne_bytes());
        bytes[16..20].copy_from_slice(&self.fds.to_ne_bytes());
        bytes[20..24].copy_from_slice(&flags.to_ne_bytes());
        bytes
    }

    /// Reads the head of a packet of which `arrived` bytes came in all.
    pub(super) fn parse(bytes: &[u8; Self::LEN], arrived: usize) -> io::Result<Self> {
        if arrived < Self::LEN {
            let len = Self::LEN;
            return Err(invalid(format!(
                "a packet of {arrived} bytes, shorter than its head of {len}"
            )));
        }
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[at..at + 4]);
            u32::from_ne_bytes(word)
        };
        let mut body_len = [0; 8];
        body_len.copy_from_slice(&bytes[8..16]);
        let (magic, flags) = (word(0), word(20));
        if magic != MAGIC {
            return Err(invalid(format!(
                "a packet that starts with {magic:#010x}, not {MAGIC:#010x}"
            )));
        }
        if flags & !TAIL != 0 {
            return Err(invalid(format!("a packet with unknown flags {flags:#x}")));
        }
        Ok(Self {
            kind: word(4),
            body_len: u64::from_ne_bytes(body_len),
            fds: word(16),
            has_tail: flags & TAIL != 0,
        })
    }
}

/// What the other side sent is no packet of ours.
pub(super) fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head { kind: 7, body_len: 1 << 40, fds: 3, has_tail: true };

    #[test]
    fn a_head_is_read_as_it_was_written() {
        assert_eq!(Head::parse(&HEAD.to_bytes(), Head::LEN).unwrap(), HEAD);
        let plain = Head { has_tail: false, ..HEAD };
        assert_eq!(Head::parse(&plain.to_bytes(), 99).unwrap(), plain);
    }

    #[test]
    fn every_flipped_bit_of_magic_and_flags_is_noticed() {
        for bit in (0..32).chain(161..192) {
            let mut bytes = HEAD.to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let error = Head::parse(&bytes, Head::LEN).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "bit {bit}");
        }
    }

    #[test]
    fn a_short_head_is_refused_with_both_numbers() {
        let error = Head::parse(&HEAD.to_bytes(), 23).unwrap_err().to_string();
        assert!(error.contains("23") && error.contains("24"), "{error}");
    }
}
