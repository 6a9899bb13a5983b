//! The end that reads blocks where they lie.

use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use multiproc_core::deadline::Deadline;

use super::ends::BlockEnd;
use super::error::{RecvBlockError, RecvBlockTimeoutError, TryRecvBlockError};
use super::guard::ReadGuard;
use super::layout::Blocks;
use crate::error::Error;
use crate::handle::{handle, receiving};
use crate::ring::{Patience, Stop};
use crate::words::RECEIVERS;

/// The end that receives large messages. Clones are further receivers; each message goes to one of
/// them.
///
/// Made by [`bounded_blocks`](crate::bounded_blocks).
///
/// # When a process is killed
///
/// The message that it was reading is lost with it, and its block is free; one that it had not yet taken is still
/// in the queue. Nobody is held up.
///
/// # What a hostile peer can do
///
/// As to a [`Receiver`](crate::Receiver); and it can change a message while it is read. What the queue says of a
/// message is checked: one that names no block, or a block that does not belong to it, is passed over, and none
/// is longer than its block.
pub struct BlockReceiver {
    pub(super) end: Arc<BlockEnd<RECEIVERS>>,
}

/// Why there is no message.
enum Refusal {
    Stop(Stop),
    Attach(Error),
}

impl BlockReceiver {
    /// Creates a queue at `path`, in a file of mode 0600, and returns its receiving end.
    ///
    /// About the file see [`Sender::create`](crate::Sender::create), about the first sender
    /// [`Receiver::create`](crate::Receiver::create).
    ///
    /// # Errors
    ///
    /// As [`BlockSender::create`](crate::BlockSender::create).
    #[doc(alias = "mq_open")]
    #[doc(alias = "shm_open")]
    pub fn create(path: impl AsRef<Path>, capacity: usize, blocks: Blocks) -> Result<Self, Error> {
        Ok(Self { end: Arc::new(BlockEnd::create_at(path.as_ref(), capacity, &blocks)?) })
    }

    /// Opens the queue at `path` for receiving.
    ///
    /// # Errors
    ///
    /// As [`Sender::open`](crate::Sender::open).
    #[doc(alias = "mq_open")]
    #[doc(alias = "shm_open")]
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self { end: Arc::new(BlockEnd::open_at(path.as_ref())?) })
    }

    /// Opens the queue at `path` for receiving, or creates it if there is none.
    ///
    /// However many programs do this at once: one makes the queue, and says how large it is; all
    /// have the same.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create), but for a path where there is a queue already, and
    /// [`open`](Self::open).
    #[doc(alias = "mq_open")]
    #[doc(alias = "shm_open")]
    pub fn open_or_create(
        path: impl AsRef<Path>,
        capacity: usize,
        blocks: Blocks,
    ) -> Result<Self, Error> {
        Ok(Self { end: Arc::new(BlockEnd::open_or_create_at(path.as_ref(), capacity, &blocks)?) })
    }

    /// Returns the length of the longest message that the queue takes, in bytes.
    #[must_use]
    pub fn max_len(&self) -> usize {
        self.end.slab.layout.most()
    }

    /// Receives a message where it lies, blocking while the queue is empty.
    ///
    /// The bytes are not copied; the block is free again when the guard is dropped. *At most once*:
    /// should this process be killed just before `recv` returns, or with the guard in hand, the
    /// message is lost with it, and the block is free.
    ///
    /// # Errors
    ///
    /// [`RecvBlockError`] when the queue is empty and no sender is left, or this thread cannot take
    /// part.
    #[doc(alias = "get")]
    #[doc(alias = "mq_receive")]
    pub fn recv(&self) -> Result<ReadGuard, RecvBlockError> {
        self.take(Patience::FOREVER).map_err(|refusal| match refusal {
            Refusal::Stop(_) => RecvBlockError::Disconnected,
            Refusal::Attach(error) => RecvBlockError::Attach(error),
        })
    }

    /// Receives a message into `buffer`, blocking while the queue is empty.
    ///
    /// Replaces what was in the buffer and keeps its allocation, which grows when it must. After an
    /// error the buffer is empty.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_into(&self, buffer: &mut Vec<u8>) -> Result<(), RecvBlockError> {
        buffer.clear();
        self.recv().map(|message| message.append_to(buffer))
    }

    /// Receives a message where it lies if there is one now.
    ///
    /// Waits for nobody but a peer that is inside this end of the queue, about a millisecond at
    /// most.
    ///
    /// # Errors
    ///
    /// [`TryRecvBlockError`] when the queue is empty, or this thread cannot take part.
    #[doc(alias = "get_nowait")]
    pub fn try_recv(&self) -> Result<ReadGuard, TryRecvBlockError> {
        self.take(Patience::Try).map_err(|refusal| match refusal {
            Refusal::Stop(Stop::Late) => TryRecvBlockError::Empty,
            Refusal::Stop(Stop::Gone) => TryRecvBlockError::Disconnected,
            Refusal::Attach(error) => TryRecvBlockError::Attach(error),
        })
    }

    /// Receives a message where it lies, blocking for at most `timeout` while the queue is empty.
    ///
    /// # Errors
    ///
    /// [`RecvBlockTimeoutError`] when the time is up, as for [`recv`](Self::recv) otherwise.
    #[doc(alias = "mq_timedreceive")]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<ReadGuard, RecvBlockTimeoutError> {
        let patience = Patience::Until(Deadline::after(timeout));
        self.take(patience).map_err(|refusal| match refusal {
            Refusal::Stop(Stop::Late) => RecvBlockTimeoutError::Timeout,
            Refusal::Stop(Stop::Gone) => RecvBlockTimeoutError::Disconnected,
            Refusal::Attach(error) => RecvBlockTimeoutError::Attach(error),
        })
    }

    fn take(&self, patience: Patience) -> Result<ReadGuard, Refusal> {
        let name = self.end.slab.mine().map_err(Refusal::Attach)?.name();
        let message = self.end.take(patience, name).map_err(Refusal::Stop)?;
        Ok(ReadGuard::new(Arc::clone(&self.end), message, name))
    }
}

/// Makes of an outcome what an iterator yields: an end, a message, or why there can be none here.
fn yielded(outcome: Result<ReadGuard, RecvBlockError>) -> Option<Result<ReadGuard, Error>> {
    match outcome {
        Ok(message) => Some(Ok(message)),
        Err(RecvBlockError::Disconnected) => None,
        Err(RecvBlockError::Attach(error)) => Some(Err(error)),
    }
}

fn yielded_now(outcome: Result<ReadGuard, TryRecvBlockError>) -> Option<Result<ReadGuard, Error>> {
    match outcome {
        Ok(message) => Some(Ok(message)),
        Err(TryRecvBlockError::Empty | TryRecvBlockError::Disconnected) => None,
        Err(TryRecvBlockError::Attach(error)) => Some(Err(error)),
    }
}

handle!(BlockReceiver);
receiving!([] BlockReceiver, Result<ReadGuard, Error>, yielded, yielded_now);
