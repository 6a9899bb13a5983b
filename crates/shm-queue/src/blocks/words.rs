//! The words of sizes and blocks that the processes share.

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use core::sync::atomic::{AtomicU32, AtomicU64};

use multiproc_core::lock::section::SectionLock;
use multiproc_core::segment::Plain;

use crate::words::Apart;

/// Who waits for a block of one size.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 8 | `leader` | who holds `turnstile`; who finds a dead leader there |
/// | 8 | 4 | `changes` | who frees or takes a block while there is a leader |
/// | 128 | 8 | `turnstile` | those who wait, and the kernel |
///
/// | `leader` | who may change it | to what |
/// |---|---|---|
/// | 0, or any | the holder of `turnstile` | its own name, before it looks at the blocks |
/// | its own name | the holder of `turnstile`, when it waits no more | 0 |
/// | a dead one's name | who freed or took a block and finds it there | 0 |
///
/// `changes` moves by one, in one step with a wake, after a block was freed, and after one was
/// taken out of the ring and *before* the ring's index says so. The leader sleeps on it.
#[repr(C)]
#[derive(Debug)]
pub(super) struct SizeWords {
    pub(super) waiting: Apart<Waiting>,
    pub(super) turnstile: Apart<SectionLock>,
}

#[repr(C)]
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) leader: AtomicU64,
    pub(super) changes: AtomicU32,
    pub(super) spare: AtomicU32,
}

/// A block's word, in a line of its own. Its states are in the module's table.
#[repr(C, align(64))]
#[derive(Debug)]
pub(super) struct BlockWords {
    pub(super) owner: AtomicU64,
}

const _: () = assert!(size_of::<SizeWords>() == 256);
const _: () = assert!(size_of::<BlockWords>() == 64);

// SAFETY: atomics only; every value of each is a state of the protocol, or is reduced to one.
unsafe impl Plain for SizeWords {}
// SAFETY: as above.
unsafe impl Plain for BlockWords {}
