//! The guards: permits that this thread has.

use std::fmt;
use std::marker::PhantomData;

use multiproc_core::place::{Name, Places};

use super::Pool;
use super::line::Several;
use super::slots::Slots;

/// A permit of a [`PermitPool`](super::PermitPool), given back on drop.
///
/// Not `Send`: the owner is the thread, whose death gives the permit back. In the child of a `fork` the
/// inherited guard is a copy that gives back nothing; the permit stays the parent's.
#[must_use = "the permit is given back when this is dropped"]
pub struct Permit<'a> {
    pool: &'a Pool,
    owner: Name,
    slot: u32,
    here: PhantomData<*const ()>,
}

impl<'a> Permit<'a> {
    #[inline]
    pub(super) fn new(pool: &'a Pool, owner: Name, slot: u32) -> Self {
        Places::hold();
        Self { pool, owner, slot, here: PhantomData }
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.pool.is_me(self.owner) {
            self.pool.slots.free(self.slot);
            Slots::remember(self.slot);
            self.pool.slots.wake_if_asleep();
        }
        Places::release();
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// Several permits of a [`PermitPool`](super::PermitPool), given back together on drop.
///
/// As [`Permit`] in all else.
#[must_use = "the permits are given back when this is dropped"]
pub struct Permits<'a> {
    pool: &'a Pool,
    owner: Name,
    bag: Several,
    here: PhantomData<*const ()>,
}

impl<'a> Permits<'a> {
    pub(super) fn new(pool: &'a Pool, owner: Name, bag: Several) -> Self {
        Places::hold();
        Self { pool, owner, bag, here: PhantomData }
    }

    /// Returns how many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bag.slots.len()
    }

    /// Says whether there are none, because none were asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Permits<'_> {
    fn drop(&mut self) {
        if self.pool.is_me(self.owner) {
            self.pool.slots.give_back(&mut self.bag);
        }
        Places::release();
    }
}

impl fmt::Debug for Permits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits").field("len", &self.len()).finish_non_exhaustive()
    }
}
