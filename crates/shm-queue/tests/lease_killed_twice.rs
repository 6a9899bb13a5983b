//! A receiver is killed with a message, and then whoever takes it over, at every instruction of both.
//!
//! `KILL_STRIDE=1 cargo test -p shm-queue --test lease_killed_twice` kills all pairs, which takes an hour or
//! more; without it one in some hundreds.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use multiproc_core::deadline;
use shm_queue::{LeaseReceiver, Sender, bounded_leased};
use std::cell::RefCell;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    Child, Limits, Outcome, PairReport, SharedPage, explore_from_here, fork, is_asleep, kill_pairs,
    until, watchdog,
};

const WAIT: Duration = Duration::from_secs(20);
const DOG: Duration = Duration::from_secs(7_200);

// Words of the page, for the victim and for the recoverer: what it has got, that it is about to acknowledge
// it, that it has. Below, how often others have done each message.
const GOT: [usize; 2] = [60, 70];
const ACKS: usize = 1;
const ACKED: usize = 2;

struct Scene {
    tx: Sender<u64>,
    rx: LeaseReceiver<u64>,
    page: SharedPage,
    others: RefCell<Vec<Child>>,
}

impl Scene {
    fn with(messages: &[u64]) -> Self {
        // A lost wake-up is to be a hang.
        deadline::without_slices();
        let (tx, rx) = bounded_leased(8, 4).unwrap();
        tx.send_many(messages).unwrap();
        Self { tx, rx, page: SharedPage::new(80), others: RefCell::default() }
    }

    fn word(&self, at: usize) -> u64 {
        self.page[at].load(SeqCst)
    }

    /// What both who are killed do.
    fn work(&self, who: usize, ack: bool) {
        let at = GOT[who];
        // Its place is no part of what is explored.
        assert!(self.rx.take_poisoned().unwrap().is_none());
        explore_from_here();
        let lease = self.rx.lease().unwrap();
        self.page[at].store(*lease, SeqCst);
        if ack {
            self.page[at + ACKS].store(1, SeqCst);
            lease.ack();
            self.page[at + ACKED].store(1, SeqCst);
        }
    }

    fn do_one(&self) -> bool {
        let Ok(lease) = self.rx.lease() else { return false };
        self.page[*lease as usize].fetch_add(1, SeqCst);
        lease.ack();
        true
    }

    /// A fresh process does what is left; then each message was done once.
    fn judge(&self, messages: &[u64]) {
        self.tx.close();
        let mut receiver = fork(|| while self.do_one() {});
        assert_eq!(receiver.wait_timeout(WAIT), Some(Outcome::Exited(0)), "a newcomer hangs");
        for mut child in self.others.take() {
            assert_eq!(child.wait_timeout(WAIT), Some(Outcome::Exited(0)), "a process sleeps on");
        }
        for number in messages {
            let by = |word| {
                GOT.iter()
                    .filter(|at| self.word(**at) == *number)
                    .map(|at| self.word(at + word))
                    .sum::<u64>()
            };
            let done = self.word(*number as usize);
            assert!(done <= 1, "{number} came {done} times");
            assert!(done + by(ACKS) >= 1, "{number} is lost");
            assert!(done + by(ACKED) <= 1, "{number} came after its acknowledgement");
        }
    }
}

/// One in `stride` instructions, or what `KILL_STRIDE` says.
fn thin<'h>(stride: usize) -> Limits<'h, Scene> {
    let stride = match std::env::var_os("KILL_STRIDE") {
        Some(_) => Limits::<Scene>::default().stride,
        None => stride,
    };
    Limits { stride, from_mark: true, max_points: 50_000, ..Limits::default() }
}

fn passes(what: &str, explore: impl FnOnce() -> PairReport) {
    let _dog = watchdog(DOG);
    let report = explore();
    println!("| {what:<40} {report}");
    assert!(report.pairs > report.firsts);
}

fn both(messages: &'static [u64], acks: [bool; 2], setup: impl Fn(&Scene)) -> PairReport {
    kill_pairs(
        thin(29),
        thin(31),
        || {
            let scene = Scene::with(messages);
            setup(&scene);
            scene
        },
        |scene| scene.work(0, acks[0]),
        |scene| scene.work(1, acks[1]),
        |scene, _| scene.judge(messages),
    )
}

#[test]
fn one_after_the_other() {
    passes("lease, ack; lease, ack", || both(&[10, 11, 12], [true, true], |_| ()));
    passes("lease, give back; lease, ack", || both(&[10, 11, 12], [false, true], |_| ()));
}

#[test]
fn the_third_to_have_a_message() {
    let first = |scene: &Scene| {
        let first = fork(|| {
            let _lease = scene.rx.lease().unwrap();
            std::process::abort();
        });
        assert_eq!(first.wait(), Outcome::Signaled(6));
    };
    // Nothing else is there: what they get is what the first had.
    passes("take over, ack; take over, ack", || both(&[10], [false, true], first));
}

/// The first gives its message back, a third process sleeps for it, and the second comes to take it.
#[test]
fn while_another_sleeps() {
    passes("give back, with a sleeper; try_lease, ack", || {
        kill_pairs(
            thin(3),
            thin(31),
            || {
                let scene = Scene::with(&[10]);
                let sleeper = fork(|| {
                    until(WAIT, "the lease", || scene.word(GOT[0]) == 10);
                    while scene.do_one() {}
                });
                scene.others.borrow_mut().push(sleeper);
                scene
            },
            |scene| {
                let lease = scene.rx.lease().unwrap();
                scene.page[GOT[0]].store(*lease, SeqCst);
                let sleeper = scene.others.borrow()[0].pid();
                until(WAIT, "the other's sleep", || is_asleep(sleeper));
                explore_from_here();
                drop(lease);
            },
            |scene| {
                assert!(scene.rx.take_poisoned().unwrap().is_none());
                explore_from_here();
                let Ok(lease) = scene.rx.try_lease() else { return };
                scene.page[GOT[1]].store(*lease, SeqCst);
                scene.page[GOT[1] + ACKS].store(1, SeqCst);
                lease.ack();
                scene.page[GOT[1] + ACKED].store(1, SeqCst);
            },
            |scene, _| {
                if scene.word(GOT[1] + ACKS) == 0 {
                    until(WAIT, "the sleeper's waking", || scene.word(10) == 1);
                }
                scene.judge(&[10]);
            },
        )
    });
}
