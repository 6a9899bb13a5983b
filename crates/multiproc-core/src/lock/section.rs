//! The lock inside queues, semaphores and registries.

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use core::marker::PhantomData;

use super::word::{Taken, Word};
use crate::deadline::Deadline;
use crate::robust::Thread;
use crate::segment::Plain;
use crate::spin::Spin;

/// A lock for short sections without foreign code, cheaper than std's `Mutex`.
///
/// Nothing is linked: the word stays *announced* to the kernel for the whole section, which is why a
/// thread may be in one section at a time and must not call code of a user's there. Holding linked
/// locks meanwhile is fine. A dead holder is not reported: what it guards must be right at every
/// instruction (a commit word, not a half-moved structure).
#[repr(transparent)]
#[derive(Debug)]
pub struct SectionLock {
    word: Word,
}

const _: () = assert!(size_of::<SectionLock>() == 8);

// SAFETY: atomic words; every value is a state of the protocol, zero is "free".
unsafe impl Plain for SectionLock {}

impl Default for SectionLock {
    fn default() -> Self {
        Self::new()
    }
}

impl SectionLock {
    /// Makes a free lock, as all-zero memory is.
    #[must_use]
    pub const fn new() -> Self {
        Self { word: Word::new() }
    }

    /// Enters the section, sleeping while another thread is in it.
    pub fn lock(&self, spin: &Spin) -> Section<'_> {
        loop {
            if let Some(section) = self.lock_until(spin, Deadline::NEVER) {
                return section;
            }
        }
    }

    /// Enters the section, or gives up at the deadline.
    #[inline]
    pub fn lock_until(&self, spin: &Spin, deadline: Deadline) -> Option<Section<'_>> {
        self.enter(|me| self.word.acquire(me, spin, deadline))
    }

    /// Enters the section if nobody is in it.
    #[inline]
    pub fn try_lock(&self) -> Option<Section<'_>> {
        self.enter(|me| self.word.try_acquire(me))
    }

    /// Returns the thread id of who is in the section, or 0.
    ///
    /// Of one who stores a word and then finds nobody here, and one who enters and then loads that word
    /// (all `SeqCst`), the second sees the store.
    pub fn owner(&self) -> u32 {
        self.word.owner()
    }

    #[inline]
    fn enter(&self, acquire: impl FnOnce(Thread) -> Option<Taken>) -> Option<Section<'_>> {
        let me = Thread::current();
        me.announce(self.word.address());
        match acquire(me) {
            Some(taken) => Some(Section { lock: self, taken, here: PhantomData }),
            None => {
                me.settle();
                None
            }
        }
    }
}

/// Being in the section of a [`SectionLock`]. Leaves on drop; cannot leave its thread.
#[derive(Debug)]
#[must_use = "the section ends when this is dropped"]
pub struct Section<'a> {
    lock: &'a SectionLock,
    taken: Taken,
    here: PhantomData<*const ()>,
}

impl Section<'_> {
    /// Says whether the last one who was in the section died there.
    #[must_use]
    pub fn owner_died(&self) -> bool {
        self.taken.owner_died
    }
}

impl Drop for Section<'_> {
    #[inline]
    fn drop(&mut self) {
        let me = Thread::current();
        // In the child of a fork this is a copy of the parent's section, and not ours to end.
        if self.taken.is_by(me) {
            self.lock.word.release();
            me.settle();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::UnsafeCell;
    use core::time::Duration;

    struct Counter(UnsafeCell<u64>);
    // SAFETY: the test below touches it only inside the section.
    unsafe impl Sync for Counter {}

    #[test]
    fn threads_exclude_each_other() {
        let (lock, spin, count) = (SectionLock::new(), Spin::new(), Counter(UnsafeCell::new(0)));
        let count = &count;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50_000 {
                        let _section = lock.lock(&spin);
                        // SAFETY: inside the section nobody else touches it.
                        unsafe { *count.0.get() += 1 };
                    }
                });
            }
        });
        assert_eq!(
            // SAFETY: the threads have ended.
            unsafe { *count.0.get() },
            200_000
        );
        assert_eq!(lock.owner(), 0);
    }

    #[test]
    fn a_thread_that_ends_inside_gives_the_lock_to_the_sleeper() {
        let (lock, spin) = (SectionLock::new(), Spin::new());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::mem::forget(lock.lock(&spin));
                std::thread::sleep(Duration::from_millis(30));
            });
            while lock.owner() == 0 {
                std::thread::yield_now();
            }
            assert!(lock.try_lock().is_none());
            drop(lock.lock(&spin));
        });
        assert!(lock.try_lock().is_some());
    }

    #[test]
    fn a_deadline_ends_the_wait_and_not_the_lock() {
        let (lock, spin) = (SectionLock::new(), Spin::new());
        let held = lock.lock(&spin);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let start = std::time::Instant::now();
                let deadline = Deadline::after(Duration::from_millis(20));
                assert!(lock.lock_until(&spin, deadline).is_none());
                assert!(start.elapsed() >= Duration::from_millis(20));
            });
        });
        drop(held);
        assert!(lock.try_lock().is_some());
    }
}
