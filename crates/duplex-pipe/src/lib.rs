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
//! # When a process is killed
//!
//! A pipe has no word in shared memory, no lock, and so nothing to repair: its state is the kernel's. Both ends are
//! one socket pair (`SOCK_SEQPACKET`), and a message is one packet, which one system call moves:
//!
//! | what | states | moved by |
//! |---|---|---|
//! | a message | with the sender; in the pipe; with a receiver | `sendmsg`; `recvmsg`: each whole, or not at all |
//! | the rest of a large one | in a sealed memfd that the packet carries | goes with the packet |
//! | handles in a message | descriptors that the packet carries | the same; one that nobody receives is closed |
//! | the other end | open; gone | the kernel, when no process and no message has a copy |
//!
//! | killed | the message | the others |
//! |---|---|---|
//! | encoding, or filling the memfd | is not sent; the memfd is gone | go on |
//! | asleep in `send`, for the pipe is full | is not sent | go on |
//! | after `sendmsg` | is in the pipe, with all that belongs to it | receive it, then the end of the stream if no copy of the end is left |
//! | asleep in `recv`, or woken there | stays for another who has this end | go on |
//! | after `recvmsg`, before `recv` returns | is lost with its receiver, handles closed | go on |
//! | having received | was received | get [`SendError::BrokenPipe`] if no copy of the end is left |
//!
//! Tests kill a sender and a receiver of messages with and without a memfd at every instruction, and in their
//! sleeps, and then look at what is in the pipe:
//!
//! ```text
//! cargo test -p duplex-pipe --test killed_at_every_instruction -- --nocapture
//! cargo test -p duplex-pipe --test peer_killed
//! ```
//!
//! The first killed 6,151 times when this was written: every message was whole or not there, and nobody hung.
//! `cargo xtask crash`, which is for all crates of the family, kills after every system call, several times: a kill
//! between two of them leaves the same behind.
//!
//! # Trust
//!
//! The other side may send anything: what is no message is [`RecvError::Decode`], after which the next one can be
//! received. Lengths are checked before memory is asked for, descriptors too many are closed, and a memfd must be
//! sealed and as long as announced. A peer that does not receive fills the pipe, and `send` waits. The limit is on
//! a message's bytes. Decoded values may be larger (an empty `String` is one byte on its way and 24 here), a type
//! that nests without bound, such as a tree, takes a stack as deep as the sender likes, and one with items of no
//! bytes (`Vec<()>`) as long as it likes, whatever the timeout: receive those only from peers that you trust, or
//! receive bytes.
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
