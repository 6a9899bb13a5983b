//! A bounded queue in shared memory, many to many, that no dying process can wedge.
//!
//! It has the shape of a channel (`crossbeam-channel`'s names), with processes at its ends:
//!
//! ```
//! let (tx, rx) = shm_queue::bounded::<f64>(10)?;
//! tx.send(0.5)?;
//! assert_eq!(rx.recv()?, 0.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! When `send` returns, the message lies in memory that every receiver sees: there is no thread in
//! between, and no copy in the kernel. Between threads it works the same.
//!
//! # Four kinds of messages
//!
//! | made by | messages | |
//! |---|---|---|
//! | [`bounded`] | numbers, arrays, `bytemuck::Pod` structs | one size, the fastest |
//! | [`bounded_bytes`] | `&[u8]`, received as `Vec<u8>` or into a buffer | any length |
//! | [`bounded_blocks`] | large `&[u8]`, written and read where they lie | no copy, no lock held meanwhile |
#![cfg_attr(
    feature = "serde",
    doc = "| [`bounded_values`] | whatever serde can encode | feature `serde` |"
)]
#![cfg_attr(
    not(feature = "serde"),
    doc = "| `bounded_values` | whatever serde can encode | feature `serde` |"
)]
//!
//! # Sharing
//!
//! The ends are handles: clones of them are further senders or receivers of the same queue, and each
//! message goes to one receiver. With the feature `serde` an end travels as an argument of a process or
//! a pool's task and inside a pipe message, not inside a queue. A forked child has those that its
//! parent had. Unrelated programs of one user meet at a path: [`Sender::create`], [`Receiver::open`],
//! [`Sender::open_or_create`], [`unlink`].
//!
//! # Waiting
//!
//! | | |
//! |---|---|
//! | [`send`](Sender::send), [`recv`](Receiver::recv) | wait as long as it takes |
//! | [`try_send`](Sender::try_send), [`try_recv`](Receiver::try_recv) | never wait for the other end |
//! | [`send_timeout`](Sender::send_timeout), [`recv_timeout`](Receiver::recv_timeout) | wait for at most a `Duration`, by the monotonic clock |
//!
//! Whoever waits looks for some microseconds, where there is more than one CPU, and then sleeps.
//! Messages of one sender arrive in their order; who of several that wait comes first is not defined.
//! Who sleeps in an idle queue costs nothing but a look around, which becomes rarer up to every 1.6
//! seconds.
//!
//! # More than send and receive
//!
//! | | |
//! |---|---|
//! | [`send_many`](Sender::send_many), [`recv_many`](Receiver::recv_many) | as many as fit, or are there, at the price of one |
//! | [`force_send`](Sender::force_send) | never waits for room: the oldest messages make it, and are handed over |
//! | [`close`](Sender::close) | ends it for both sides at once; what is there can still be received |
//! | [`task_done`](Receiver::task_done), [`join`](Sender::join) | waits until all that was sent is done |
//! | [`bounded_leased`], [`lease`](LeaseReceiver::lease) | what a receiver had when it died comes again, see below |
//!
//! # When a process is killed
//!
//! At any instruction, by any means, the others go on:
//!
//! | killed while | the message | the others |
//! |---|---|---|
//! | sending | is in the queue, whole, or it is not | are not held up |
//! | receiving | is still in the queue; or taken and lost, if the kill came just before `recv` returned | are not held up |
//! | asleep in either | is not in the queue, or still there | the next of those who wait takes the place |
//! | sending or receiving many | as above; of those sent a front part may be there, of those taken all may be lost | are not held up |
//! | in `force_send` | the oldest may be gone, and the new one not there | are not held up |
//! | working at a lease, or giving it back | comes again, and says so | one that sleeps is woken by the death |
//! | in `lease` | is still in the queue, or comes again | the same |
//! | in `ack` | is done with, or comes again | the same |
//! | in `close`, `task_done` | it has happened, and all who waited for it are awake, or it has not | |
//! | filling a block, or sending it | is in the queue, whole, or it is not: then the block is free for the next | one that sleeps for a block is woken by the death |
//! | receiving a block | is still in the queue, or taken and lost, and its block is free | the same |
//! | reading a block, or freeing it | was received; the block is free | the same |
//!
//! A process that is stopped (`SIGSTOP`) is not dead. While it waits, the others go on at once or within
//! two seconds; if it was just moving a message, its end waits for it, and the other end goes on until the
//! queue is full or empty.
//!
//! # Why that is so
//!
//! Each end has a lock, which the kernel takes from a holder that dies, and an index. A message is
//! written, or read, under the lock of its end, and then the index moves: by one store, or, if somebody
//! sleeps at the other end, by one system call that moves it and wakes (`FUTEX_WAKE_OP`). Before that
//! nothing has happened that anybody could see, and after it everything has. So there is no repair,
//! which could be killed in turn.
//!
//! | word | changes | when |
//! |---|---|---|
//! | senders' `lock`, receivers' `lock` | free, owner, free (after a death: by the kernel) | around each operation |
//! | senders' index | + n: n messages are sent | in the section of their lock |
//! | receivers' index | + n: n places are free | in the section of theirs |
//! | `asleep` of each end | 1: move the index by system call | by one who goes to sleep; he sleeps when all have left who may have missed it |
//! | `turnstile` of each end | who of those that wait here sleeps on the other end's index | while somebody waits |
//! | `closed` | 0, 1 | once, with the wake of all sleepers |
//! | done | + 1; with the last one the wake of those who join | in `task_done` |
//!
//! Large messages ([`bounded_blocks`]) lie in blocks, each with a word that says who answers for it. The queue
//! holds descriptors then, and the index is still all that commits; no lock is held while a message is written
//! or read:
//!
//! | word of a block | becomes | by |
//! |---|---|---|
//! | free | held by N | thread N, a sender, by compare-and-swap |
//! | held by N | queued by N, as message i; or free, if N gives up | N, in the section of the senders' lock, before their index moves |
//! | queued, message i | taken by M | thread M, in the section of the receivers' lock, before their index moves |
//! | taken, and message i still in the queue, for the taker died before the index moved | taken by the next receiver | in the same way |
//! | taken by M | free | M, when it has read |
//! | held, or queued or taken and not in the queue, by a *dead* thread | held by N | any sender, by compare-and-swap |
//!
//! So a block of the dead is taken like a free one, in one step, and nobody sweeps. Who sleeps for a block sleeps
//! on the lives of all threads that have one, which the kernel marks.
//!
//! Tests kill a process after each step of these operations, alone, with others asleep, with others
//! that come in between, and in each of its own sleeps; and they must find a control that publishes
//! first and wakes then, and another whose sleeper does not wait until all have left:
//!
//! ```text
//! cargo test -p shm-queue --all-features killed -- --nocapture
//! cargo test -p shm-queue --all-features --test '*peer_killed' -- --nocapture
//! cargo xtask crash
//! ```
//!
//! The tests kill at every instruction. `cargo xtask crash`, which is for all crates of the family, kills after every
//! change that another process or the kernel could tell (a system call; another value in shared memory; another
//! entry in the list of robust futexes), several times, and then once more whoever puts it right: a kill between two
//! such changes leaves the same behind. That was 23,000 kills and 2,000 double
//! kills when this was written, and with `--stride 1`, which kills between them, too, 296,000. Nothing hung, was corrupt or lost, and every control
//! was caught.
//!
//! # Work that must not be lost
//!
//! `recv` is *at most once*: a message is gone with the process that took it. A queue made by
//! [`bounded_leased`] is *at least once*: its receivers lease a message, do the work, and then acknowledge it.
//! Until then it is theirs and nobody else's; if they drop it, panic or are killed, it comes again.
//!
//! ```
//! let (tx, rx) = shm_queue::bounded_leased::<u64>(100, 4)?;
//! tx.send(7)?;
//!
//! let job = rx.lease()?;
//! if job.attempts() < 3 {
//!     println!("working at {}", *job);
//! }
//! job.ack(); // one store
//! tx.join()?; // all that was sent is done
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nobody decides by time that a worker is dead: the kernel says so. A message that may be what kills them
//! is put aside after some attempts ([`poison_after`](LeaseReceiver::poison_after)).
//!
//! A lease is a record in shared memory with a copy of the message, and one word that says who has it:
//!
//! | the word | becomes | by |
//! |---|---|---|
//! | nobody | N, taking | thread N, under the receivers' lock, before the receivers' index moves |
//! | N, taking | N | N, after it |
//! | N, taking; N is dead | N, if the index has moved past the message, or nobody, if not | whoever comes next, before anything else |
//! | N | nobody: the message is done with | N: `ack`, one store |
//! | N | given back | N |
//! | N, who is dead; given back | M, or poisoned | thread M, under the receivers' lock, one store |
//!
//! So a message is in the queue or in one record, and never in two places or none. The tests kill the
//! victim, and then whoever takes its message over, at every instruction of both; they must find an author
//! who moves the index first, one who does not look at it in the repair, one whose sleepers do not watch the
//! lives of the others, and one who forgets that the dead may have acknowledged just before they died. A storm
//! kills senders and receivers at random and counts:
//!
//! ```text
//! cargo test -p shm-queue --all-features lease -- --nocapture
//! KILL_STRIDE=1 cargo test -p shm-queue --test lease_killed_twice -- --nocapture
//! STORM_SECONDS=60 cargo test -p shm-queue --test lease_storm -- --nocapture
//! ```
//!
//! # The end
//!
//! When no sender is left, receivers get what is still there and then
//! [`Disconnected`](TryRecvError::Disconnected); when no receiver is left, `send` gives the message
//! back. The kernel counts, so it is right for killed processes, and for a handle that is on its way
//! in a message. An end that is dropped shows at once; a kill, or an exit that runs no destructors, within
//! 25 milliseconds for one who has just begun to wait, and within two seconds for one who waits long.
//! Whoever does not want to count handles calls [`close`](Sender::close).
//!
//! *Every* handle counts, also the sender that was cloned or forked to a child and is still here. A
//! program that waits for the end of what its children send drops its own sender first:
//!
//! ```
//! let (tx, rx) = shm_queue::bounded::<u64>(10)?;
//! let child = {
//!     let tx = tx.clone(); // stands for a child process
//!     std::thread::spawn(move || (0..5).for_each(|i| tx.send(i).unwrap()))
//! };
//! drop(tx); // without this line the sum would wait for ever
//! assert_eq!(rx.iter().sum::<u64>(), 10);
//! # child.join().unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does not do
//!
//! It has a bound; there is no unbounded queue, and no rendezvous (a capacity of zero is an error). Its operations
//! are not for signal handlers. A peer that means ill can garble messages and make others wait; it cannot make them
//! read beyond the queue's memory. A queue of values decodes what it gets: a type that nests without bound takes a
//! stack as deep as the sender likes, and one with items of no bytes (`Vec<()>`) as long as it likes, so receive
//! such only from peers that you trust.

mod arena;
mod blocks;
mod by_path;
mod bytes;
mod ends;
mod error;
mod fixed;
mod force;
mod handle;
mod item;
mod iter;
mod lease;
mod many;
mod memory;
mod pace;
mod ring;
mod shape;
mod tasks;
#[cfg(feature = "serde")]
mod travel;
#[cfg(feature = "serde")]
mod values;
mod words;

#[cfg(feature = "serde")]
pub use blocks::EncodeError;
pub use blocks::{
    BlockReceiver, BlockSender, Blocks, ReadGuard, RecvBlockError, RecvBlockTimeoutError,
    SendBlockError, SendBlockTimeoutError, TryRecvBlockError, TrySendBlockError, WriteGuard,
    bounded_blocks,
};
pub use by_path::unlink;
pub use bytemuck;
pub use bytes::{ByteReceiver, ByteSender, bounded_bytes};
#[cfg(feature = "serde")]
pub use error::{
    DecodeError, RecvValueError, RecvValueTimeoutError, SendValueError, SendValueTimeoutError,
    TryRecvValueError, TrySendValueError,
};
pub use error::{
    Error, JoinError, JoinTimeoutError, RecvError, RecvTimeoutError, SendBytesError,
    SendBytesTimeoutError, SendError, SendTimeoutError, TaskDoneError, TryRecvError,
    TrySendBytesError, TrySendError,
};
pub use fixed::{Receiver, Sender, bounded};
pub use item::Item;
pub use iter::{IntoIter, Iter, TryIter};
pub use lease::{
    ByteLeaseReceiver, Lease, LeaseError, LeaseReceiver, LeaseTimeoutError, Leases, TryLeaseError,
    bounded_leased, bounded_leased_bytes,
};
#[cfg(feature = "serde")]
pub use lease::{ValueLeaseReceiver, bounded_leased_values};
#[cfg(feature = "serde")]
pub use values::{ValueReceiver, ValueSender, bounded_values};
