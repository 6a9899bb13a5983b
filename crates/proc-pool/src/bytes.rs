//! Encoded bytes, of which a few need no allocation.

use std::ops::Deref;

use multiproc_core::spare;

/// So many bytes lie in the value itself: a number or two, as argument or result.
const SHORT: usize = 30;

/// Bytes that somebody has encoded.
#[derive(Debug)]
pub(crate) enum Bytes {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Vec<u8>),
}

impl Bytes {
    /// Returns some, if they are so few that they lie in the value.
    pub(crate) fn short(of: &[u8]) -> Option<Self> {
        let mut bytes = [0; SHORT];
        bytes.get_mut(..of.len())?.copy_from_slice(of);
        Some(Self::Short { len: u8::try_from(of.len()).ok()?, bytes })
    }

    pub(crate) fn is_short(&self) -> bool {
        matches!(self, Self::Short { .. })
    }

    /// Takes what is in a buffer, and the buffer if there is much in it.
    pub(crate) fn take_from(buffer: &mut Vec<u8>) -> Self {
        Self::short(buffer).unwrap_or_else(|| Self::Long(std::mem::take(buffer)))
    }

    /// Drops them, and keeps their memory for others if there is much of it.
    pub(crate) fn recycle(self) {
        if let Self::Long(bytes) = self {
            spare::give(bytes);
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Self::Long(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_they_were_made_of() {
        for len in 0..100u8 {
            let mut buffer: Vec<u8> = (0..len).collect();
            let expected = buffer.clone();
            let bytes = Bytes::take_from(&mut buffer);
            assert_eq!(*bytes, *expected);
            // A buffer that was left serves again.
            assert_eq!(buffer.is_empty(), len == 0 || usize::from(len) > SHORT);
        }
        assert!(size_of::<Bytes>() <= 32);
    }
}
