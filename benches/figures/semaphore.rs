//! Semaphores that nobody waits for.

#![allow(unsafe_code, reason = "measures sem_t beside ours")]

use crate::table::{fewer, row, seconds};
use multiproc::{PermitPool, Semaphore};
use std::hint::black_box;

pub(crate) fn rows() {
    let n = fewer(3_000_000);
    // SAFETY: all-zero bytes are a valid value of this C struct.
    let mut sem_t: libc::sem_t = unsafe { std::mem::zeroed() };
    // SAFETY: initialised here and used below while it lives.
    unsafe { libc::sem_init(&raw mut sem_t, 1, 1) };
    let mut theirs = || {
        seconds(|| {
            for _ in 0..n {
                // SAFETY: initialised above.
                unsafe { libc::sem_wait(black_box(&raw mut sem_t)) };
                // SAFETY: as above.
                unsafe { libc::sem_post(&raw mut sem_t) };
            }
        })
    };
    let ours = Semaphore::new(1).unwrap();
    row(
        "semaphore acquire + release, ns",
        1e9 / n as f64,
        "sem_t, shared",
        || {
            seconds(|| {
                for _ in 0..n {
                    black_box(&ours).acquire();
                    ours.release().unwrap();
                }
            })
        },
        &mut theirs,
    );
    let permits = PermitPool::new(1).unwrap();
    row(
        "permit acquire + drop, ns",
        1e9 / n as f64,
        "sem_t, shared",
        || {
            seconds(|| {
                for _ in 0..n {
                    drop(black_box(black_box(&permits).acquire().unwrap()));
                }
            })
        },
        &mut theirs,
    );
}
