//! Leases: messages that come again when whoever has them dies.
//!
//! `recv` is *at most once*: the message is gone from the queue when it returns, and with the process that
//! has it. A *lease* is at least once: the message is taken out of the queue into a record in shared memory
//! that names the thread which has it, and is done with when that thread says so ([`Lease::ack`]). Until then
//! it is somebody's: it goes to another receiver when it is given back, or when the thread dies.
//!
//! # The words
//!
//! Each record has one word that counts, its holder; see [`words::Record`] for its states. What is at stake when
//! a thread is killed at each place:
//!
//! | killed | the message | repaired by |
//! |---|---|---|
//! | in the section, before the queue's index moved | in the queue; the record says "taking" | who enters the section next frees the record |
//! | in the section, after it moved | in lease of a dead thread | who enters the section next says so, then as below |
//! | working | in lease of a dead thread | any receiver takes it over: one store. A sleeping one is woken by the death |
//! | taking over, before that store | in lease of the one who died first | the same |
//! | acknowledging, before its one store | in lease of a dead thread | the same |
//! | after it | done with | nobody |
//! | giving back, before its store, or after it and before the wake | in lease of a dead thread; given back | the same; who sleeps is woken by the death |
//!
//! "Taking" and the index tell the two first rows apart. Everybody else who meets a record that somebody is
//! taking is in the section after a repair, or only wants to know whom to watch.
//!
//! Two loads say that a holder is dead: who it is, and whether he lives. He may have acknowledged and died
//! between them, so whoever means to take over looks a third time: what a dead thread has left stands still.
//!
//! No message is ever in two records, and none moves from record to record: a take-over changes the holder's
//! name and nothing else. So nothing that was acknowledged can come again, and there is no state between two
//! holders in which a second death could lose it.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use multiproc_core::place::Name;

mod error;
mod faces;
mod given;
mod joining;
#[cfg(test)]
mod killed;
mod layout;
mod ledger;
mod making;
mod slots;
mod taking;
#[cfg(feature = "serde")]
mod travel;
mod waiting;
mod watch;
mod words;

pub use error::{LeaseError, LeaseTimeoutError, TryLeaseError};
pub use faces::{ByteLeaseReceiver, LeaseReceiver, bounded_leased, bounded_leased_bytes};
#[cfg(feature = "serde")]
pub use faces::{ValueLeaseReceiver, bounded_leased_values};
pub(crate) use layout::Layout;
pub(crate) use ledger::Ledger;

/// A message in the hands of this thread, and not done with until [`ack`](Lease::ack).
///
/// Dropping it gives the message back: another receiver, or this one, gets it soon, with
/// [`redelivered`](Lease::redelivered) saying so. The same happens when the thread ends or its process is
/// killed at any instruction, however it is killed: the kernel tells a receiver that sleeps, and one that is
/// busy finds out after as many leases as the queue has. Nobody decides by time: who works for an hour, or
/// is stopped, has its lease for so long.
///
/// The message is a copy of the thread's own: nobody can change it while it is looked at. A lease belongs
/// to its thread and cannot be sent to another. In the child of a fork it is a copy that does nothing.
///
/// A hostile receiver can lose messages, or have them come twice; it cannot make others read beyond the
/// queue's memory.
///
/// # Examples
///
/// ```
/// let (tx, rx) = shm_queue::bounded_leased::<u64>(100, 4)?;
/// tx.send(7)?;
///
/// let job = rx.lease()?;
/// assert_eq!((*job, job.redelivered()), (7, false));
/// drop(job); // What a panic would do, or a kill.
///
/// let job = rx.lease()?;
/// assert_eq!((*job, job.redelivered(), job.attempts()), (7, true, 2));
/// job.ack();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "nack")]
#[doc(alias = "requeue")]
#[must_use = "a lease that is dropped gives its message back"]
pub struct Lease<'a, M> {
    message: M,
    attempts: u32,
    hold: Hold<'a>,
}

impl<'a, M> Lease<'a, M> {
    fn new(ledger: &'a Ledger, name: Name, at: u32, message: M) -> Self {
        let hold = Hold { ledger, name, at, here: PhantomData };
        Self { message, attempts: ledger.attempts(at), hold }
    }

    /// Says that the message is done with, and returns it.
    ///
    /// One store, which never blocks: killed before it, the message goes to somebody else, after it to
    /// nobody. When another waits for a lease to become free, or for the last of them, a system call follows.
    #[doc(alias = "task_done")]
    #[doc(alias = "commit")]
    #[inline]
    pub fn ack(self) -> M {
        let Self { message, hold, .. } = self;
        hold.end();
        message
    }

    /// Returns how often the message was handed out, this time included: 1 at first.
    ///
    /// A time that nobody noticed counts, too: a receiver was killed just as it got the message.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Says whether somebody else had the message before, and gave it back or died: its work may have been
    /// done in part, or even whole.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.attempts > 1
    }
}

impl<M> Deref for Lease<'_, M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.message
    }
}

impl<M: fmt::Debug> fmt::Debug for Lease<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("message", &self.message)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// Having a record. Dropping it gives the message back.
struct Hold<'a> {
    ledger: &'a Ledger,
    name: Name,
    at: u32,
    here: PhantomData<*const ()>,
}

impl Hold<'_> {
    #[inline]
    fn end(self) {
        if self.ledger.is_mine(self.name) {
            self.ledger.free(self.at);
        }
        core::mem::forget(self);
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if self.ledger.is_mine(self.name) {
            self.ledger.give_back(self.at);
        }
    }
}

/// Several messages in the hands of this thread: a window. Made by `lease_many`.
///
/// Each is a [`Lease`] of its own, to be acknowledged alone ([`IntoIterator`]) or together with the others
/// ([`Leases::ack`]); those that are left when this is dropped are given back.
///
/// # Examples
///
/// ```
/// let (tx, rx) = shm_queue::bounded_leased::<u64>(100, 8)?;
/// tx.send_many(&[1, 2, 3, 4])?;
///
/// for job in rx.lease_many(2)? {
///     job.ack(); // One by one,
/// }
/// assert_eq!(rx.lease_many(8)?.ack(), [3, 4]); // or all at once.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "leases that are dropped give their messages back"]
pub struct Leases<'a, M> {
    leases: Vec<Lease<'a, M>>,
}

impl<'a, M> Leases<'a, M> {
    /// Says that all the messages are done with, and returns them.
    ///
    /// One store for each: killed in between, the first of them are done with and the others are not.
    pub fn ack(self) -> Vec<M> {
        self.leases.into_iter().map(Lease::ack).collect()
    }
}

impl<'a, M> Deref for Leases<'a, M> {
    type Target = [Lease<'a, M>];

    fn deref(&self) -> &[Lease<'a, M>] {
        &self.leases
    }
}

impl<'a, M> IntoIterator for Leases<'a, M> {
    type Item = Lease<'a, M>;
    type IntoIter = std::vec::IntoIter<Lease<'a, M>>;

    fn into_iter(self) -> Self::IntoIter {
        self.leases.into_iter()
    }
}

impl<M: fmt::Debug> fmt::Debug for Leases<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.leases).finish()
    }
}
