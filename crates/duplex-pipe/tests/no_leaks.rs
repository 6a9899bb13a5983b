//! No descriptor is left open, whether messages arrive, are refused or are never received.
#![allow(clippy::unwrap_used, reason = "a test")]

use duplex_pipe::{Duplex, duplex, simplex};
use std::os::fd::AsFd;
use std::time::Duration;

fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

// One test, for the count is of the whole process.
#[test]
fn a_thousand_messages_of_every_fate_leave_the_table_as_it_was() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let rounds = 1000;
    let (a, b) = duplex::<[u8]>().unwrap();
    let large = vec![1; 100_000];
    let before = open_fds();
    for _ in 0..rounds {
        a.send(&large).unwrap();
        assert_eq!(b.recv().unwrap().len(), large.len());
        // Over the limit.
        a.send(&large).unwrap();
        let limited = b.clone().with_max_message_bytes(10);
        limited.recv().unwrap_err();
        // Never received.
        let (tx, rx) = simplex::<[u8]>().unwrap();
        tx.send(&large).unwrap();
        tx.try_send(&large).unwrap_err();
        drop(rx);
        tx.send(&large).unwrap_err();
        Duplex::<[u8]>::try_from(std::io::stdin().as_fd().try_clone_to_owned().unwrap())
            .unwrap_err();
    }
    #[cfg(feature = "serde")]
    for round in 0..rounds {
        // Encoding many bytes is slow without optimisation, so a large body now and then.
        handles::every_fate(&a, &b, if round % 50 == 0 { 100_000 } else { 10 });
    }
    assert_eq!(open_fds(), before);
}

#[cfg(feature = "serde")]
mod handles {
    use super::*;
    use duplex_pipe::{PipeReceiver, PipeSender};

    type Ends = (PipeSender<u8>, PipeReceiver<u8>, Vec<u8>);

    /// Handles that arrive, that are refused for their bytes or their type, and that are dropped.
    pub(crate) fn every_fate(a: &Duplex<[u8]>, b: &Duplex<[u8]>, len: usize) {
        let out: Duplex<Ends> = a.as_fd().try_clone_to_owned().unwrap().try_into().unwrap();
        let good: Duplex<Ends> = b.as_fd().try_clone_to_owned().unwrap().try_into().unwrap();
        let bad: Duplex<(bool, bool, u8)> =
            b.as_fd().try_clone_to_owned().unwrap().try_into().unwrap();
        let (tx, rx) = simplex().unwrap();
        let ends = (tx, rx, vec![3; len]);
        out.send(&ends).unwrap();
        let (tx, rx, body) = good.recv().unwrap();
        tx.send(&9).unwrap();
        assert_eq!((rx.recv().unwrap(), body.len()), (9, len));
        out.send(&ends).unwrap();
        bad.recv().unwrap_err();
        out.send(&ends).unwrap();
        b.recv().unwrap_err();
    }
}
