//! Short payloads, in a slot's own words.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use crate::bytes::Bytes;

/// Writes `bytes`, which are no longer than the words; the rest stays as it was.
#[inline]
pub(super) fn write(words: &[AtomicU64], bytes: &[u8]) {
    for (word, bytes) in words.iter().zip(bytes.chunks(8)) {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        // Relaxed, here and below: published with the slot.
        word.store(u64::from_ne_bytes(whole), Relaxed);
    }
}

/// Reads `len` bytes, or as many as the words have.
#[inline]
pub(super) fn read<const WORDS: usize>(words: &[AtomicU64; WORDS], len: usize) -> Bytes {
    let len = len.min(WORDS * 8);
    let mut all = [[0; 8]; WORDS];
    for (bytes, word) in all[..len.div_ceil(8)].iter_mut().zip(words) {
        *bytes = word.load(Relaxed).to_ne_bytes();
    }
    let bytes = &all.as_flattened()[..len];
    Bytes::short(bytes).unwrap_or_else(|| Bytes::Long(bytes.to_vec()))
}

/// Reads all words.
#[inline]
pub(super) fn read_into(words: &[AtomicU64], bytes: &mut [u8]) {
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let words: [AtomicU64; 3] = Default::default();
        for len in 0..=24usize {
            let bytes: Vec<u8> = (1..).take(len).collect();
            write(&words, &bytes);
            assert_eq!(*read(&words, len), *bytes);
        }
        assert_eq!(read(&words, 1_000).len(), 24);
    }
}
