//! libc's own, between processes: `pthread` mutexes, read-write locks, condition variables and barriers, `sem_t`.

#![allow(unsafe_code, reason = "calls libc")]

use crate::critical::{Exclusive, add_one, stay};
use libc::{
    PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_SHARED, pthread_barrier_t, pthread_cond_t,
    pthread_mutex_t, pthread_rwlock_t, sem_t,
};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// A value that this process and its forks share, all zero at first. It stays mapped until they end.
pub(crate) struct Shared<T>(*mut T);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<T> Shared<T> {
    fn zeroed() -> Result<Self, String> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: new memory, at an address of the kernel's choice, aligned to a page.
        let at = unsafe { mmap_anonymous(null_mut(), size_of::<T>(), access, MapFlags::SHARED) };
        at.map(|at| Self(at.cast())).map_err(|error| error.to_string())
    }
}

fn ok(what: &str, result: c_int) -> Result<(), String> {
    if result == 0 { Ok(()) } else { Err(format!("{what}: error {result}")) }
}

/// Makes the attributes of something that processes share.
macro_rules! attributes {
    ($init:ident, $pshared:ident) => {{
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: a place for them; initialised here.
        ok(stringify!($init), unsafe { libc::$init(attributes.as_mut_ptr()) })?;
        // SAFETY: initialised above.
        let set = unsafe { libc::$pshared(attributes.as_mut_ptr(), PTHREAD_PROCESS_SHARED) };
        ok(stringify!($pshared), set)?;
        attributes
    }};
}

/// Calls libc with a pointer to something that it has initialised and that is never unmapped.
macro_rules! call {
    ($function:ident($at:expr)) => {{
        let at = $at;
        // SAFETY: initialised by the function that made it, before anybody else had it; never unmapped.
        unsafe { libc::$function(at) }
    }};
}

/// A lock of libc's, and the number that it guards.
#[repr(C)]
pub(crate) struct Guarded<L> {
    lock: L,
    number: AtomicU64,
}

impl<L> Shared<Guarded<L>> {
    fn lock(&self) -> *mut L {
        // SAFETY: inside of what is mapped.
        unsafe { &raw mut (*self.0).lock }
    }

    fn number(&self) -> &AtomicU64 {
        // SAFETY: mapped as long as this process lives; all-zero at first, and reached as an atomic only.
        unsafe { &(*self.0).number }
    }
}

/// A robust `pthread` mutex.
pub(crate) fn robust_mutex() -> Result<Shared<Guarded<pthread_mutex_t>>, String> {
    let mut attributes = attributes!(pthread_mutexattr_init, pthread_mutexattr_setpshared);
    // SAFETY: initialised above.
    let set =
        unsafe { libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), PTHREAD_MUTEX_ROBUST) };
    ok("pthread_mutexattr_setrobust", set)?;
    let shared = Shared::<Guarded<_>>::zeroed()?;
    // SAFETY: memory for it, in which nobody else is yet.
    let made = unsafe { libc::pthread_mutex_init(shared.lock(), attributes.as_ptr()) };
    ok("pthread_mutex_init", made)?;
    Ok(shared)
}

impl Exclusive for Shared<Guarded<pthread_mutex_t>> {
    fn enter(&self, nanos: u64) -> u64 {
        assert_eq!(call!(pthread_mutex_lock(self.lock())), 0);
        let before = add_one(self.number(), nanos);
        call!(pthread_mutex_unlock(self.lock()));
        before
    }
}

/// A semaphore with so many permits.
pub(crate) fn semaphore(permits: u32) -> Result<Shared<Guarded<sem_t>>, String> {
    let shared = Shared::<Guarded<_>>::zeroed()?;
    // SAFETY: memory for it, in which nobody else is yet.
    ok("sem_init", unsafe { libc::sem_init(shared.lock(), 1, permits) })?;
    Ok(shared)
}

impl Shared<Guarded<sem_t>> {
    pub(crate) fn acquire(&self) {
        // A signal only has it ask again.
        while call!(sem_wait(self.lock())) != 0 {}
    }

    pub(crate) fn release(&self) {
        call!(sem_post(self.lock()));
    }
}

impl Exclusive for Shared<Guarded<sem_t>> {
    fn enter(&self, nanos: u64) -> u64 {
        self.acquire();
        let before = add_one(self.number(), nanos);
        self.release();
        before
    }
}

/// A `pthread` read-write lock.
pub(crate) fn rwlock() -> Result<Shared<Guarded<pthread_rwlock_t>>, String> {
    let attributes = attributes!(pthread_rwlockattr_init, pthread_rwlockattr_setpshared);
    let shared = Shared::<Guarded<_>>::zeroed()?;
    // SAFETY: memory for it, in which nobody else is yet.
    let made = unsafe { libc::pthread_rwlock_init(shared.lock(), attributes.as_ptr()) };
    ok("pthread_rwlock_init", made)?;
    Ok(shared)
}

impl Shared<Guarded<pthread_rwlock_t>> {
    pub(crate) fn read(&self, nanos: u64) -> u64 {
        assert_eq!(call!(pthread_rwlock_rdlock(self.lock())), 0);
        let number = self.number().load(Relaxed);
        stay(nanos);
        call!(pthread_rwlock_unlock(self.lock()));
        number
    }
}

impl Exclusive for Shared<Guarded<pthread_rwlock_t>> {
    fn enter(&self, nanos: u64) -> u64 {
        assert_eq!(call!(pthread_rwlock_wrlock(self.lock())), 0);
        let before = add_one(self.number(), nanos);
        call!(pthread_rwlock_unlock(self.lock()));
        before
    }
}

/// A condition variable and its mutex.
#[repr(C)]
pub(crate) struct Condition {
    mutex: pthread_mutex_t,
    changed: pthread_cond_t,
}

pub(crate) fn condition() -> Result<Shared<Guarded<Condition>>, String> {
    let of_mutex = attributes!(pthread_mutexattr_init, pthread_mutexattr_setpshared);
    let of_changed = attributes!(pthread_condattr_init, pthread_condattr_setpshared);
    let shared = Shared::<Guarded<Condition>>::zeroed()?;
    // SAFETY: memory for it, in which nobody else is yet.
    let made = unsafe { libc::pthread_mutex_init(shared.mutex(), of_mutex.as_ptr()) };
    ok("pthread_mutex_init", made)?;
    // SAFETY: as above.
    let made = unsafe { libc::pthread_cond_init(shared.changed(), of_changed.as_ptr()) };
    ok("pthread_cond_init", made)?;
    Ok(shared)
}

impl Shared<Guarded<Condition>> {
    fn mutex(&self) -> *mut pthread_mutex_t {
        // SAFETY: inside of what is mapped.
        unsafe { &raw mut (*self.lock()).mutex }
    }

    fn changed(&self) -> *mut pthread_cond_t {
        // SAFETY: as above.
        unsafe { &raw mut (*self.lock()).changed }
    }

    /// Waits until the number is this seat's, adds one and says so.
    pub(crate) fn turn(&self, seat: u64, seats: u64) {
        assert_eq!(call!(pthread_mutex_lock(self.mutex())), 0);
        while self.number().load(Relaxed) % seats != seat {
            let changed = self.changed();
            // SAFETY: both initialised by `condition`; the mutex was locked above, by this thread.
            assert_eq!(unsafe { libc::pthread_cond_wait(changed, self.mutex()) }, 0);
        }
        add_one(self.number(), 0);
        if seats == 2 {
            self.notify();
        } else {
            call!(pthread_cond_broadcast(self.changed()));
        }
        call!(pthread_mutex_unlock(self.mutex()));
    }

    /// Wakes one who waits.
    pub(crate) fn notify(&self) {
        call!(pthread_cond_signal(self.changed()));
    }
}

/// A `pthread` barrier for so many.
pub(crate) fn barrier(parties: u32) -> Result<Shared<pthread_barrier_t>, String> {
    let attributes = attributes!(pthread_barrierattr_init, pthread_barrierattr_setpshared);
    let shared = Shared::<pthread_barrier_t>::zeroed()?;
    // SAFETY: memory for it, in which nobody else is yet.
    let made = unsafe { libc::pthread_barrier_init(shared.0, attributes.as_ptr(), parties) };
    ok("pthread_barrier_init", made)?;
    Ok(shared)
}

impl Shared<pthread_barrier_t> {
    /// Waits for the others; says whether this is the one who leads.
    pub(crate) fn meet(&self) -> bool {
        call!(pthread_barrier_wait(self.0)) == libc::PTHREAD_BARRIER_SERIAL_THREAD
    }
}
