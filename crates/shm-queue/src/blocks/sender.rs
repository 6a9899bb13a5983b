//! The end that fills blocks and sends them.

use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use multiproc_core::deadline::Deadline;

use super::ends::BlockEnd;
use super::error::{SendBlockError, SendBlockTimeoutError, TrySendBlockError};
use super::guard::WriteGuard;
use super::layout::Blocks;
use crate::error::Error;
use crate::handle::{handle, joining};
use crate::ring::{Patience, Stop};
use crate::words::SENDERS;

/// The end that sends large messages. Clones are further senders to the same queue.
///
/// Made by [`bounded_blocks`](crate::bounded_blocks).
///
/// # When a process is killed
///
/// The block that it was filling is free for the next who needs one; a message is in the queue, whole, or it is
/// not. One who sleeps for a block is woken by the death.
///
/// # What a hostile peer can do
///
/// As to a [`Sender`](crate::Sender); and it can write into any block at any time, and keep all of them. It cannot
/// have others write outside of the blocks: their sizes and places are read once, when an end is made, and checked.
pub struct BlockSender {
    pub(super) end: Arc<BlockEnd<SENDERS>>,
}

/// Why there is no block, or no message was put.
enum Refusal {
    TooLarge { len: usize, most: usize },
    Stop(Stop),
    Attach(Error),
}

impl BlockSender {
    /// Creates a queue at `path`, in a file of mode 0600, and returns its sending end.
    ///
    /// About the file see [`Sender::create`](crate::Sender::create).
    ///
    /// # Errors
    ///
    /// As [`bounded_blocks`](crate::bounded_blocks); and when something exists at `path` already.
    #[doc(alias = "mq_open")]
    #[doc(alias = "shm_open")]
    pub fn create(path: impl AsRef<Path>, capacity: usize, blocks: Blocks) -> Result<Self, Error> {
        Ok(Self { end: Arc::new(BlockEnd::create_at(path.as_ref(), capacity, &blocks)?) })
    }

    /// Opens the queue at `path` for sending.
    ///
    /// # Errors
    ///
    /// As [`Sender::open`](crate::Sender::open).
    #[doc(alias = "mq_open")]
    #[doc(alias = "shm_open")]
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self { end: Arc::new(BlockEnd::open_at(path.as_ref())?) })
    }

    /// Opens the queue at `path` for sending, or creates it if there is none.
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

    /// Reserves a block for a message of `len` bytes, blocking while none of its size is free.
    ///
    /// A block is free when it never was used, or when its last reader has dropped it, or died.
    /// Threads that wait for one come in no defined order. Should the thread that waits, or one
    /// that has a block, be killed, the others go on: the kernel tells of the death, and a block of
    /// the dead is free.
    ///
    /// # Errors
    ///
    /// [`SendBlockError`] when no block has so much room, no receiver is left, or this thread
    /// cannot take part.
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_queue::{Blocks, bounded_blocks};
    ///
    /// let (tx, rx) = bounded_blocks(2, Blocks::new(2, 4 << 20))?;
    /// let mut image = tx.reserve(3 << 20)?;
    /// image.write_at(1 << 20, &[7; 100]); // written where the receiver will read it
    /// image.commit()?;
    ///
    /// let mut byte = [0];
    /// rx.recv()?.read_at((1 << 20) + 99, &mut byte);
    /// assert_eq!(byte, [7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "loan")]
    pub fn reserve(&self, len: usize) -> Result<WriteGuard, SendBlockError> {
        self.block(len, Patience::FOREVER).map_err(Refusal::forever)
    }

    /// Reserves a block for a message of `len` bytes if one of its size is free now.
    ///
    /// Never waits, not even for a peer.
    ///
    /// # Errors
    ///
    /// [`TrySendBlockError`] when none is free, as for [`reserve`](Self::reserve) otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_queue::{Blocks, TrySendBlockError, bounded_blocks};
    ///
    /// let (tx, _rx) = bounded_blocks(4, Blocks::new(1, 100))?;
    /// let only = tx.try_reserve(100)?;
    /// assert!(matches!(tx.try_reserve(1), Err(TrySendBlockError::Full)));
    /// drop(only);
    /// assert!(tx.try_reserve(1).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_reserve(&self, len: usize) -> Result<WriteGuard, TrySendBlockError> {
        self.block(len, Patience::Try).map_err(Refusal::at_once)
    }

    /// Reserves a block for a message of `len` bytes, blocking for at most `timeout` while none of
    /// its size is free.
    ///
    /// # Errors
    ///
    /// [`SendBlockTimeoutError`] when the time is up, as for [`reserve`](Self::reserve) otherwise.
    pub fn reserve_timeout(
        &self,
        len: usize,
        timeout: Duration,
    ) -> Result<WriteGuard, SendBlockTimeoutError> {
        self.block(len, Patience::Until(Deadline::after(timeout))).map_err(Refusal::in_time)
    }

    /// Sends a copy of a message, blocking while there is no block or no room for it.
    ///
    /// The same as [`reserve`](Self::reserve), [`write_at`](WriteGuard::write_at) and
    /// [`commit`](WriteGuard::commit).
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    #[doc(alias = "put")]
    #[doc(alias = "mq_send")]
    pub fn send(&self, message: &[u8]) -> Result<(), SendBlockError> {
        self.put(message, Patience::FOREVER).map_err(Refusal::forever)
    }

    /// Sends a copy of a message if there are a block and room for it now.
    ///
    /// Waits for nobody but a peer that is inside this end of the queue, about a millisecond at
    /// most.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve).
    #[doc(alias = "put_nowait")]
    pub fn try_send(&self, message: &[u8]) -> Result<(), TrySendBlockError> {
        self.put(message, Patience::Try).map_err(Refusal::at_once)
    }

    /// Sends a copy of a message, blocking for at most `timeout` while there is no block or no room
    /// for it.
    ///
    /// # Errors
    ///
    /// As [`reserve_timeout`](Self::reserve_timeout).
    #[doc(alias = "mq_timedsend")]
    pub fn send_timeout(
        &self,
        message: &[u8],
        timeout: Duration,
    ) -> Result<(), SendBlockTimeoutError> {
        self.put(message, Patience::Until(Deadline::after(timeout))).map_err(Refusal::in_time)
    }

    fn block(&self, len: usize, patience: Patience) -> Result<WriteGuard, Refusal> {
        let slab = &self.end.slab;
        let Some(size) = slab.layout.size_for(len) else {
            return Err(Refusal::TooLarge { len, most: slab.layout.most() });
        };
        let mine = slab.mine().map_err(Refusal::Attach)?;
        let block = self.end.block(size, mine, patience).map_err(Refusal::Stop)?;
        Ok(WriteGuard::new(Arc::clone(&self.end), size, block, mine.name(), len))
    }

    fn put(&self, message: &[u8], patience: Patience) -> Result<(), Refusal> {
        let mut guard = self.block(message.len(), patience)?;
        guard.write_at(0, message);
        guard.put(patience).map_err(|(stop, _)| Refusal::Stop(stop))
    }
}

impl Refusal {
    fn forever(self) -> SendBlockError {
        match self {
            Self::TooLarge { len, most } => SendBlockError::TooLarge { len, most },
            Self::Stop(_) => SendBlockError::Disconnected,
            Self::Attach(error) => SendBlockError::Attach(error),
        }
    }

    fn at_once(self) -> TrySendBlockError {
        match self {
            Self::TooLarge { len, most } => TrySendBlockError::TooLarge { len, most },
            Self::Stop(Stop::Late) => TrySendBlockError::Full,
            Self::Stop(Stop::Gone) => TrySendBlockError::Disconnected,
            Self::Attach(error) => TrySendBlockError::Attach(error),
        }
    }

    fn in_time(self) -> SendBlockTimeoutError {
        match self {
            Self::TooLarge { len, most } => SendBlockTimeoutError::TooLarge { len, most },
            Self::Stop(Stop::Late) => SendBlockTimeoutError::Timeout,
            Self::Stop(Stop::Gone) => SendBlockTimeoutError::Disconnected,
            Self::Attach(error) => SendBlockTimeoutError::Attach(error),
        }
    }
}

handle!(BlockSender);
joining!([] BlockSender);
