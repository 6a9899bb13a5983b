//! An event: a flag that processes wait for.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::header::Item;
use multiproc_core::segment::Segment;
use multiproc_core::spin::Spin;

use crate::error::Error;
use crate::flag::Flag;
use crate::handle::{Handle, Kind, by_path};

/// A flag in shared memory that any number of processes wait for.
///
/// It is clear at first. [`set`](Self::set) lets all go who wait, and all who come later, until somebody
/// [`clear`](Self::clear)s it. Whoever waited when it was set goes, however soon it is cleared again. What
/// a process did before it set the event is seen by those that it lets go.
///
/// # When a process is killed
///
/// | it was | the others see |
/// |---|---|
/// | setting | a clear event, or a set one and all sleepers awake: it is one step |
/// | clearing | a set event, or a clear one |
/// | waiting, asleep or just woken | nothing: each is woken for itself |
///
/// A peer that may write the memory can set, clear or garble the flag, and so wake or stall the others; it
/// can do nothing else to them.
///
/// # Examples
///
/// ```
/// use proc_lock::Event;
///
/// let ready = Event::new()?;
/// let waiter = std::thread::spawn({
///     let ready = ready.clone();
///     move || ready.wait()
/// });
/// ready.set();
/// waiter.join().unwrap();
/// assert!(ready.is_set());
/// # Ok::<(), proc_lock::Error>(())
/// ```
#[derive(Clone)]
pub struct Event {
    handle: Handle,
    spin: Arc<Spin>,
}

by_path!([] Event, plain: Event, "event");

impl Event {
    /// Makes a clear event, in memory that vanishes with its last handle.
    ///
    /// # Errors
    ///
    /// When the kernel has no memory or descriptor left, and as [`Mutex::new`](crate::Mutex::new).
    pub fn new() -> Result<Self, Error> {
        Self::kind().new(1, start).map(Self::from_handle)
    }

    /// Makes a clear event as a file that other programs can [`open`](Self::open).
    ///
    /// The file has mode 0600 and appears whole or not at all; [`unlink`](Self::unlink) removes it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something at the path, and as [`new`](Self::new).
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::kind().create(path.as_ref(), 1, start).map(Self::from_handle)
    }

    /// Opens the event at `path`, or makes a clear one if there is nothing.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::kind().open_or_create(path.as_ref(), 1, start).map(Self::from_handle)
    }

    /// Sets the event, and wakes all who wait for it. Never blocks.
    #[inline]
    pub fn set(&self) {
        self.flag().set();
    }

    /// Clears the event: who comes now waits. Never blocks.
    pub fn clear(&self) {
        self.flag().clear();
    }

    /// Says whether the event is set, without waiting.
    #[must_use]
    #[inline]
    pub fn is_set(&self) -> bool {
        self.flag().is_set()
    }

    /// Waits until the event is set, blocking while it is clear.
    #[inline]
    pub fn wait(&self) {
        while !self.flag().wait(&self.spin, Deadline::NEVER) {}
    }

    /// Waits until the event is set, blocking for at most `timeout`; says whether it was.
    #[must_use = "the event may not have been set"]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.is_set() || self.flag().wait(&self.spin, Deadline::after(timeout))
    }

    fn kind() -> Kind {
        let item = Item::named("event");
        Kind { name: "event", item, bytes: |_| Some(size_of::<Flag>()) }
    }

    fn from_handle(handle: Handle) -> Self {
        Self { handle, spin: Arc::default() }
    }

    #[inline]
    fn flag(&self) -> &Flag {
        self.handle.segment().get(0)
    }
}

fn start(segment: &Segment) {
    segment.get::<Flag>(0).start();
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).finish_non_exhaustive()
    }
}
