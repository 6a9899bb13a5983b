//! Whoever is killed at whatever instruction of a lease: nothing is lost, nothing that was acknowledged comes
//! again, and who sleeps is woken. These tests would see it if it were otherwise: the faults at the end.
//!
//! Here nobody looks around by time (see `ring::waiting`), so a lost wake-up is a hang.

use core::cell::{Cell, RefCell};
use core::sync::atomic::Ordering::SeqCst;
use core::time::Duration;
use std::rc::Rc;

use testkit::{
    End, Limits, Outcome, Report, assert_caught, explore_from_here, fork, is_asleep,
    kill_at_every_instruction, until, watchdog,
};

use super::Leases;

mod joining;
mod scene;
use scene::*;

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

/// What a lease looks like when its author has not thought of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Moves the queue's index before the record is written.
    PublishesFirst,
    /// Takes every record that a dead thread was taking for a message that has left the queue.
    ForgetsTheIndex,
    /// Sleeps on news alone.
    WatchesNoLives,
    /// Does not watch the other who may be told of a death in its place.
    IgnoresTheOther,
    /// Takes a message from one who was found dead, and not whether he has acknowledged it before.
    TrustsTheFirstLook,
}

thread_local! {
    /// The fault of this thread, and of what it forks.
    static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
    /// What this thread does once, having seen who has a record, before it looks whether he lives.
    static BETWEEN: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

pub(super) fn between_two_looks() {
    let act = BETWEEN.try_with(RefCell::take).ok().flatten();
    if let Some(act) = act {
        act();
    }
}

pub(super) fn has(fault: Fault) -> bool {
    FAULT.get() == Some(fault)
}

/// How long a process that has something to do is given.
fn patience() -> Duration {
    if FAULT.get().is_some() { Duration::from_secs(2) } else { WAIT }
}

/// Every instruction, or what `KILL_STRIDE` says.
fn limits<'h, S>() -> Limits<'h, S> {
    thin(1)
}

/// Every `stride`th instruction, or what `KILL_STRIDE` says; a fault is looked for at all of them.
fn thin<'h, S>(stride: usize) -> Limits<'h, S> {
    let stride = match (FAULT.get(), std::env::var_os("KILL_STRIDE")) {
        (Some(_), _) => 1,
        (None, Some(_)) => Limits::<S>::default().stride,
        (None, None) => stride,
    };
    Limits { stride, max_points: 50_000, from_mark: true, ..Limits::default() }
}

fn passes(what: &str, explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    let report = explore();
    println!("| {what:<40} {report}");
    assert_eq!(report.end, End::Finished);
}

fn is_caught(fault: Fault, explore: impl FnOnce() -> Report, what: &str) {
    let _dog = watchdog(DOG);
    FAULT.set(Some(fault));
    assert_caught(explore, what);
    FAULT.set(None);
}

/// The victim gets a message and acknowledges it, nobody else being there.
fn alone<Q: Queue>(ack: bool) -> Report {
    kill_at_every_instruction(
        Q::limits(),
        || Scene::<Q>::with(4, [10, 11]),
        |scene| {
            scene.begin();
            scene.work(|| (), ack);
        },
        |scene, _| {
            scene.drain();
            scene.judge(10);
            scene.all_done(&[11]);
        },
    )
}

/// As above; the victim has not had anything to do with the queue before, and takes its place, too.
fn for_the_first_time() -> Report {
    kill_at_every_instruction(
        Limits { from_mark: false, ..thin(3) },
        || Scene::<Numbers>::with(4, [10, 11]),
        |scene| scene.work(|| (), true),
        |scene, _| {
            scene.drain();
            scene.judge(10);
            scene.all_done(&[11]);
        },
    )
}

/// As `alone`, with a receiver that sleeps for want of messages.
fn with_a_sleeper<Q: Queue>(ack: bool) -> Report {
    kill_at_every_instruction(
        limits(),
        || {
            let scene = Scene::<Q>::with(4, [10]);
            let sleeper = fork(|| {
                until(WAIT, "the lease", || scene.word(GOT) == 1);
                assert!(scene.do_one());
            });
            scene.others.borrow_mut().push(sleeper);
            scene
        },
        |scene| {
            let begin = || {
                let sleeper = scene.others.borrow()[0].pid();
                until(WAIT, "the other's sleep", || is_asleep(sleeper));
                explore_from_here();
            };
            scene.work(begin, ack);
        },
        |scene, point| {
            if scene.word(ACKS) == 1 {
                // It may be done with; then the sleeper is to have another.
                scene.queue.send(11);
                scene.others_end_well(point);
                scene.drain();
                scene.all_done(&[11]);
            } else {
                scene.others_end_well(point);
                scene.drain();
            }
            scene.judge(10);
        },
    )
}

/// The victim has the only lease, and another receiver sleeps for it.
fn with_one_who_lacks_a_lease<Q: Queue>(ack: bool) -> Report {
    kill_at_every_instruction(
        limits(),
        || {
            let scene = Scene::<Q>::with(1, [10, 11]);
            let sleeper = fork(|| {
                until(WAIT, "the lease", || scene.word(GOT) == 1);
                assert!(scene.do_one());
            });
            scene.others.borrow_mut().push(sleeper);
            scene
        },
        |scene| {
            let begin = || {
                let sleeper = scene.others.borrow()[0].pid();
                until(WAIT, "the other's sleep", || is_asleep(sleeper));
                explore_from_here();
            };
            scene.work(begin, ack);
        },
        |scene, point| {
            scene.others_end_well(point);
            scene.drain();
            scene.all_done(&[11]);
            scene.judge(10);
        },
    )
}

/// The victim has the last message, and another receiver sleeps to learn that it was the last.
fn with_one_who_waits_for_the_end<Q: Queue>(ack: bool) -> Report {
    kill_at_every_instruction(
        limits(),
        || {
            let scene = Scene::<Q>::with(4, [10]);
            scene.queue.close();
            let sleeper = fork(|| {
                until(WAIT, "the lease", || scene.word(GOT) == 1);
                while scene.do_one() {}
                scene.set(OTHERS_END);
            });
            scene.others.borrow_mut().push(sleeper);
            scene
        },
        |scene| {
            let begin = || {
                let sleeper = scene.others.borrow()[0].pid();
                until(WAIT, "the other's sleep", || is_asleep(sleeper));
                explore_from_here();
            };
            scene.work(begin, ack);
        },
        |scene, point| {
            scene.others_end_well(point);
            assert_eq!(scene.word(OTHERS_END), 1);
            scene.judge(10);
        },
    )
}

/// The victim has the last message, and a sender waits until it is done.
fn with_one_who_joins<Q: Queue>(ack: bool) -> Report {
    kill_at_every_instruction(
        limits(),
        || {
            let scene = Scene::<Q>::with(4, [10]);
            let joiner = fork(|| {
                until(WAIT, "the lease", || scene.word(GOT) == 1);
                scene.queue.join();
            });
            scene.others.borrow_mut().push(joiner);
            scene
        },
        |scene| {
            let begin = || {
                let joiner = scene.others.borrow()[0].pid();
                until(WAIT, "the other's sleep", || is_asleep(joiner));
                explore_from_here();
            };
            scene.work(begin, ack);
        },
        |scene, point| {
            let is_done = scene.queue.unfinished() == 0;
            assert!(is_done || scene.word(ACKED) == 0);
            if !is_done {
                scene.drain();
            }
            scene.others_end_well(point);
            scene.judge(10);
        },
    )
}

/// Somebody died who had a message; the victim takes it over.
fn taking_over<Q: Queue>(ack: bool) -> Report {
    kill_at_every_instruction(
        Q::limits(),
        || {
            let scene = Scene::<Q>::with(4, [10, 11]);
            let first = fork(|| {
                scene.queue.lease(|number, _| {
                    assert_eq!(number, 10);
                    std::process::abort()
                });
            });
            assert_eq!(first.wait(), Outcome::Signaled(6));
            // It looks at the records in turn, from the second on.
            for _ in 0..3 {
                scene.queue.send(12);
            }
            scene
        },
        |scene| {
            scene.begin();
            scene.queue.lease(|number, _| {
                scene.page[GOT].store(number, SeqCst);
                if ack {
                    scene.set(ACKS);
                }
                ack
            });
            if ack {
                scene.set(ACKED);
            }
        },
        |scene, _| {
            scene.drain();
            let mine = scene.word(GOT);
            for (number, times) in [(10, 1), (11, 1), (12, 3)] {
                let done = scene.word(number as usize);
                let by_the_victim = u64::from(mine == number);
                assert!(done <= times, "{number} came {done} times");
                assert!(done + by_the_victim * scene.word(ACKS) >= times, "{number} is lost");
                assert!(
                    done + by_the_victim * scene.word(ACKED) <= times,
                    "{number} came after its acknowledgement"
                );
            }
        },
    )
}

/// The victim sleeps for a message, another behind it; two come.
fn woken<Q: Queue>() -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene<Q>| {
            scene.start_receiver();
            scene.set(OTHERS_END);
            scene.queue.send(10);
            scene.queue.send(11);
        })),
        ..thin(13)
    };
    let victim = |scene: &Scene<Q>| {
        scene.begin();
        scene.queue.lease(|number, _| {
            scene.page[GOT].store(number, SeqCst);
            scene.set(ACKS);
            true
        });
        scene.set(ACKED);
    };
    kill_at_every_instruction(
        limits,
        || Scene::<Q>::with(4, []),
        victim,
        |scene, point| {
            if scene.word(OTHERS_END) == 0 {
                // Killed before it slept, or in its sleep.
                scene.queue.send(10);
                scene.queue.send(11);
            }
            scene.others_end_well(point);
            scene.drain();
            for number in [10, 11] {
                let done = scene.word(number as usize);
                let by_the_victim = u64::from(scene.word(GOT) == number);
                assert!(done + by_the_victim * scene.word(ACKED) <= 1, "{number} came again");
                assert!(done + by_the_victim * scene.word(ACKS) >= 1, "{number} is lost");
            }
        },
    )
}

/// The victim sleeps, and is woken by the death of the one who has the message.
fn woken_by_a_death<Q: Queue>() -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene<Q>| {
            scene.set(OTHERS_END);
            scene.kill_the_holder();
        })),
        ..thin(13)
    };
    kill_at_every_instruction(
        limits,
        Scene::<Q>::with_a_holder,
        |scene| {
            scene.begin();
            scene.work(|| (), true);
        },
        |scene, point| {
            if !scene.others.borrow().is_empty() {
                assert_eq!(scene.word(OTHERS_END), 0, "{point}");
                scene.kill_the_holder();
            }
            scene.drain();
            scene.judge(10);
        },
    )
}

/// One who has a message acknowledges it and dies, just when another has seen that he has it. Says whether it
/// came again.
fn acknowledged_between_two_looks() -> bool {
    let _dog = watchdog(DOG);
    // The other finds two messages: one in the queue, for which it goes in, and comes by the first record.
    let scene = Rc::new(Scene::<Numbers>::with(2, [10]));
    let holder = fork(|| {
        let go_on = || until(WAIT, "the word", || scene.word(OTHERS_END) == 1);
        scene.work(go_on, true);
    });
    until(WAIT, "the lease", || scene.word(GOT) == 1);
    let other = Rc::clone(&scene);
    BETWEEN.set(Some(Box::new(move || {
        other.set(OTHERS_END);
        holder.assert_ok();
    })));
    scene.queue.send(11);
    let window = scene.queue.1.lease_many(2).unwrap().ack();
    let again = window.contains(&10);
    assert!(BETWEEN.take().is_none(), "nobody has looked");
    assert_eq!(scene.word(ACKED), 1);
    again
}

/// Windows of two, across what comes again.
fn window() -> Report {
    kill_at_every_instruction(
        thin(3),
        || {
            let scene = Scene::<Numbers>::with(4, [10, 11, 12]);
            drop(scene.queue.1.lease());
            scene
        },
        |scene| {
            scene.begin();
            let window = scene.queue.1.lease_many(3).unwrap();
            scene.set(GOT);
            assert_eq!(window.len(), 3);
            scene.set(ACKS);
            Leases::ack(window);
            scene.set(ACKED);
        },
        |scene, _| {
            scene.drain();
            for number in [10, 11, 12] {
                let done = scene.word(number);
                assert!(done <= 1, "{number} came {done} times");
                assert!(scene.word(ACKS) == 1 || done == 1, "{number} is lost");
                assert!(scene.word(ACKED) == 0 || done == 0, "{number} came again");
            }
        },
    )
}

#[test]
fn leasing_alone() {
    passes("lease, ack", || alone::<Numbers>(true));
    passes("lease, give back", || alone::<Numbers>(false));
    passes("lease bytes, ack", || alone::<Bytes>(true));
    passes("lease for the first time", for_the_first_time);
}

#[test]
fn leasing_windows() {
    passes("lease_many, ack", window);
}

#[test]
fn ending_a_lease_while_another_sleeps() {
    passes("ack, with a sleeper", || with_a_sleeper::<Numbers>(true));
    passes("give back, with a sleeper", || with_a_sleeper::<Numbers>(false));
    passes("give back bytes, with a sleeper", || with_a_sleeper::<Bytes>(false));
}

#[test]
fn ending_the_only_lease_while_another_sleeps() {
    passes("ack, the only lease", || with_one_who_lacks_a_lease::<Numbers>(true));
    passes("give back, the only lease", || with_one_who_lacks_a_lease::<Numbers>(false));
    passes("ack bytes, the only lease", || with_one_who_lacks_a_lease::<Bytes>(true));
}

#[test]
fn ending_the_last_lease_while_another_waits_for_the_end() {
    passes("ack, the last", || with_one_who_waits_for_the_end::<Numbers>(true));
    passes("give back, the last", || with_one_who_waits_for_the_end::<Numbers>(false));
}

#[test]
fn ending_the_last_lease_while_a_sender_joins() {
    passes("ack, with one who joins", || with_one_who_joins::<Numbers>(true));
    passes("give back, with one who joins", || with_one_who_joins::<Numbers>(false));
}

#[test]
fn taking_over_from_the_dead() {
    passes("take over, ack", || taking_over::<Numbers>(true));
    passes("take over, give back", || taking_over::<Numbers>(false));
    passes("take over bytes", || taking_over::<Bytes>(true));
}

#[test]
fn woken_to_lease() {
    passes("woken by a message", woken::<Numbers>);
    passes("woken by a message, bytes", woken::<Bytes>);
    passes("woken by a death", woken_by_a_death::<Numbers>);
}

/// One who was killed in its sleep has said that it wants to know of every acknowledgement.
#[test]
fn the_wishes_of_the_dead_are_forgotten() {
    let _dog = watchdog(DOG);
    let scene = Scene::<Numbers>::with(1, [10, 11]);
    let ledger = scene.queue.1.end.memory().ledger().unwrap();
    let wanted = || [0, 1].map(|who| ledger.waiting().wanted[who].load(SeqCst));
    let lease = scene.queue.1.lease().unwrap();
    scene.start_receiver();
    scene.start_sleeper(|| scene.queue.join());
    assert_eq!(wanted(), [1, 1]);
    for child in scene.others.take() {
        child.kill();
        assert_eq!(child.wait(), Outcome::Signaled(9));
    }
    assert_eq!(wanted(), [1, 1]);
    lease.ack();
    assert_eq!(wanted(), [0, 0]);
}

#[test]
fn what_was_acknowledged_between_two_looks_does_not_come_again() {
    assert!(!acknowledged_between_two_looks());
    FAULT.set(Some(Fault::TrustsTheFirstLook));
    assert!(acknowledged_between_two_looks(), "the fault is to be seen");
    FAULT.set(None);
}

#[test]
fn faults_are_caught() {
    is_caught(Fault::PublishesFirst, || alone::<Numbers>(true), "is lost");
    is_caught(Fault::ForgetsTheIndex, || alone::<Numbers>(true), "came 2 times");
    is_caught(Fault::WatchesNoLives, || with_a_sleeper::<Numbers>(false), "sleeps on");
}
