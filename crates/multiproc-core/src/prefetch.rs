//! Asks for memory that another core has written, before it is needed.
//!
//! A line that lies in another core's cache takes about a hundred nanoseconds. The processor fetches
//! some lines at once, but only such as it knows will be needed: of a message that begins behind a lock
//! and an index it knows nothing until it is there.

#![allow(unsafe_code, reason = "gives the processor a hint")]

/// The bytes that move between caches at once.
const LINE: usize = 64;
/// What lies farther behind the start the processor finds by itself, once it is being read.
const MOST: usize = 4096;

/// Asks for the first of `bytes` bytes from `start` on, which will be read.
///
/// Only for what is written already: a line that is asked for too early is taken from its writer. And not
/// for what is to be written (measured: three times as slow).
#[inline]
pub fn read(start: *const u8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for offset in (0..bytes.min(MOST)).step_by(LINE) {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint; it reads nothing and fails nowhere.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(offset).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, bytes);
}
