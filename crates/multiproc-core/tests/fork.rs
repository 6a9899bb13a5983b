//! A child that is forked while other threads of its parent make segments can make its own.

#![allow(clippy::unwrap_used, reason = "a test")]

use multiproc_core::header::{Item, Spec};
use multiproc_core::segment::{self, Place};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{fork, watchdog};

fn make() {
    let spec = Spec { kind: "test", item: Item::of::<u64>(), capacity: 3, detail: 4 };
    drop(segment::create(Place::Anonymous("test"), &spec, 256, |_| ()).unwrap());
}

#[test]
fn the_register_of_mappings_is_never_locked_in_a_forked_child() {
    let _dog = watchdog(Duration::from_secs(60));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                make();
            }
        });
        for _ in 0..300 {
            fork(make).assert_ok();
        }
        stop.store(true, SeqCst);
    });
}
