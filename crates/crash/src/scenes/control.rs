//! Controls: designs that are known to break. An explorer that lets one of them pass sees nothing.

mod careless;
mod pthread;
mod vyukov;

use super::{lock, queue, semaphore};
use crate::fault::Fault;
use crate::row::{Row, control};
use crate::scenes::Verb;
use careless::{AddThenWake, CountedReaders, TellThenWrite};
use proc_lock::{Mutex, TryLockError};
pub(crate) use pthread::Robust;
use vyukov::Vyukov;

/// glibc's own: it stores "free" and wakes then, so a barger in between hides the sleeper.
const PTHREAD: lock::Lock<pthread::Robust> = lock::Lock {
    make: pthread::Robust::new,
    visit: with_pthread,
    change: with_pthread,
    barge: |mutex, inside| {
        let held = mutex.try_lock();
        inside(held);
        if held {
            mutex.unlock();
        }
    },
    is_whole: |_| true,
};

fn with_pthread(mutex: &Robust, _: Verb, midway: &dyn Fn()) {
    mutex.lock();
    midway();
    mutex.unlock();
}

/// A mutex whose users do not want to know that the last owner died.
const SILENT: lock::Lock<Mutex<[u64; 2]>> = lock::Lock {
    make: || Mutex::new([0; 2]).unwrap(),
    visit: with_silence,
    change: with_silence,
    barge: |mutex, inside| {
        let held = mutex.try_lock();
        inside(!matches!(held, Err(TryLockError::WouldBlock)));
    },
    is_whole: |_| true,
};

fn with_silence(mutex: &Mutex<[u64; 2]>, _: Verb, midway: &dyn Fn()) {
    lock::change_halves(mutex.lock_or_recover(|_| ()), midway);
}

const ADD_THEN_WAKE: semaphore::Permits<AddThenWake> = semaphore::Permits {
    make: AddThenWake::new,
    acquaint: |_| (),
    acquire: AddThenWake::acquire,
    release: AddThenWake::release,
    value: AddThenWake::value,
};

/// The victim reads, the others write.
const COUNTED_READERS: lock::Lock<CountedReaders> = lock::Lock {
    make: CountedReaders::new,
    visit: |lock, _, midway| lock.read(midway),
    change: |lock, _, midway| lock.write(midway),
    barge: CountedReaders::try_write,
    is_whole: |_| true,
};

const VYUKOV: queue::Queue<Vyukov> = queue::Queue {
    make: Vyukov::new,
    send: |queue, numbers, verb| usize::from(queue.send(numbers[0], verb)),
    recv: |queue, _, verb| queue.recv(verb).into_iter().collect(),
    len: Vyukov::len,
    is_full: |queue| queue.len() == 3,
    batch: 1,
};

const TELL_THEN_WRITE: queue::Queue<TellThenWrite> = queue::Queue {
    make: TellThenWrite::new,
    send: |queue, numbers, verb| usize::from(queue.send(numbers[0], verb)),
    recv: |queue, _, verb| queue.recv(verb).into_iter().collect(),
    len: |queue| queue.len() as usize,
    is_full: |queue| queue.len() == 3,
    batch: 1,
};

pub(crate) const ROWS: &[Row] = &[
    control("pthread robust mutex", "unlock, sleeper, barger", Fault::Hangs, |plan| {
        lock::unlock(&PTHREAD, 1, true, plan)
    }),
    control("pthread robust mutex", "woken, another asleep, barger", Fault::Hangs, |plan| {
        lock::woken(&PTHREAD, Verb::Block, true, plan)
    }),
    control("semaphore, adds then wakes", "release, sleeper", Fault::Hangs, |plan| {
        semaphore::release(&ADD_THEN_WAKE, 1, false, plan)
    }),
    control("lock that counts readers", "read, writers come later", Fault::Hangs, |plan| {
        lock::free(&COUNTED_READERS, Verb::Block, plan)
    }),
    control("Vyukov's queue", "send", Fault::Hangs, |plan| queue::send(&VYUKOV, Verb::Block, plan)),
    control("Vyukov's queue", "recv", Fault::Hangs, |plan| queue::recv(&VYUKOV, Verb::Block, plan)),
    control("ring, tells then writes", "send", Fault::Corrupt, |plan| {
        queue::send(&TELL_THEN_WRITE, Verb::Block, plan)
    }),
    control("mutex without repair", "free", Fault::Corrupt, |plan| {
        lock::free(&SILENT, Verb::Block, plan)
    }),
];
