//! Which locks this thread reads: in memory of its own, where no peer can write.
//!
//! A writer that finds its own thread's flag raised would wait for itself, if the flag tells the truth.

use std::cell::Cell;
use std::sync::Arc;

use multiproc_core::segment::Segment;

/// So many are told apart. Who reads more at once reads any, for all one knows.
const KNOWN: usize = 8;

/// Stands for a lock that is not known.
const SOME_LOCK: usize = 0;

// Without a destructor, so that guards in thread-locals of the user's can still be dropped.
thread_local! {
    /// How many guards for reading this thread has, and the segments of the first of them.
    static READS: (Cell<usize>, [Cell<usize>; KNOWN]) =
        const { (Cell::new(0), [const { Cell::new(SOME_LOCK) }; KNOWN]) };
}

fn key(segment: &Arc<Segment>) -> usize {
    Arc::as_ptr(segment).addr()
}

/// Notes that this thread has one guard more.
#[inline]
pub(super) fn add(segment: &Arc<Segment>) {
    READS.with(|(count, known)| {
        if let Some(free) = known.get(count.get()) {
            free.set(key(segment));
        }
        count.set(count.get().wrapping_add(1));
    });
}

/// Notes that it has one guard less.
#[inline]
pub(super) fn remove(segment: &Arc<Segment>) {
    READS.with(|(count, known)| {
        let left = count.get().wrapping_sub(1);
        count.set(left);
        if known.get(left).is_none_or(|last| last.get() != key(segment)) {
            fill(known, left, key(segment));
        }
    });
}

/// Puts the last one in the place of one that went before it.
#[cold]
fn fill(known: &[Cell<usize>; KNOWN], last: usize, gone: usize) {
    let last = known.get(last).map_or(SOME_LOCK, Cell::get);
    if let Some(place) = known.iter().find(|place| place.get() == gone) {
        place.set(last);
    }
}

/// Says whether this thread reads this lock, as far as it is known.
pub(super) fn may_read(segment: &Arc<Segment>) -> bool {
    READS.with(|(count, known)| {
        let known = known.get(..count.get()).unwrap_or(known);
        count.get() > KNOWN
            || known.iter().any(|lock| [key(segment), SOME_LOCK].contains(&lock.get()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::Kind;
    use multiproc_core::header::Item;

    fn segment() -> Arc<Segment> {
        let kind = Kind { name: "held", item: Item::of::<u64>(), bytes: |_| Some(8) };
        Arc::clone(kind.new(1, |_| ()).unwrap().segment())
    }

    #[test]
    fn each_lock_is_known_by_itself_in_any_order() {
        let (a, b) = (segment(), segment());
        add(&a);
        assert!(may_read(&a) && !may_read(&b));
        add(&b);
        add(&a);
        remove(&a);
        remove(&a);
        assert!(!may_read(&a) && may_read(&b));
        remove(&b);
        assert!(!may_read(&a) && !may_read(&b));
    }

    #[test]
    fn beyond_those_that_are_told_apart_it_may_be_any() {
        let (a, b) = (segment(), segment());
        (0..=KNOWN).for_each(|_| add(&a));
        assert!(may_read(&b));
        (0..=KNOWN).for_each(|_| remove(&a));
        assert!(!may_read(&a) && !may_read(&b));
    }
}
