//! A robust mutex of the C library, between processes.

#![allow(unsafe_code, reason = "drives pthread mutexes")]

use std::mem::MaybeUninit;

/// Lies in memory that forked children share. Never unmapped: a row has a few hundred pages of them.
pub(crate) struct Robust(*mut libc::pthread_mutex_t);

impl Robust {
    pub(crate) fn new() -> Self {
        let size = size_of::<libc::pthread_mutex_t>();
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the kernel's choice disturbs no other.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), size, access, kind, -1, 0) };
        assert_ne!(at, libc::MAP_FAILED, "no memory for a mutex");
        let mut attributes = MaybeUninit::uninit();
        let attributes = attributes.as_mut_ptr();
        let (robust, shared) = (libc::PTHREAD_MUTEX_ROBUST, libc::PTHREAD_PROCESS_SHARED);
        // SAFETY: the attributes are valid for writes.
        let made = unsafe { libc::pthread_mutexattr_init(attributes) };
        // SAFETY: the attributes were made above.
        let is_robust = unsafe { libc::pthread_mutexattr_setrobust(attributes, robust) };
        // SAFETY: as above.
        let is_shared = unsafe { libc::pthread_mutexattr_setpshared(attributes, shared) };
        // SAFETY: the mapping is large enough, and nobody else knows it.
        let mutex = unsafe { libc::pthread_mutex_init(at.cast(), attributes) };
        assert_eq!([made, is_robust, is_shared, mutex], [0; 4], "no mutex");
        Self(at.cast())
    }

    pub(crate) fn lock(&self) {
        // SAFETY: made in `new`, never unmapped.
        let code = unsafe { libc::pthread_mutex_lock(self.0) };
        assert!(self.has(code), "failed to lock: {code}");
    }

    /// Locks if the lock is free, and says whether it was.
    pub(crate) fn try_lock(&self) -> bool {
        // SAFETY: as in `lock`.
        let code = unsafe { libc::pthread_mutex_trylock(self.0) };
        self.has(code)
    }

    fn has(&self, code: i32) -> bool {
        if code == libc::EOWNERDEAD {
            // SAFETY: as in `lock`; this thread holds it.
            assert_eq!(unsafe { libc::pthread_mutex_consistent(self.0) }, 0);
        }
        code == 0 || code == libc::EOWNERDEAD
    }

    pub(crate) fn unlock(&self) {
        // SAFETY: as in `lock`; the caller holds it.
        assert_eq!(unsafe { libc::pthread_mutex_unlock(self.0) }, 0);
    }
}
