//! The words of a read-write lock: where they lie, and who may change them.
//!
//! Beside the lock at the segment's end, which whoever *changes the gate* holds, there are:
//!
//! | `gate` | readers | who may change it | to what |
//! |---|---|---|---|
//! | [`SHUT`] | none is inside, none comes | who has the lock, and reads | `CAREFUL` |
//! | [`CAREFUL`] | come and go, with a fence of their own | who has the lock, after many reads | `OPEN` |
//! | [`OPEN`] | come and go | | |
//! | `CAREFUL`, `OPEN` | | who has the lock, and wants to write | `DRAINING` |
//! | [`DRAINING`] | those inside go, none comes | who has the lock: they are gone | `SHUT` |
//! | `DRAINING` | | who has the lock: it gives up | as before |
//! | `DRAINING` | | who has the lock, and reads, when the writer was killed | `OPEN` |
//!
//! | `data` | who may change it | to what |
//! |---|---|---|
//! | a mark | a writer, behind the shut gate | the mark, [`WRITING`] |
//! | a mark, `WRITING` | that writer, when it goes | the mark: as it was, `PANICKED`, or `WHOLE` |
//! | a mark, `WRITING` | who has the lock next, when the writer was killed | `ABANDONED` |
//!
//! and in each place, for the thread that has it:
//!
//! | `reads` | who may change it | to what |
//! |---|---|---|
//! | n | the thread named in `reader` | n + 1, n - 1: plain stores |
//! | anything | a thread that has the place and is not `reader` yet | 0, then `reader` names it |
//!
//! A writer leaves the gate shut, so that the next one need not look for readers; the next *reader* takes
//! the lock for a moment to open it. So a lock that is only written costs what a mutex does, and one that
//! is only read costs its readers no locked instruction.
//!
//! # A reader and a writer never miss each other
//!
//! A reader stores `reads`, and then looks at the gate; a writer stores `DRAINING`, and then looks at
//! all `reads`. With a fence between on both sides one of the two sees the other: the reader finds the
//! gate closed and goes back, or the writer waits for it. Where reads and writes alternate the gate is
//! `CAREFUL`, and each side has its own fence. After [`MANY`] reads in a row by one thread it is
//! `OPEN`: readers do without, and the writer that comes has the kernel fence them all
//! ([`fence::heavy`](multiproc_core::fence::heavy)), which costs about as much as those fences did.
//! Leaving is the same dance: `reads` falls, then the reader looks whether a writer may be asleep, and
//! a writer has all readers fenced before it sleeps.
//!
//! # Whoever is killed
//!
//! | killed | others see | repaired by |
//! |---|---|---|
//! | coming or reading, its `reads` above 0 | a reader that is dead | nobody: the writer skips the dead, and is woken |
//! | leaving, `reads` down, the writer not yet woken | nothing | its death wakes the writer, too |
//! | holding the lock to open the gate | the lock is free | the kernel; the gate is right as it is |
//! | waiting for readers to go | `DRAINING`, the lock is free | who has the lock next: drains anew, or opens |
//! | writing | `WRITING`, the lock is free | who has the lock next: `ABANDONED` |
//! | after `data` was set, before the lock is free | the lock is free | the kernel; the data is whole |
//! | waiting for the lock, or woken there | nothing | the lock hands its wake-up on |
//!
//! Only the lock is slept on by more than one; who sleeps on a reader's words holds it, and is alone.

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use std::sync::atomic::{AtomicU32, AtomicU64};

use multiproc_core::segment::Plain;

/// No reader is inside, none comes in. As all-zero memory is.
pub(super) const SHUT: u32 = 0;
/// Readers come and go.
pub(super) const OPEN: u32 = 1;
/// Readers go; none comes in.
pub(super) const DRAINING: u32 = 2;
/// Readers come and go, and have a fence of their own.
pub(super) const CAREFUL: u32 = 3;

/// After so many careful reads in a row a thread opens the gate: their fences cost what the kernel's
/// will.
pub(super) const MANY: u32 = 256;

/// The data is whole.
pub(super) const WHOLE: u32 = 0;
/// A writer was killed inside.
pub(super) const ABANDONED: u32 = 1;
/// A writer panicked inside.
pub(super) const PANICKED: u32 = 2;
/// Beside one of these: a writer is inside.
pub(super) const WRITING: u32 = 4;

/// The words in front of the data, in a line of their own.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 4 | `gate` | who has the segment's lock |
/// | 4 | 4 | `data` | who has the segment's lock |
/// | 8 | 4 | `opened` | who has the segment's lock: how often the gate was opened |
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct Front {
    pub(super) gate: AtomicU32,
    pub(super) data: AtomicU32,
    pub(super) opened: AtomicU32,
}

const _: () = assert!(size_of::<Front>() == 128);

// SAFETY: atomics only; any value of either is a state, zero is "shut" and "whole".
unsafe impl Plain for Front {}

/// The words of one place.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 8 | `reader` | the thread that has the place, at its first read |
/// | 8 | 4 | `reads` | the same; slept on by a writer |
/// | 12 | 4 | `opened` | the same: since when it counts |
/// | 16 | 4 | `careful` | the same: how many careful reads it had |
#[repr(C)]
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) reader: AtomicU64,
    pub(super) reads: AtomicU32,
    pub(super) opened: AtomicU32,
    pub(super) careful: AtomicU32,
}

const _: () = assert!(size_of::<Slot>() == 24);

// SAFETY: atomics only; a name that names nobody living is nobody, and any number is a number.
unsafe impl Plain for Slot {}
