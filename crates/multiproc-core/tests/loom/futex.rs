//! The kernel's part: who sleeps on which words, under one mutex.

use std::cell::RefCell;
use std::sync::Arc;

use loom::sync::atomic::Ordering::Relaxed;
use loom::sync::{Condvar, Mutex, MutexGuard};

use crate::deadline::Deadline;
use crate::sync::AtomicU32;

pub(crate) const ALL: u32 = u32::MAX;

struct Sleeper {
    words: Vec<usize>,
    woken: Option<usize>,
}

#[derive(Default)]
struct Kernel {
    sleepers: Mutex<Vec<Option<Sleeper>>>,
    woken: Condvar,
}

// One for each run; loom runs its threads on one of the system's.
thread_local! {
    static KERNEL: RefCell<Arc<Kernel>> = panic!("`start` comes first");
}

pub(crate) fn start() {
    KERNEL.set(Arc::default());
}

fn kernel() -> Arc<Kernel> {
    KERNEL.with_borrow(Arc::clone)
}

fn address(word: &AtomicU32) -> usize {
    word.as_ptr().addr()
}

impl Kernel {
    fn lock(&self) -> MutexGuard<'_, Vec<Option<Sleeper>>> {
        self.sleepers.lock().expect("nobody panics with it")
    }

    /// Wakes up to `count` who are queued on the word, in their order.
    fn wake(&self, sleepers: &mut [Option<Sleeper>], word: usize, count: u32) -> usize {
        let mut left = count;
        for sleeper in sleepers.iter_mut().flatten() {
            let place = sleeper.words.iter().position(|other| *other == word);
            if let Some(place) = place.filter(|_| left > 0) {
                // Only from this word: it stays queued on the others until it is up.
                sleeper.words[place] = 0;
                sleeper.woken = Some(place);
                left -= 1;
            }
        }
        self.woken.notify_all();
        (count - left) as usize
    }
}

pub(crate) fn wait_any(words: &[(&AtomicU32, u32)], _: Deadline) -> Option<usize> {
    let kernel = kernel();
    let mut sleepers = kernel.lock();
    // Relaxed: what who wakes has stored, it has stored before it took the mutex.
    let changed = words.iter().position(|(word, expected)| word.load(Relaxed) != *expected);
    if let Some(changed) = changed {
        return Some(changed);
    }
    let me = sleepers.len();
    let words = words.iter().map(|(word, _)| address(word)).collect();
    sleepers.push(Some(Sleeper { words, woken: None }));
    loop {
        if let Some(woken) = sleepers[me].as_ref().and_then(|sleeper| sleeper.woken) {
            sleepers[me] = None;
            return Some(woken);
        }
        sleepers = kernel.woken.wait(sleepers).expect("nobody panics with it");
    }
}

pub(crate) fn wake(word: &AtomicU32, count: u32) -> usize {
    let kernel = kernel();
    let mut sleepers = kernel.lock();
    kernel.wake(&mut sleepers, address(word), count)
}

pub(crate) fn add_and_wake(word: &AtomicU32, add: u16, count: u32) {
    let kernel = kernel();
    let mut sleepers = kernel.lock();
    word.add(add.into());
    kernel.wake(&mut sleepers, address(word), count);
}
