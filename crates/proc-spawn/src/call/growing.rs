//! The buffer into which values are encoded.

use multiproc_core::spare;
use postcard::ser_flavors::Flavor;

/// The capacity with which a buffer begins.
const FIRST: usize = 32;

/// A buffer that grows, and when it becomes large takes the place of one that was used before.
pub(super) struct Growing(Vec<u8>);

impl Growing {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// Uses a buffer again.
    pub(super) fn on(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self(buffer)
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let needed = self.0.len() + more;
        if needed < spare::LEAST {
            // A few numbers need to grow once.
            return self.0.reserve(more.max(FIRST));
        }
        let mut larger = spare::take(needed.max(2 * self.0.len()));
        larger.extend_from_slice(&self.0);
        spare::give(std::mem::replace(&mut self.0, larger));
    }
}

impl Flavor for Growing {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if self.0.len() == self.0.capacity() {
            self.grow(1);
        }
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if self.0.capacity() - self.0.len() < bytes.len() {
            self.grow(bytes.len());
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_encodes_as_the_serialiser_does() {
        let value: Vec<(String, u64)> =
            (0..30_000u64).map(|n| ("x".repeat(n as usize % 40), n)).collect();
        let grown = postcard::serialize_with_flavor(&value, Growing::new()).unwrap();
        assert_eq!(grown, postcard::to_stdvec(&value).unwrap());
        assert!(grown.len() > 4 * spare::LEAST);
    }
}
