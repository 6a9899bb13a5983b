//! A process-shared robust pthread mutex: the neighbour in the list, and the control that must fail.

#![allow(unsafe_code, reason = "drives pthread mutexes")]
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "one initialisation")]

use std::mem::MaybeUninit;

/// Lies in memory that forked children share.
pub(crate) struct Pthread(*mut libc::pthread_mutex_t);

impl Pthread {
    pub(crate) fn new() -> Self {
        let size = size_of::<libc::pthread_mutex_t>();
        let (read_write, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping, then pthread calls on memory of the right size.
        unsafe {
            let at =
                libc::mmap(std::ptr::null_mut(), size, read_write, shared | libc::MAP_ANON, -1, 0);
            assert_ne!(at, libc::MAP_FAILED);
            let mut attr = MaybeUninit::uninit();
            libc::pthread_mutexattr_init(attr.as_mut_ptr());
            libc::pthread_mutexattr_setrobust(attr.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST);
            libc::pthread_mutexattr_setpshared(attr.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED);
            assert_eq!(libc::pthread_mutex_init(at.cast(), attr.as_ptr()), 0);
            Self(at.cast())
        }
    }

    /// Locks; `false` when the owner died, after making the lock consistent.
    pub(crate) fn lock(&self) -> bool {
        // SAFETY: initialised in `new`, never unmapped.
        self.locked(unsafe { libc::pthread_mutex_lock(self.0) })
    }

    /// Locks if the lock is free.
    pub(crate) fn try_lock(&self) -> bool {
        // SAFETY: as above.
        let code = unsafe { libc::pthread_mutex_trylock(self.0) };
        let taken = code != libc::EBUSY;
        if taken {
            self.locked(code);
        }
        taken
    }

    fn locked(&self, code: i32) -> bool {
        if code == libc::EOWNERDEAD {
            // SAFETY: held by this thread.
            assert_eq!(unsafe { libc::pthread_mutex_consistent(self.0) }, 0);
        }
        code != libc::EOWNERDEAD
    }

    pub(crate) fn unlock(&self) {
        // SAFETY: as above; the caller holds it.
        assert_eq!(unsafe { libc::pthread_mutex_unlock(self.0) }, 0);
    }
}
