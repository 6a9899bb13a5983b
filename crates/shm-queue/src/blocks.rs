//! Large messages in blocks, which are filled and read where they lie.
//!
//! The ring of a queue holds descriptors here; a message lies in a *block*, made once and used
//! again. No lock is held while a message is written or read, so no user code runs under one. Each
//! block has a word that says who answers for it (see [`owner`]); the ring's index is still the
//! only thing that commits.
//!
//! | word | who may change it | to what |
//! |---|---|---|
//! | FREE | any sender, by CAS | HELD by it |
//! | HELD by a thread | the thread, when it gives up | FREE |
//! | HELD by a thread | the thread, in the senders' section, and then it publishes i | QUEUED by it, message i |
//! | QUEUED, message i | a receiver, in the receivers' section, and then it moves the index past i | TAKEN by it, message i |
//! | TAKEN, message i, *still in the ring* | the next receiver, as from QUEUED | TAKEN by it, message i |
//! | TAKEN, message i, not in the ring | the thread, when it has read | FREE |
//! | HELD, or QUEUED or TAKEN and not in the ring, by a *dead* thread | any sender, by CAS | HELD by it |
//!
//! "In the ring" means: i lies between the two indices, and the descriptor of message i names this
//! block. A word that names a dead thread moves by CAS only, and a dead thread's name never comes
//! back, so whoever of several finds such a block, one gets it.
//!
//! | killed | the block | the message | others |
//! |---|---|---|---|
//! | reserving, before the CAS | free | | go on |
//! | with a block in hand | of a dead thread: the next who needs one takes it | is not sent | who sleeps for a block is woken by the death |
//! | committing, word QUEUED, index not yet moved | the same: not in the ring | is not sent | the next message gets the index, with its own descriptor |
//! | after the index moved | in the ring | is sent | |
//! | receiving, word TAKEN, index not yet moved | in the ring | the next receiver gets it | |
//! | after the index moved, or with the message in hand | of a dead thread | lost: `recv` is at most once | woken by the death |
//! | freeing, before the word is FREE | of a dead thread | was read | woken by the death |
//! | after the word is FREE, before the leader is told | free | was read | woken by the death: the leader watches who had a block when it looked |
//! | taking a block of the dead | as it was, or its own | | go on |
//! | waiting | | | the next in the turnstile looks anew |
//!
//! So there is nothing to sweep, and no recovery that could be interrupted: a block of the dead is
//! taken like a free one, in one step. How it is waited for is in [`wait`].

mod ends;
mod error;
mod guard;
#[cfg(test)]
mod killed;
mod layout;
mod owner;
mod receiver;
mod ring;
mod sender;
mod slab;
#[cfg(feature = "serde")]
mod travel;
#[cfg(feature = "serde")]
mod values;
mod wait;
mod words;

use std::sync::Arc;

pub use error::{
    RecvBlockError, RecvBlockTimeoutError, SendBlockError, SendBlockTimeoutError,
    TryRecvBlockError, TrySendBlockError,
};
pub use guard::{ReadGuard, WriteGuard};
pub use layout::Blocks;
pub use receiver::BlockReceiver;
pub use sender::BlockSender;
#[cfg(feature = "serde")]
pub use values::EncodeError;

use crate::error::Error;

/// Makes a queue for large messages, and returns its two ends.
///
/// It holds at most `capacity` messages at once, each in one of the `blocks`; senders that are
/// writing and receivers that are reading have blocks, too. With as many blocks as `capacity`, or
/// fewer, only blocks are waited for.
///
/// A sender [`reserve`](BlockSender::reserve)s a block, writes the message where the receiver will
/// read it, and [`commit`](WriteGuard::commit)s it; a receiver reads it in place. Nothing is copied
/// on the way, however long the message is, and nobody holds a lock while it is written or read.
/// [`send`](BlockSender::send) and [`recv_into`](BlockReceiver::recv_into) copy.
///
/// Values of serde are encoded into a block and decoded from it by `WriteGuard::encode` and
/// `ReadGuard::decode` (feature `serde`), which beats a queue made by `bounded_values` when they
/// are large.
///
/// All memory is allocated here, with about 170 KiB for the threads. At most 125 threads can use
/// one such queue at a time, in all processes together; a thread counts from its first `reserve` or
/// `recv` until it ends or the last handle in its process is dropped. About handles and paths see
/// [`bounded`](crate::bounded).
///
/// Whoever is killed, the others go on, and no block is lost: those of a dead thread are free. A
/// message is in the queue, whole, or it is not; one that a killed receiver had in hand is lost.
///
/// # Errors
///
/// As [`bounded`](crate::bounded); and when there are no blocks, more than 65,535, blocks of zero
/// bytes, more than eight sizes, or more than 32 GiB.
///
/// # Examples
///
/// ```
/// use shm_queue::{Blocks, bounded_blocks};
///
/// let (tx, rx) = bounded_blocks(8, Blocks::new(10, 1 << 20))?; // ten blocks of 1 MiB
/// let mut block = tx.reserve(1 << 20)?;
/// for at in 0..256 {
///     block.write_at(at * 4096, &[at as u8; 4096]);
/// }
/// block.commit()?;
///
/// let message = rx.recv()?;
/// assert_eq!(message.len(), 1 << 20);
/// assert!(message.to_vec().ends_with(&[255; 4096]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "slab")]
#[doc(alias = "loan")]
pub fn bounded_blocks(
    capacity: usize,
    blocks: Blocks,
) -> Result<(BlockSender, BlockReceiver), Error> {
    let (sender, receiver) = ends::pair(capacity, &blocks)?;
    Ok((BlockSender { end: Arc::new(sender) }, BlockReceiver { end: Arc::new(receiver) }))
}
