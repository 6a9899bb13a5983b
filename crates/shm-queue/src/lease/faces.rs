//! The receivers that lease, one for each kind of messages.

use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use multiproc_core::deadline::Deadline;

use super::error::{LeaseError, LeaseTimeoutError, TryLeaseError};
use super::slots::Leased;
use super::{Lease, Leases};
use crate::ends::{End, Queue, Room};
use crate::error::Error;
use crate::handle::handle;
use crate::ring::Patience;
use crate::shape::{Bytes, Fixed};
use crate::words::RECEIVERS;
use crate::{ByteSender, Item, Sender};

/// Makes a queue for at most `capacity` messages of type `T` whose receivers *lease* them: a message that a
/// receiver had when it died, or gave back, comes again.
///
/// At most `leases` messages are in lease at a time; whoever wants one more waits until one of them is
/// acknowledged. They do not count for the capacity: a message that is leased has left the queue, and the
/// senders go on.
///
/// Beside the messages the leases take memory: each as much as a message and at least 64 bytes, and the
/// whole about 170 KiB for the 124 threads that may lease. Some searches look at all leases, so have no more
/// than can be needed: for each thread that works, its window. About the rest see [`bounded`](crate::bounded).
///
/// # Errors
///
/// As [`bounded`](crate::bounded); and when `leases` is zero or larger than 2^16.
///
/// # Examples
///
/// ```
/// let (tx, rx) = shm_queue::bounded_leased::<u64>(100, 4)?;
/// tx.send(1)?;
/// tx.send(2)?;
/// drop(tx);
///
/// let mut done = Vec::new();
/// while let Ok(job) = rx.lease() {
///     done.push(*job); // The work. If it panics, the job is given back.
///     job.ack();
/// }
/// assert_eq!(done, [1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "JoinableQueue")]
pub fn bounded_leased<T: Item>(
    capacity: usize,
    leases: usize,
) -> Result<(Sender<T>, LeaseReceiver<T>), Error> {
    let (sender, receiver) = Queue::leased_pair(Room::of(capacity, 0).leased(leases))?;
    Ok((Sender { end: Arc::new(sender) }, LeaseReceiver { end: Arc::new(receiver) }))
}

/// Makes a queue for byte messages of any length whose receivers lease them.
///
/// As [`bounded_bytes`](crate::bounded_bytes) and [`bounded_leased`] together. The messages in lease have
/// `capacity_bytes` bytes to themselves; where they leave no room for the next one, it waits for an
/// acknowledgement.
///
/// # Errors
///
/// As those two.
///
/// # Examples
///
/// ```
/// let (tx, rx) = shm_queue::bounded_leased_bytes(100, 64 << 10, 4)?;
/// tx.send(b"some work")?;
/// let job = rx.lease()?;
/// assert_eq!(*job, b"some work");
/// job.ack();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn bounded_leased_bytes(
    capacity: usize,
    capacity_bytes: usize,
    leases: usize,
) -> Result<(ByteSender, ByteLeaseReceiver), Error> {
    let (sender, receiver) = Queue::leased_pair(Room::of(capacity, capacity_bytes).leased(leases))?;
    Ok((ByteSender { end: Arc::new(sender) }, ByteLeaseReceiver { end: Arc::new(receiver) }))
}

/// Makes a queue for values of any type that serde can encode, whose receivers lease them.
///
/// As [`bounded_values`](crate::bounded_values) and [`bounded_leased_bytes`] together.
///
/// # Errors
///
/// As those two.
///
/// # Examples
///
/// ```
/// let (tx, rx) = shm_queue::bounded_leased_values::<Vec<String>>(100, 64 << 10, 4)?;
/// tx.send(vec!["some".into(), "work".into()])?;
/// let job = rx.lease()?;
/// assert_eq!(job.len(), 2);
/// assert_eq!(job.ack(), ["some", "work"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "serde")]
pub fn bounded_leased_values<T: serde::Serialize + serde::de::DeserializeOwned + 'static>(
    capacity: usize,
    capacity_bytes: usize,
    leases: usize,
) -> Result<(crate::ValueSender<T>, ValueLeaseReceiver<T>), Error> {
    let (sender, receiver) = Queue::leased_pair(Room::of(capacity, capacity_bytes).leased(leases))?;
    let sender = crate::ValueSender { end: Arc::new(sender) };
    Ok((sender, ValueLeaseReceiver { end: Arc::new(receiver) }))
}

/// The receiving end of a queue whose messages are leased. Clones are further receivers; each message is in
/// the hands of one of them at a time.
///
/// Made by [`bounded_leased`]; the sending end is a [`Sender`] like any other. For what a lease is see
/// [`Lease`].
///
/// When a process is killed, the messages that it had leased come again, and say so; one that was just being
/// leased is still in the queue, or comes again; one that was just being acknowledged is done with, or comes again.
/// Nobody is held up, and one that sleeps for a lease is woken by the death.
///
/// # What a hostile peer can do
///
/// As to a [`Receiver`](crate::Receiver); and it can keep all leases, lose messages, have them come twice, or lie
/// about how often they were tried. A message is a copy, which nobody can change while it is worked at.
pub struct LeaseReceiver<T> {
    pub(super) end: Arc<End<Leased<Fixed<T>>, RECEIVERS>>,
}

/// The receiving end of a queue of byte messages that are leased. As [`LeaseReceiver`], also when a process is
/// killed.
///
/// Made by [`bounded_leased_bytes`].
pub struct ByteLeaseReceiver {
    pub(super) end: Arc<End<Leased<Bytes>, RECEIVERS>>,
}

/// The receiving end of a queue of values that are leased. As [`LeaseReceiver`], also when a process is killed.
///
/// Made by [`bounded_leased_values`]. A value that cannot be decoded is poisoned at once, and the error says
/// so; [`take_poisoned`](ValueLeaseReceiver::take_poisoned) then drops it.
#[cfg(feature = "serde")]
pub struct ValueLeaseReceiver<T> {
    pub(super) end: Arc<End<Leased<crate::shape::Values<T>>, RECEIVERS>>,
}

/// Defines what all receivers that lease have in common.
macro_rules! leasing {
    ([$($generics:tt)*] $name:ty, $message:ty, ($($size:ident),*)) => {
        impl<$($generics)*> $name {
            /// Creates a queue at `path`, in a file of mode 0600, and returns its receiving end.
            ///
            /// Senders open it as any other. What was in lease when the last process ended is there for
            /// whoever opens the queue next. About the file see [`Sender::create`].
            ///
            /// # Errors
            ///
            /// As when it is made in memory; and when something exists at `path` already.
            pub fn create(
                path: impl AsRef<Path>,
                capacity: usize,
                $($size: usize,)*
                leases: usize,
            ) -> Result<Self, Error> {
                let room = leasing!(room capacity $($size)*).leased(leases);
                Ok(Self { end: Arc::new(Queue::create_at(path.as_ref(), room)?) })
            }

            /// Opens the queue at `path` for leasing.
            ///
            /// # Errors
            ///
            /// As [`Sender::open`]; and when the messages of the queue are not leased but received.
            pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
                Ok(Self { end: Arc::new(Queue::open_at(path.as_ref())?) })
            }

            /// Opens the queue at `path` for leasing, or creates it if there is none.
            ///
            /// As [`Receiver::open_or_create`](crate::Receiver::open_or_create).
            ///
            /// # Errors
            ///
            /// As `create`, but for a path where there is a queue already, and `open`.
            pub fn open_or_create(
                path: impl AsRef<Path>,
                capacity: usize,
                $($size: usize,)*
                leases: usize,
            ) -> Result<Self, Error> {
                let room = leasing!(room capacity $($size)*).leased(leases);
                Ok(Self { end: Arc::new(Queue::open_or_create_at(path.as_ref(), room)?) })
            }

            /// Leases a message, blocking while there is none and while all leases are taken.
            ///
            /// *At least once*: until it is acknowledged, the message comes again if this thread dies. Those
            /// that come again are preferred; they come out of order.
            ///
            /// A receiver that sleeps here is woken by a message sent, by one given back, and by the death
            /// of a thread that has one. It sleeps also when no sender is left, as long as *other* threads
            /// have messages that might come back; so finish what you have before you wait for more.
            ///
            /// # Errors
            ///
            /// [`LeaseError`] when the queue is empty, nothing can come back and no sender is left; when
            /// this thread has all leases itself, or cannot be one of those that lease.
            #[doc(alias = "get")]
            #[doc(alias = "reserve")]
            #[inline]
            pub fn lease(&self) -> Result<Lease<'_, $message>, LeaseError> {
                Ok(self.end.lease_one(Patience::FOREVER)?)
            }

            /// Leases a message if there is one now, and a lease.
            ///
            /// Waits for nobody but a peer that is inside this end of the queue, about a millisecond at most.
            ///
            /// # Errors
            ///
            /// [`TryLeaseError`] when there is none now, as for `lease` otherwise.
            #[inline]
            pub fn try_lease(&self) -> Result<Lease<'_, $message>, TryLeaseError> {
                Ok(self.end.lease_one(Patience::Try)?)
            }

            /// Leases a message, blocking for at most `timeout`.
            ///
            /// # Errors
            ///
            /// [`LeaseTimeoutError`] when the time is up, as for `lease` otherwise.
            pub fn lease_timeout(
                &self,
                timeout: Duration,
            ) -> Result<Lease<'_, $message>, LeaseTimeoutError> {
                Ok(self.end.lease_one(Patience::Until(Deadline::after(timeout)))?)
            }

            /// Leases as many messages as there are, at most `most`; blocks while there is none.
            ///
            /// One way into the queue for all of them: a window costs little more than one. None is in it
            /// only when `most` is zero.
            ///
            /// # Errors
            ///
            /// As `lease`.
            #[doc(alias = "prefetch")]
            pub fn lease_many(&self, most: usize) -> Result<Leases<'_, $message>, LeaseError> {
                Ok(self.end.lease_window(Patience::FOREVER, most)?)
            }

            /// Leases as many messages as there are now, at most `most`.
            ///
            /// # Errors
            ///
            /// As `try_lease`.
            pub fn try_lease_many(
                &self,
                most: usize,
            ) -> Result<Leases<'_, $message>, TryLeaseError> {
                Ok(self.end.lease_window(Patience::Try, most)?)
            }

            /// Leases as many messages as there are, at most `most`; blocks for at most `timeout` while there
            /// is none.
            ///
            /// # Errors
            ///
            /// As `lease_timeout`.
            pub fn lease_many_timeout(
                &self,
                most: usize,
                timeout: Duration,
            ) -> Result<Leases<'_, $message>, LeaseTimeoutError> {
                Ok(self.end.lease_window(Patience::Until(Deadline::after(timeout)), most)?)
            }

            /// Has messages *poisoned* that were handed out `attempts` times and not acknowledged; zero, the
            /// default, has them come again for ever.
            ///
            /// Such a message may well be what kills the receivers. It comes no more then, and keeps its lease
            /// until somebody asks for it by `take_poisoned`; when poisoned messages have all leases, `lease`
            /// fails. This is a setting of the queue, for all its receivers and at once.
            ///
            /// # Examples
            ///
            /// ```
            /// let (tx, rx) = shm_queue::bounded_leased::<u64>(100, 4)?;
            /// rx.poison_after(2);
            /// tx.send(13)?;
            /// drop(rx.lease()?);
            /// drop(rx.lease()?); // The second time was the last.
            /// assert!(rx.try_lease().is_err());
            ///
            /// let poisoned = rx.take_poisoned()?.expect("one is there");
            /// assert_eq!((*poisoned, poisoned.attempts()), (13, 3));
            /// poisoned.ack();
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "max_attempts")]
            #[doc(alias = "maxReceiveCount")]
            pub fn poison_after(&self, attempts: u32) {
                if let Some(ledger) = self.end.memory().ledger() {
                    ledger.limit(attempts);
                }
            }

            /// Leases a message that was poisoned, if there is one; see `poison_after`.
            ///
            /// Waits for nobody but, a millisecond long, for a receiver that is inside: then there is none for now.
            ///
            /// It is a lease like others: acknowledge it when it has been dealt with. Given back, or when this
            /// thread dies, it is poisoned again.
            ///
            /// # Errors
            ///
            /// When the thread cannot be one of those that lease, and for a message that cannot be decoded,
            /// which is done with then.
            #[doc(alias = "dead_letter")]
            pub fn take_poisoned(&self) -> Result<Option<Lease<'_, $message>>, Error> {
                self.end.lease_one_poisoned()
            }
        }
    };
    (room $capacity:ident) => { Room::of($capacity, 0) };
    (room $capacity:ident $bytes:ident) => { Room::of($capacity, $bytes) };
}

leasing!([T: Item] LeaseReceiver<T>, T, ());
leasing!([] ByteLeaseReceiver, Vec<u8>, (capacity_bytes));
#[cfg(feature = "serde")]
leasing!([T: serde::de::DeserializeOwned + 'static] ValueLeaseReceiver<T>, T, (capacity_bytes));

/// Defines how senders make a queue at a path.
macro_rules! making {
    ([$($generics:tt)*] $name:ty, $receiver:literal, ($($size:ident),*)) => {
        impl<$($generics)*> $name {
            #[doc = concat!("Creates a queue at `path` for a [`", $receiver, "`], and returns its sending end.")]
            ///
            /// Whoever has it opens it as any other.
            ///
            /// # Errors
            ///
            /// As when it is made in memory; and when something exists at `path` already.
            pub fn create_leased(
                path: impl AsRef<Path>,
                capacity: usize,
                $($size: usize,)*
                leases: usize,
            ) -> Result<Self, Error> {
                let room = leasing!(room capacity $($size)*).leased(leases);
                Ok(Self { end: Arc::new(Queue::create_at(path.as_ref(), room)?) })
            }
        }
    };
}

making!([T: Item] Sender<T>, "LeaseReceiver", ());
making!([] ByteSender, "ByteLeaseReceiver", (capacity_bytes));
#[cfg(feature = "serde")]
making!([T: serde::Serialize + 'static] crate::ValueSender<T>, "ValueLeaseReceiver", (capacity_bytes));

handle!(LeaseReceiver<T>, ByteLeaseReceiver);
#[cfg(feature = "serde")]
handle!(ValueLeaseReceiver<T>);
