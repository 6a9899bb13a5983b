//! Blocks in hand: one to be written and sent, one that was received.

#![allow(unsafe_code, reason = "copies bytes into and out of blocks that other processes map")]

use core::fmt;
use core::ptr::NonNull;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::sync::Arc;

use multiproc_core::deadline::Deadline;
use multiproc_core::place::Name;

use super::ends::BlockEnd;
use super::owner::{Owner, Tag};
use super::slab::Message;
use crate::error::{SendError, SendTimeoutError, TrySendError};
use crate::ring::{Patience, Stop};
use crate::words::{RECEIVERS, SENDERS};

/// A block that is this thread's to fill, and to send by [`commit`](Self::commit). Made by
/// [`BlockSender::reserve`](crate::BlockSender::reserve).
///
/// Dropping it gives the block back and sends nothing. What was not written is what was there
/// before: zeros in a block's first message, later bytes of an earlier one.
///
/// Should the thread or its process die, others get the block: `commit` has sent the whole message
/// by then or nothing. The guard belongs to its thread (it is not `Send`), for it is the thread's
/// death that the kernel tells of; one that is forgotten keeps its block until then. In the child
/// of a `fork` a guard from before is a copy: it cannot be committed, its drop does nothing, and
/// what is written through it may garble messages.
///
/// A peer that means ill can write into the block at any time, as into every message: the receiver
/// reads garbled bytes then, and no others than the block's.
///
/// # Examples
///
/// ```
/// use shm_queue::{Blocks, bounded_blocks};
/// use std::io::Write;
///
/// let (tx, rx) = bounded_blocks(4, Blocks::new(6, 1 << 20))?;
/// let mut frame = tx.reserve(1 << 20)?;
/// write!(frame, "x = {}", 7)?;
/// frame.truncate(frame.position());
/// frame.commit()?;
/// assert_eq!(rx.recv()?.to_vec(), b"x = 7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a block that is dropped is not sent"]
pub struct WriteGuard {
    end: Arc<BlockEnd<SENDERS>>,
    block: u32,
    name: Name,
    data: NonNull<u8>,
    len: usize,
    position: usize,
    sent: bool,
}

impl WriteGuard {
    pub(super) fn new(
        end: Arc<BlockEnd<SENDERS>>,
        size: usize,
        block: u32,
        name: Name,
        len: usize,
    ) -> Self {
        let data = end.slab.data(&end.slab.layout.sizes[size], block);
        Self { end, block, name, data, len, position: 0, sent: false }
    }

    /// Returns the length of the message in bytes: what was reserved, or less after a
    /// [`truncate`](Self::truncate).
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Says whether the message has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Shortens the message to its first `len` bytes; does nothing to one that is not longer.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.position = self.position.min(self.len);
    }

    /// Returns how many bytes were written through [`Write`]: where the next goes.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Writes from the message's start, by small pieces.
    #[cfg(feature = "serde")]
    pub(super) fn filling(&mut self) -> Filling<'_> {
        let guard = core::marker::PhantomData;
        Filling { data: self.data, len: 0, room: self.len, guard }
    }

    /// Lets the next [`Write`] begin behind the message.
    #[cfg(feature = "serde")]
    pub(super) fn seek_end(&mut self) {
        self.position = self.len;
    }

    /// Copies `bytes` into the message, `offset` bytes from its start.
    ///
    /// # Panics
    ///
    /// When they do not fit into the message.
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        let fits = offset.checked_add(bytes.len()).is_some_and(|end| end <= self.len);
        assert!(fits, "{} bytes at {offset} of a message of {}", bytes.len(), self.len);
        // SAFETY: not beyond the message, which lies inside the block.
        let to = unsafe { self.data.add(offset) };
        // SAFETY: in bounds, as just checked; `bytes` is no part of a block, for nobody has a
        // reference to one but under the promise of `as_mut_slice`, which borrows this guard.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
    }

    /// Returns the address of the message, a multiple of 128; its [`len`](Self::len) bytes are
    /// mapped until the guard is dropped or committed.
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.data.as_ptr()
    }

    /// Borrows the message's bytes.
    ///
    /// # Safety
    ///
    /// As long as the slice lives, nobody else touches the block: no process that has the queue
    /// writes where it has not reserved, and no forked child writes through its copy of this guard.
    /// Processes that use this crate's safe functions only keep to that.
    #[must_use]
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: mapped and in bounds; initialised, for a segment is zeroed at first; nobody else
        // touches it, as the caller promises, and this guard is borrowed.
        unsafe { core::slice::from_raw_parts_mut(self.data.as_ptr(), self.len) }
    }

    /// Sends the message, blocking while the queue holds as many as it may.
    ///
    /// The bytes are not copied. When it returns, every receiver can see the message. Should this
    /// process be killed meanwhile, the whole message is in the queue, or others get the block;
    /// nobody is held up.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the guard when no receiver is left, see
    /// [`Sender::send`](crate::Sender::send).
    ///
    /// # Panics
    ///
    /// In the child of a fork, if the guard is from before it.
    pub fn commit(self) -> Result<(), SendError<Self>> {
        self.put(Patience::FOREVER).map_err(|(_, guard)| SendError(guard))
    }

    /// Sends the message if there is room for it in the queue now.
    ///
    /// Waits for nobody but a peer that is inside this end of the queue, about a millisecond at
    /// most. In a queue that may hold as many messages as it has blocks there is always room.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the guard when the queue is full or no receiver is left.
    ///
    /// # Panics
    ///
    /// As [`commit`](Self::commit).
    pub fn try_commit(self) -> Result<(), TrySendError<Self>> {
        self.put(Patience::Try).map_err(|(stop, guard)| match stop {
            Stop::Late => TrySendError::Full(guard),
            Stop::Gone => TrySendError::Disconnected(guard),
        })
    }

    /// Sends the message, blocking for at most `timeout` while the queue holds as many as it may.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`] with the guard when the time is up or no receiver is left.
    ///
    /// # Panics
    ///
    /// As [`commit`](Self::commit).
    pub fn commit_timeout(self, timeout: Duration) -> Result<(), SendTimeoutError<Self>> {
        self.put(Patience::Until(Deadline::after(timeout))).map_err(|(stop, guard)| match stop {
            Stop::Late => SendTimeoutError::Timeout(guard),
            Stop::Gone => SendTimeoutError::Disconnected(guard),
        })
    }

    pub(super) fn put(mut self, patience: Patience) -> Result<(), (Stop, Self)> {
        assert!(
            self.end.slab.is_me(self.name),
            "a block that was reserved before a fork is its parent's"
        );
        match self.end.put(patience, self.block, self.len, Tag::of(self.name)) {
            Ok(()) => {
                self.sent = true;
                Ok(())
            }
            Err(stop) => Err((stop, self)),
        }
    }
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        let slab = &self.end.slab;
        if !self.sent && slab.is_me(self.name) {
            slab.free(self.block, Owner::held(Tag::of(self.name)));
        }
    }
}

/// Writes one byte after the other from the message's start; what no longer fits is refused with a
/// count of zero, which `write_all` reports as [`io::ErrorKind::WriteZero`].
impl Write for WriteGuard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.len - self.position);
        self.write_at(self.position, &bytes[..count]);
        self.position += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is being written into a block.
#[cfg(feature = "serde")]
pub(super) struct Filling<'a> {
    data: NonNull<u8>,
    len: usize,
    room: usize,
    guard: core::marker::PhantomData<&'a mut WriteGuard>,
}

#[cfg(feature = "serde")]
impl Filling<'_> {
    /// Writes behind what was written, if there is room.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= self.room - self.len;
        if fits {
            // SAFETY: not beyond the room, which lies inside the block.
            let to = unsafe { self.data.add(self.len) };
            // SAFETY: in bounds, as just checked; `bytes` is no part of a block, see `write_at`.
            unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
            self.len += bytes.len();
        }
        fits
    }

    /// Returns how much was written.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Debug for WriteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, position, .. } = self;
        f.debug_struct("WriteGuard")
            .field("len", len)
            .field("position", position)
            .finish_non_exhaustive()
    }
}

/// A received message, which lies in its block until this is dropped. Made by
/// [`BlockReceiver::recv`](crate::BlockReceiver::recv).
///
/// Dropping it frees the block for the next message. Should the thread or its process die, the
/// block is free, too, and the message is lost with its reader. The guard belongs to its thread (it
/// is not `Send`). In the child of a `fork` the drop of a guard from before does nothing.
///
/// A peer that means ill can change the bytes at any time, between two looks as well; the length
/// stays.
///
/// # Examples
///
/// ```
/// use shm_queue::{Blocks, bounded_blocks};
///
/// let (tx, rx) = bounded_blocks(4, Blocks::new(6, 64 << 10))?;
/// tx.send(b"header, body")?;
///
/// let message = rx.recv()?;
/// let mut body = [0; 4];
/// assert_eq!(message.read_at(8, &mut body), 4);
/// assert_eq!((message.len(), &body), (12, b"body"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a received block that is dropped is gone"]
pub struct ReadGuard {
    end: Arc<BlockEnd<RECEIVERS>>,
    message: Message,
    name: Name,
    data: NonNull<u8>,
    position: usize,
}

impl ReadGuard {
    pub(super) fn new(end: Arc<BlockEnd<RECEIVERS>>, message: Message, name: Name) -> Self {
        let layout = &end.slab.layout;
        // A message's block is one that there is.
        let size = &layout.sizes[layout.size_of(message.block).unwrap_or(0)];
        let data = end.slab.data(size, message.block);
        Self { end, message, name, data, position: 0 }
    }

    /// Returns the length of the message in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.message.len
    }

    /// Says whether the message has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies bytes from `offset` on into `buffer`, and returns how many there were.
    ///
    /// Fewer than `buffer.len()` at the message's end, and none beyond.
    pub fn read_at(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.len().saturating_sub(offset));
        // SAFETY: not beyond the message, which lies inside the block.
        let from = unsafe { self.data.add(offset.min(self.len())) };
        // SAFETY: in bounds on both sides; `buffer` is no part of a block, for nobody has a
        // reference to one but under the promises of `as_slice` and `as_mut_slice`.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), buffer.as_mut_ptr(), count) };
        count
    }

    /// Returns a copy of the message.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut copy = Vec::new();
        self.append_to(&mut copy);
        copy
    }

    /// Appends a copy of the message to `buffer`.
    pub fn append_to(&self, buffer: &mut Vec<u8>) {
        buffer.reserve(self.len());
        let to = buffer.spare_capacity_mut().as_mut_ptr().cast::<u8>();
        // SAFETY: the message lies in its block, `buffer` has room for it, and is private memory.
        unsafe { core::ptr::copy_nonoverlapping(self.data.as_ptr(), to, self.len()) };
        let len = buffer.len() + self.len();
        // SAFETY: the bytes up to here were written just now.
        unsafe { buffer.set_len(len) };
    }

    /// Returns the address of the message, a multiple of 128; its [`len`](Self::len) bytes are
    /// mapped until the guard is dropped.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.data.as_ptr()
    }

    /// Borrows the message's bytes.
    ///
    /// # Safety
    ///
    /// As long as the slice lives, nobody writes into the block: no process that has the queue
    /// writes where it has not reserved. Processes that use this crate's safe functions only keep
    /// to that.
    #[must_use]
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: mapped, in bounds, initialised (zeroed at first); nobody writes, as the caller
        // promises.
        unsafe { core::slice::from_raw_parts(self.data.as_ptr(), self.len()) }
    }
}

impl Drop for ReadGuard {
    fn drop(&mut self) {
        let slab = &self.end.slab;
        if slab.is_me(self.name) {
            slab.free(self.message.block, self.message.owner);
        }
    }
}

/// Reads one byte after the other, from the message's start to its end.
impl Read for ReadGuard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_at(self.position, buffer);
        self.position += count;
        Ok(count)
    }
}

impl fmt::Debug for ReadGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadGuard").field("len", &self.len()).finish_non_exhaustive()
    }
}
