//! The explorer finds the wake that glibc's robust mutex loses.

#![allow(unsafe_code, reason = "the mutex is pthread's, in a shared mapping")]

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    Child, End, KillPoint, Limits, explore_from_here, fork, is_asleep, kill_at_every_instruction,
    until, watchdog,
};

const LIMIT: Duration = Duration::from_secs(60);

#[repr(C)]
struct Shared {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
    held: AtomicU64,
    barge: AtomicU64,
    victim_is_dead: AtomicU64,
}

struct Robust(NonNull<Shared>);

impl Robust {
    fn new() -> Self {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        let size = size_of::<Shared>();
        // SAFETY: a new mapping at an address of the kernel's choice disturbs no other.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        let robust = Self(NonNull::new(start.cast()).expect("a mapping"));
        let mut attributes = MaybeUninit::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: valid for writes.
        assert_eq!(unsafe { libc::pthread_mutexattr_init(attributes) }, 0);
        // SAFETY: initialised above.
        let shared = unsafe { libc::pthread_mutexattr_setpshared(attributes, 1) };
        // SAFETY: initialised above.
        let robustness = unsafe { libc::pthread_mutexattr_setrobust(attributes, 1) };
        // SAFETY: both are valid, and nobody uses the mutex yet.
        let mutex = unsafe { libc::pthread_mutex_init(robust.mutex(), attributes) };
        assert_eq!((shared, robustness, mutex), (0, 0, 0));
        robust
    }

    fn shared(&self) -> &Shared {
        // SAFETY: mapped until drop; all-zero bytes are valid, and all access is atomic or pthread's.
        unsafe { self.0.as_ref() }
    }

    fn mutex(&self) -> *mut libc::pthread_mutex_t {
        self.shared().mutex.get()
    }

    fn lock(&self) {
        // SAFETY: initialised by `new`.
        self.locked(unsafe { libc::pthread_mutex_lock(self.mutex()) });
    }

    fn try_lock(&self) -> bool {
        // SAFETY: initialised by `new`.
        self.locked(unsafe { libc::pthread_mutex_trylock(self.mutex()) })
    }

    fn locked(&self, rc: i32) -> bool {
        if rc == libc::EOWNERDEAD {
            // SAFETY: the caller has just become the owner.
            unsafe { libc::pthread_mutex_consistent(self.mutex()) };
        }
        rc == 0 || rc == libc::EOWNERDEAD
    }

    fn unlock(&self) {
        // SAFETY: the caller is the owner.
        assert_eq!(unsafe { libc::pthread_mutex_unlock(self.mutex()) }, 0);
    }
}

impl Drop for Robust {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, of which no borrow is left.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<Shared>()) };
    }
}

struct Scene {
    lock: Robust,
    sleeper: Child,
    barger: Child,
}

fn scene() -> Scene {
    let lock = Robust::new();
    let sleeper = fork(|| {
        until(LIMIT, "the victim's lock", || lock.shared().held.load(SeqCst) == 1);
        lock.lock();
        lock.unlock();
    });
    let barger = fork(|| {
        let Shared { barge, victim_is_dead, .. } = lock.shared();
        until(LIMIT, "the barger's turn", || barge.load(SeqCst) == 1);
        let got = lock.try_lock();
        barge.store(2, SeqCst);
        if got {
            until(LIMIT, "the victim's death", || victim_is_dead.load(SeqCst) == 1);
            lock.unlock();
        }
    });
    Scene { lock, sleeper, barger }
}

#[test]
#[ignore = "shows a defect of the installed glibc, which a later one may not have"]
fn the_sleeper_stays_asleep_on_a_free_mutex() {
    let _dog = watchdog(LIMIT * 2);
    let mut lost = Vec::new();
    let barge = |scene: &Scene, _: &KillPoint| {
        let barge = &scene.lock.shared().barge;
        barge.store(1, SeqCst);
        until(LIMIT, "the barger", || barge.load(SeqCst) == 2);
    };
    let report = kill_at_every_instruction(
        Limits {
            from_mark: true,
            before_kill: Some(Box::new(barge)),
            stride: 1,
            ..Limits::default()
        },
        scene,
        |Scene { lock, sleeper, .. }| {
            lock.lock();
            lock.shared().held.store(1, SeqCst);
            until(LIMIT, "the sleeper", || is_asleep(sleeper.pid()));
            explore_from_here();
            lock.unlock();
        },
        |Scene { lock, mut sleeper, barger }, point| {
            lock.shared().victim_is_dead.store(1, SeqCst);
            barger.assert_ok();
            if sleeper.wait_timeout(Duration::from_millis(500)).is_none() {
                assert!(lock.try_lock(), "asleep for a reason: somebody holds the mutex");
                lost.push(point);
            }
        },
    );
    assert_eq!(report.end, End::Finished);
    assert!(!lost.is_empty() && lost.len() < report.points, "{report}");
    assert!(lost.iter().all(|point| !point.finished), "after its unlock a victim has woken");
}
