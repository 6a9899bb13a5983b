//! The floor under the multiproc crates: shared mappings, futexes, crash-proof lock words, life cells.
//!
//! If you are reading this you probably want one of the crates above: `shm-queue`, `proc-lock`,
//! `proc-semaphore`, `duplex-pipe`, `proc-spawn`, `proc-pool`, or all of them as `multiproc`.
//! Nothing of this crate shows in their signatures, and it promises nobody else a stable interface.

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!(
    "multiproc-core runs on Linux 5.16 or newer, on x86-64 and aarch64: it is built on futexes, \
     robust lists, memfds and pidfds, which other systems do not have"
);

pub mod carry;
pub mod deadline;
pub mod error;
pub mod fence;
pub mod futex;
pub mod header;
pub mod lock;
mod memfd;
pub mod packet;
pub mod place;
pub mod prefetch;
pub mod presence;
mod robust;
pub mod segment;
pub mod spare;
pub mod spin;
mod sync;

#[doc(hidden)]
pub use robust::after_raw_clone;
