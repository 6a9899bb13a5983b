//! The messages in lease: copying them out of the queue into a record, and from there to the user.
//!
//! The first happens in the receivers' section. The second does not: a record stands still while
//! somebody has it. A hostile peer may write it all the same, so bytes are copied before they are looked at.

#![allow(unsafe_code, reason = "copies messages into and out of memory that other processes map")]

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

use multiproc_core::header;

use super::ledger::Ledger;
use super::words::{Holder, Record};
use crate::Item;
use crate::arena::{Extent, Variable};
use crate::memory::Memory;
use crate::shape::{Bytes, Contents, Fixed, UNIT};

/// The messages of a queue whose receivers lease them.
pub(crate) struct Leased<C>(PhantomData<C>);

impl<C: Contents> Contents for Leased<C> {
    const KIND: &'static str = C::KIND;
    const SIZE: usize = C::SIZE;
    const ARENA: bool = C::ARENA;
    const LEASED: bool = true;

    fn item() -> header::Item {
        C::item()
    }
}

impl Variable for Leased<Bytes> {}
#[cfg(feature = "serde")]
impl<T: 'static> Variable for Leased<crate::shape::Values<T>> {}

/// Messages that can be leased.
pub(crate) trait Lent: Contents + Sized {
    /// Says whether there is room beside the records for the message with this index.
    fn has_room(memory: &Memory<Self>, ledger: &Ledger, index: u32) -> bool;

    /// Copies the message with this index into a free record; says whether there was room.
    ///
    /// The caller is in the receivers' section, and the message is the queue's.
    fn lend(memory: &Memory<Self>, ledger: &Ledger, index: u32, at: u32) -> bool;
}

impl<T: Item> Lent for Leased<Fixed<T>> {
    fn has_room(_: &Memory<Self>, _: &Ledger, _: u32) -> bool {
        true
    }

    #[inline]
    fn lend(memory: &Memory<Self>, ledger: &Ledger, index: u32, at: u32) -> bool {
        let (from, to) = (memory.cell(index).as_ptr(), ledger.slot::<T>(at).as_ptr());
        // SAFETY: a cell has room for a `T`, and so has a slot; they do not overlap. They lie in mapped
        // memory, zeroed before anyone wrote, and no Rust reference to them exists in any process.
        unsafe { core::ptr::copy_nonoverlapping(from, to, size_of::<T>()) };
        true
    }
}

macro_rules! lent_by_length {
    ([$($generics:tt)*] $contents:ty) => {
        impl<$($generics)*> Lent for $contents {
            fn has_room(memory: &Memory<Self>, ledger: &Ledger, index: u32) -> bool {
                ledger.room(memory.cut(memory.extent(index))).is_some()
            }

            fn lend(memory: &Memory<Self>, ledger: &Ledger, index: u32, at: u32) -> bool {
                let message = memory.cut(memory.extent(index));
                let Some(copy) = ledger.room(message) else { return false };
                // Both are inside, for they were cut to it and found in it.
                if let (Some(from), Some(to)) = (memory.part(message), ledger.part(copy)) {
                    // SAFETY: `part` checked the bounds of both, which have one length; the two arenas
                    // do not overlap. About peers as above.
                    unsafe {
                        core::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), copy.len())
                    };
                }
                ledger.record(at).extent.store(copy.word(), Relaxed);
                ledger.go_on_behind(copy);
                true
            }
        }
    };
}

lent_by_length!([] Leased<Bytes>);
#[cfg(feature = "serde")]
lent_by_length!([T: 'static] Leased<crate::shape::Values<T>>);

impl Ledger {
    /// Returns where behind its record a message of one size lies.
    #[inline]
    fn slot<T>(&self, at: u32) -> NonNull<u8> {
        assert!(
            size_of::<Record>() + size_of::<T>() <= self.layout.stride,
            "no room for a message"
        );
        // SAFETY: inside the record, as just checked.
        unsafe { self.record_at(at).add(size_of::<Record>()) }
    }

    /// Copies a message of one size out of its record, which the caller has.
    #[inline]
    pub(super) fn message<T: Item>(&self, at: u32) -> T {
        let mut message = MaybeUninit::<T>::uninit();
        let (from, to) = (self.slot::<T>(at).as_ptr(), message.as_mut_ptr().cast::<u8>());
        // SAFETY: a slot has room for a `T`; it lies in mapped memory, zeroed before anyone wrote.
        unsafe { core::ptr::copy_nonoverlapping(from, to, size_of::<T>()) };
        // SAFETY: all bytes were written just now, and `T: AnyBitPattern` makes any bytes a value.
        unsafe { message.assume_init() }
    }

    /// Copies a message of any length out of the arena, its record being the caller's.
    pub(super) fn bytes(&self, at: u32, buffer: &mut Vec<u8>) {
        buffer.clear();
        let extent = Extent::from_word(self.record(at).extent.load(Relaxed));
        let Some(from) = self.part(extent) else { return };
        buffer.reserve(extent.len());
        let to = buffer.spare_capacity_mut().as_mut_ptr().cast::<u8>();
        // SAFETY: `part` checked the bounds of the source, `reserve` made those of the target.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to, extent.len()) };
        // SAFETY: the bytes up to here were written just now, and there is room for them.
        unsafe { buffer.set_len(extent.len()) };
    }

    /// Finds room in the arena for a copy of `message`, where no message in lease lies.
    ///
    /// Nothing but the records says what is used, so whoever frees a record frees its bytes with it. What
    /// they say may be garbage; what is returned lies inside the arena.
    pub(super) fn room(&self, message: Extent) -> Option<Extent> {
        let all = self.layout.arena_bytes / UNIT;
        let start = u64::from(self.go_on_at());
        let unit =
            self.gap(start, message.units(), all).or_else(|| self.gap(0, message.units(), all))?;
        Some(message.moved_to(u32::try_from(unit).ok()?))
    }

    /// Returns the first unit at or behind `from` where so many are free.
    fn gap(&self, mut from: u64, units: u64, all: u64) -> Option<u64> {
        // Each round leaves one message behind, at least.
        for _ in 0..=self.leases() {
            if from + units > all {
                return None;
            }
            let Some(end) = self.end_of_overlap(from, from + units) else { return Some(from) };
            from = end;
        }
        None
    }

    /// Returns where a message in lease ends that lies in a part of the arena.
    fn end_of_overlap(&self, from: u64, to: u64) -> Option<u64> {
        (0..self.leases()).find_map(|at| {
            if self.holder(at) == Holder::Nobody {
                return None;
            }
            let there = Extent::from_word(self.record(at).extent.load(Relaxed));
            (there.start() < to && from < there.end()).then(|| there.end())
        })
    }

    /// Returns the address of an extent, if it lies in the arena.
    fn part(&self, extent: Extent) -> Option<NonNull<u8>> {
        let (from, len) = extent.bytes();
        // SAFETY: inside the arena, as the comparison says.
        (from + len <= self.layout.arena_bytes).then(|| unsafe { self.arena.add(from as usize) })
    }
}
