//! More descriptors on their way than the user may send: as good as a full pipe, and over in time.

#![cfg(feature = "serde")]
#![allow(unsafe_code, reason = "gives up root's rights, which have no such limit")]
#![allow(clippy::unwrap_used, reason = "a test")]

use duplex_pipe::{PipeSender, SendTimeoutError, TrySendError, simplex};
use std::time::Duration;
use testkit::{fork, watchdog};

#[test]
fn sending_waits_until_some_have_arrived() {
    let _dog = watchdog(Duration::from_secs(60));
    let child = fork(|| {
        let limit = libc::rlimit { rlim_cur: 40, rlim_max: 40 };
        // SAFETY: reads one whole `rlimit`.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
        // SAFETY: takes three numbers. Without the right to do so we are no root, which is as good.
        let _ = unsafe { libc::setresuid(65_534, 65_534, 65_534) };
        let (tx, rx) = simplex::<PipeSender<u8>>().unwrap();
        let (handle, _other) = simplex::<u8>().unwrap();
        let full = (0..500).find_map(|_| tx.try_send(&handle).err());
        assert!(matches!(full, Some(TrySendError::Full)), "{full:?}");
        let late = tx.send_timeout(&handle, Duration::from_millis(20));
        assert!(matches!(late, Err(SendTimeoutError::TimedOut)), "{late:?}");
        for _ in 0..3 {
            drop(rx.recv().unwrap());
        }
        tx.send(&handle).unwrap();
    });
    child.assert_ok();
}
