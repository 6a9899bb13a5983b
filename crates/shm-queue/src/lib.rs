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
//! # Three kinds of messages
//!
//! | made by | messages | |
//! |---|---|---|
//! | [`bounded`] | numbers, arrays, `bytemuck::Pod` structs | one size, the fastest |
//! | [`bounded_bytes`] | `&[u8]`, received as `Vec<u8>` or into a buffer | any length |
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
//! parent had. Unrelated programs of one user meet at a path: [`Sender::create`], [`Receiver::open`].
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
//!
//! A process that is stopped (`SIGSTOP`) is not dead. While it waits, the others go on at once or within
//! a quarter of a second; if it was just moving a message, its end waits for it, and the
//! other end goes on until the queue is full or empty.
//!
//! # The end
//!
//! When no sender is left, receivers get what is still there and then
//! [`Disconnected`](TryRecvError::Disconnected); when no receiver is left, `send` gives the message
//! back. The kernel counts, so it is right for killed processes, and for a handle that is on its way
//! in a message. An end that is dropped shows at once; a kill, or an exit that runs no destructors,
//! within about a tenth of a second.
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
//! It has a bound; there is no unbounded queue, and no rendezvous (a capacity of zero is an error). It
//! does not remember who has taken a message without finishing its work. Its operations are not for
//! signal handlers. A peer that means ill can garble messages and make others wait; it cannot make them
//! read beyond the queue's memory. A queue of values decodes what it gets: a type that nests without bound
//! takes a stack as deep as the sender likes, so receive such only from peers that you trust.

mod arena;
mod bytes;
mod ends;
mod error;
mod fixed;
mod handle;
mod item;
mod iter;
mod memory;
mod pace;
mod ring;
mod shape;
#[cfg(feature = "serde")]
mod travel;
#[cfg(feature = "serde")]
mod values;
mod words;

pub use bytemuck;
pub use bytes::{ByteReceiver, ByteSender, bounded_bytes};
#[cfg(feature = "serde")]
pub use error::{
    DecodeError, RecvValueError, RecvValueTimeoutError, SendValueError, SendValueTimeoutError,
    TryRecvValueError, TrySendValueError,
};
pub use error::{
    Error, RecvError, RecvTimeoutError, SendBytesError, SendBytesTimeoutError, SendError,
    SendTimeoutError, TryRecvError, TrySendBytesError, TrySendError,
};
pub use fixed::{Receiver, Sender, bounded};
pub use item::Item;
pub use iter::{IntoIter, Iter, TryIter};
#[cfg(feature = "serde")]
pub use values::{ValueReceiver, ValueSender, bounded_values};
