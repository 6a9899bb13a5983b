//! Values of serde in blocks: encoded where the receiver will find them.

use core::fmt;

use multiproc_core::carry;
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::guard::{Filling, ReadGuard, WriteGuard};
use crate::error::{DecodeError, outcome};
use crate::values;

/// A value could not be encoded into a block. Says why.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodeError(String);

outcome!(EncodeError, this, f => write!(f, "a value could not be encoded: {}", this.0));

impl WriteGuard {
    /// Makes the encoding of a value ([postcard](https://docs.rs/postcard)) the message, as long as
    /// it is.
    ///
    /// It is written where the receiver will read it, without a copy in between, and no lock is
    /// held meanwhile, so one who encodes a large value holds nobody up. After an error the bytes
    /// are spoiled, and the guard is as long as it was.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when the encoding is longer than the guard, when the value says that it
    /// cannot be encoded, or holds a handle, which cannot travel inside a queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_queue::{Blocks, bounded_blocks};
    ///
    /// let (tx, rx) = bounded_blocks(4, Blocks::new(6, 1 << 20))?;
    /// let table: Vec<(String, f64)> = vec![("one".to_owned(), 1.0), ("half".to_owned(), 0.5)];
    /// let mut block = tx.reserve(tx.max_len())?;
    /// block.encode(&table)?;
    /// block.commit()?;
    /// assert_eq!(rx.recv()?.decode::<Vec<(String, f64)>>()?, table);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "pickle")]
    pub fn encode<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let (filled, refusal) =
            carry::closed(|| postcard::serialize_with_flavor(value, self.filling()));
        // The serialiser loses the sentence with which a handle was refused; the scope kept it.
        match (filled, refusal) {
            (_, Some(refused)) => Err(EncodeError(refused.to_string())),
            (Err(postcard::Error::SerializeBufferFull), None) => {
                Err(EncodeError(format!("it is longer than the {} bytes reserved", self.len())))
            }
            (Err(error), None) => Err(EncodeError(error.to_string())),
            (Ok(len), None) => {
                self.truncate(len);
                self.seek_end();
                Ok(())
            }
        }
    }
}

impl Flavor for Filling<'_> {
    /// The length of what was written.
    type Output = usize;

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if self.put(bytes) { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn finalize(self) -> postcard::Result<usize> {
        Ok(self.len())
    }
}

impl ReadGuard {
    /// Decodes the value whose encoding the message is. It copies the bytes first, for a peer that
    /// means ill could change them meanwhile.
    ///
    /// What type it is, sender and receiver have to agree on. A type that nests without bound takes
    /// a stack as deep as the sender likes: decode such only from peers that you trust.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are no value of the type.
    #[doc(alias = "unpickle")]
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        let mut scratch = values::Scratch::take();
        self.append_to(&mut scratch.bytes);
        let value = values::decode(&scratch.bytes);
        scratch.give_back();
        value
    }
}
