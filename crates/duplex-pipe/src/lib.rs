//! Message pipes between processes: values, bytes of any size, and handles.
//!
//! [`duplex`] makes two connected ends, each of which sends and receives; [`simplex`] makes a
//! sender and a receiver. What is sent is received whole, in order, and once.
//!
//! ```
//! # #[cfg(feature = "serde")] {
//! let (a, b) = duplex_pipe::duplex::<(String, f64)>()?;
//! a.send(&("pi".to_string(), 3.14))?;
//! assert_eq!(b.recv()?, ("pi".to_string(), 3.14));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Values or bytes
//!
//! A pipe of `T` carries serde values (feature `serde`); a pipe of `[u8]` carries raw bytes, gives
//! back `Vec<u8>` and can also [`recv_into`](Duplex::recv_into) a buffer of yours. Python's
//! `Connection` has `send` and `send_bytes` on one object; here the type of the pipe decides, so the
//! two sides cannot disagree about what the next message is. Who needs both sends an `enum`.
//!
//! Messages may have any size. Up to 96 KiB they cost one system call on each side; the rest of a
//! larger one travels in a memfd beside it. [`with_max_message_bytes`](Duplex::with_max_message_bytes)
//! bounds what a receiver accepts. A small message waits in the pipe until it is received, a few
//! hundred of them; of large ones there is one at a time, so do not send two to yourself.
//!
//! # Handles
//!
//! With the feature `serde`, pipe ends and the handles of the sister crates (queues, locks) may be
//! part of a message or an argument of a process: at most 252 of them in one message.
//!
//! ```
//! # #[cfg(feature = "serde")] {
//! use duplex_pipe::{PipeSender, duplex, simplex};
//!
//! let (client, server) = duplex::<PipeSender<u32>>()?;
//! let (tx, rx) = simplex::<u32>()?;
//! client.send(&tx)?; // "answer here"
//! server.recv()?.send(&42)?;
//! assert_eq!(rx.recv()?, 42);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # End of stream
//!
//! The kernel knows which processes have a copy of an end, and a killed process has none. So when
//! the other side is gone, [`recv`](Duplex::recv) first gives what it had sent and then
//! [`RecvError::Disconnected`], and [`send`](Duplex::send) gives [`SendError::BrokenPipe`]. No
//! signal is raised.
//!
//! *Every* copy counts, also the one in the process that made the pipe. An end that was given to
//! a child, by argument or by message, must be dropped here; otherwise our own copy keeps the
//! stream open, and we wait for ever for the child's last word:
//!
//! ```
//! # #[cfg(feature = "serde")] {
//! # fn give_to_a_child(tx: &duplex_pipe::PipeSender<String>) {
//! #     let tx = tx.clone();
//! #     std::thread::spawn(move || tx.send(&"hello from the child".to_string()));
//! # }
//! let (tx, rx) = duplex_pipe::simplex::<String>()?;
//! give_to_a_child(&tx);
//! drop(tx); // without this line the loop would not end
//! for line in rx {
//!     assert_eq!(line?, "hello from the child");
//! }
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Trust
//!
//! The other side may be killed at any instruction, and may send anything: a message arrives whole
//! or not at all, and what is no message is [`RecvError::Decode`], after which the next one can be
//! received. The limit is on a message's bytes. Decoded values may be larger (an empty `String` is one
//! byte on its way and 24 here), and a type that nests without bound, such as a tree, takes a stack as
//! deep as the sender likes: receive those only from peers that you trust, or receive bytes.
//!
//! Linux only.

mod duplex;
mod end;
mod error;
mod iter;
mod message;
mod simplex;
#[cfg(feature = "serde")]
mod travel;
#[cfg(feature = "serde")]
mod value;

pub use duplex::{Duplex, duplex, duplex_of};
pub use error::{
    Error, RecvError, RecvIntoError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySendError,
};
pub use iter::{IntoIter, Iter};
pub use message::Message;
pub use simplex::{PipeReceiver, PipeSender, simplex};
