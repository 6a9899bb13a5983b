//! Sending and receiving messages that lie in the arena.

use super::{Patience, Stop};
use crate::arena::Variable;
use crate::ends::End;
use crate::words::{RECEIVERS, SENDERS};

/// Why a message was not put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It has `len` bytes and can never fit.
    TooLarge { len: usize, most: usize },
    /// It could not be put now.
    Stop(Stop),
}

impl<C: Variable> End<C, SENDERS> {
    /// Puts a message of any length.
    pub(crate) fn put_bytes(&self, patience: Patience, message: &[u8]) -> Result<(), Refusal> {
        let most = self.memory().most();
        let Some(len) = u32::try_from(message.len()).ok().filter(|len| *len <= most) else {
            // A `u32`.
            return Err(Refusal::TooLarge { len: message.len(), most: most as usize });
        };
        self.put(
            patience,
            |memory, tail, head| memory.place(tail, head, len),
            |memory, tail, extent| memory.copy_in(tail, extent, message),
        )
        .map_err(Refusal::Stop)
    }
}

impl<C: Variable> End<C, RECEIVERS> {
    /// Takes a message of any length into `buffer`, which is empty when there is none.
    pub(crate) fn take_bytes(&self, patience: Patience, buffer: &mut Vec<u8>) -> Result<(), Stop> {
        buffer.clear();
        // In most cases it is still the next message once we are inside.
        let mut room = self.next_len();
        loop {
            buffer.reserve(room);
            let taken =
                self.take(patience, |memory, index| memory.copy_out(memory.extent(index), buffer))?;
            match taken {
                Ok(()) => return Ok(()),
                Err(needed) => room = needed,
            }
        }
    }

    /// Returns how long the next message is, as far as can be told from outside; 0 if there is none.
    fn next_len(&self) -> usize {
        self.next_index().map_or(0, |head| self.memory().len_hint(head))
    }
}
