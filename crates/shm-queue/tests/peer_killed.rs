//! Whoever is killed at whatever instruction of an operation: the others go on, and what was sent is
//! there once and in order.
//!
//! These are the cases to read. All verbs and all kinds of messages in many more cases, at every
//! instruction: `cargo xtask crash`. That such tests can see a lost wake-up is shown inside the crate
//! (`ring/killed.rs`), where the publication can be cut in two.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use multiproc_core::{deadline::Deadline, futex};
use shm_queue::{ByteReceiver, ByteSender, Receiver, RecvError, Sender, bounded, bounded_bytes};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    Child, End, KillPoint, Limits, Outcome, Report, SharedPage, fork, is_asleep,
    kill_at_every_instruction, until, watchdog,
};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

/// How an operation waits.
#[derive(Clone, Copy)]
enum Verb {
    Block,
    Try,
    Timeout,
}

/// A queue that tells messages by number.
trait Queue {
    /// Room for three messages and not four; empty, and its next messages cross its end.
    fn make() -> Self;
    fn send(&self, number: u64, verb: Verb);
    fn recv(&self, verb: Verb) -> u64;
}

impl Queue for (Sender<u64>, Receiver<u64>) {
    fn make() -> Self {
        let ends = bounded(3).unwrap();
        // Two of four cells.
        for number in 0..2 {
            Queue::send(&ends, number, Verb::Block);
            assert_eq!(Queue::recv(&ends, Verb::Try), number);
        }
        ends
    }

    fn send(&self, number: u64, verb: Verb) {
        match verb {
            Verb::Block => self.0.send(number).unwrap(),
            Verb::Try => self.0.try_send(number).unwrap(),
            Verb::Timeout => self.0.send_timeout(number, WAIT).unwrap(),
        }
    }

    fn recv(&self, verb: Verb) -> u64 {
        match verb {
            Verb::Block => self.1.recv().unwrap(),
            Verb::Try => self.1.try_recv().unwrap(),
            Verb::Timeout => self.1.recv_timeout(WAIT).unwrap(),
        }
    }
}

/// The length and the fill of a message follow from its number, so a torn one shows.
fn message(number: u64) -> Vec<u8> {
    let mut message = vec![number as u8; 17 + number as usize % 8];
    message[..8].copy_from_slice(&number.to_ne_bytes());
    message
}

impl Queue for (ByteSender, ByteReceiver) {
    fn make() -> Self {
        // Each takes 24 bytes: three and a half fit.
        let ends = bounded_bytes(8, 84).unwrap();
        // Two that overlap in time, so that the next begin in the middle of the arena.
        for number in 0..2 {
            Queue::send(&ends, number, Verb::Block);
        }
        assert_eq!(Queue::recv(&ends, Verb::Try), 0);
        Queue::send(&ends, 2, Verb::Block);
        assert_eq!([1, 2].map(|_| Queue::recv(&ends, Verb::Try)), [1, 2]);
        ends
    }

    fn send(&self, number: u64, verb: Verb) {
        let message = message(number);
        match verb {
            Verb::Block => self.0.send(&message).unwrap(),
            Verb::Try => self.0.try_send(&message).unwrap(),
            Verb::Timeout => self.0.send_timeout(&message, WAIT).unwrap(),
        }
    }

    fn recv(&self, verb: Verb) -> u64 {
        let received = match verb {
            Verb::Block => self.1.recv().unwrap(),
            Verb::Try => self.1.try_recv().unwrap(),
            Verb::Timeout => self.1.recv_timeout(WAIT).unwrap(),
        };
        let number = u64::from_ne_bytes(*received.first_chunk().unwrap());
        assert_eq!(received, message(number), "garbage");
        number
    }
}

type Numbers = (Sender<u64>, Receiver<u64>);
type Bytes = (ByteSender, ByteReceiver);

/// What the victim sends.
const ITS_OWN: u64 = 50;
/// What is sent after the kill.
const FRESH: u64 = 60;

/// A queue, the processes that use it, and what they received.
struct Scene<Q> {
    queue: Q,
    page: SharedPage,
    others: RefCell<Vec<Child>>,
}

impl<Q: Queue> Scene<Q> {
    /// With these messages in it.
    fn with(numbers: impl IntoIterator<Item = u64>) -> Self {
        let queue = Q::make();
        for number in numbers {
            queue.send(number, Verb::Block);
        }
        Self { queue, page: SharedPage::new(100), others: RefCell::default() }
    }

    /// Starts a process, which sleeps when this returns.
    fn start_sleeper(&self, body: impl FnOnce()) {
        let child = fork(body);
        until(WAIT, "the other's sleep", || is_asleep(child.pid()));
        self.others.borrow_mut().push(child);
    }

    /// Starts a process that waits for a message, and notes which it was.
    fn start_receiver(&self) {
        self.start_sleeper(|| {
            let number = self.queue.recv(Verb::Block);
            self.page[number as usize].fetch_add(1, SeqCst);
        });
    }

    fn start_sender(&self, number: u64) {
        self.start_sleeper(|| self.queue.send(number, Verb::Block));
    }

    fn others_end_well(&self, point: KillPoint) {
        for mut child in self.others.take() {
            let end = child.wait_timeout(WAIT);
            assert_eq!(end, Some(Outcome::Exited(0)), "a process hangs or fails: {point}");
        }
    }

    /// After the kill: a fresh process sends, another one receives all that is there.
    fn drain(&self) -> Vec<u64> {
        let mut sender = fork(|| self.queue.send(FRESH, Verb::Timeout));
        let mut receiver = fork(|| {
            for at in 0.. {
                let number = self.queue.recv(Verb::Timeout);
                self.page[90 + at].store(number, SeqCst);
                if number == FRESH {
                    break;
                }
            }
        });
        for child in [&mut sender, &mut receiver] {
            assert_eq!(child.wait_timeout(WAIT), Some(Outcome::Exited(0)), "a newcomer hangs");
        }
        let all = self.page[90..].iter().map(|cell| cell.load(SeqCst));
        all.take_while(|number| *number != FRESH).collect()
    }
}

fn passes(what: &str, explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    let report = explore();
    println!("| {what:<40} {report}");
    assert_eq!(report.end, End::Finished);
}

/// One in seven: each victim sleeps first, and has thousands of instructions behind its sleep.
fn now_and_then<'a, S>() -> Limits<'a, S> {
    let every = Limits::<S>::default().stride;
    Limits { stride: 7 * every, ..Limits::default() }
}

fn send<Q: Queue>() -> Report {
    kill_at_every_instruction(
        Limits::default(),
        || Scene::<Q>::with([10]),
        |scene| scene.queue.send(ITS_OWN, Verb::Block),
        |scene, point| {
            let there = scene.drain();
            let sent = there == [10, ITS_OWN];
            assert!(sent || there == [10] && !point.finished, "{there:?}");
        },
    )
}

fn recv<Q: Queue>() -> Report {
    let mut lost = 0;
    let report = kill_at_every_instruction(
        // Whatever is thinned elsewhere: some of them must lie in the window.
        Limits { stride: 1, ..Limits::default() },
        || Scene::<Q>::with([10, 11]),
        |scene| assert_eq!(scene.queue.recv(Verb::Block), 10),
        |scene, point| {
            let there = scene.drain();
            let taken = there == [11];
            assert!(taken || there == [10, 11] && !point.finished, "{there:?}");
            // The window in which a message is taken and not given: documented.
            lost += usize::from(taken && !point.finished);
        },
    );
    assert!(lost > 0 && lost < report.points);
    report
}

/// The victim sleeps in an empty queue, another behind it; two messages come.
fn woken_receiver<Q: Queue>() -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene<Q>| {
            scene.start_receiver();
            scene.page[0].store(1, SeqCst);
            scene.queue.send(10, Verb::Block);
            scene.queue.send(11, Verb::Block);
        })),
        ..now_and_then()
    };
    let victim = |scene: &Scene<Q>| {
        let number = scene.queue.recv(Verb::Block);
        scene.page[number as usize].fetch_add(1, SeqCst);
    };
    kill_at_every_instruction(
        limits,
        || Scene::<Q>::with([]),
        victim,
        |scene, point| {
            if scene.page[0].load(SeqCst) == 0 {
                // Killed before it slept, or in its sleep.
                assert_eq!(scene.drain(), []);
                return;
            }
            scene.others_end_well(point);
            let there = scene.drain();
            let count = |number: u64| {
                let left = there.iter().filter(|left| **left == number).count() as u64;
                scene.page[number as usize].load(SeqCst) + left
            };
            let counts = [count(10), count(11)];
            let all = point.finished as u64 + 1;
            assert!(counts.iter().all(|count| *count <= 1), "{counts:?}");
            assert!(counts.iter().sum::<u64>() >= all, "more than one is lost: {counts:?}");
        },
    )
}

/// The victim sleeps in a full queue, another behind it; two messages go.
fn woken_sender<Q: Queue>() -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene<Q>| {
            scene.start_sender(51);
            scene.page[0].store(1, SeqCst);
            assert_eq!(scene.queue.recv(Verb::Block), 10);
            assert_eq!(scene.queue.recv(Verb::Block), 11);
        })),
        ..now_and_then()
    };
    let setup = || Scene::<Q>::with([10, 11, 12]);
    let victim = |scene: &Scene<Q>| scene.queue.send(ITS_OWN, Verb::Block);
    kill_at_every_instruction(limits, setup, victim, |scene, point| {
        if scene.page[0].load(SeqCst) == 0 {
            assert_eq!(scene.drain(), [10, 11, 12]);
            return;
        }
        scene.others_end_well(point);
        let there = scene.drain();
        assert_eq!(there[0], 12);
        let rest: BTreeSet<_> = there[1..].iter().copied().collect();
        assert_eq!(rest.len(), there.len() - 1, "{there:?}");
        let both = rest == BTreeSet::from([ITS_OWN, 51]);
        assert!(both || rest == BTreeSet::from([51]) && !point.finished, "{there:?}");
    })
}

#[test]
fn sending() {
    passes("send", send::<Numbers>);
    passes("send bytes", send::<Bytes>);
}

#[test]
fn receiving() {
    passes("recv", recv::<Numbers>);
    passes("recv bytes", recv::<Bytes>);
}

#[test]
fn woken_to_receive() {
    passes("woken to recv", woken_receiver::<Numbers>);
}

#[test]
fn woken_to_send() {
    passes("woken to send", woken_sender::<Numbers>);
}

/// The victim drops the last sender while a receiver sleeps.
#[test]
fn leaving() {
    struct Leaving {
        tx: Cell<Option<Sender<u64>>>,
        rx: Receiver<u64>,
        rouse: SharedPage,
        receiver: Cell<Option<Child>>,
    }

    fn start_receiver(scene: &Leaving) -> Child {
        // The victim has the only copy now.
        drop(scene.tx.take());
        fork(|| assert_eq!(scene.rx.recv(), Err(RecvError)))
    }

    passes("drop of the last sender", || {
        let limits = Limits {
            on_sleep: Some(Box::new(|scene: &Leaving| {
                let receiver = start_receiver(scene);
                until(WAIT, "the receiver's sleep", || is_asleep(receiver.pid()));
                scene.receiver.set(Some(receiver));
                scene.rouse[0].store(1, SeqCst);
                futex::wake(futex::low_half(&scene.rouse[0]), 1);
            })),
            ..Limits::default()
        };
        let setup = || {
            let (tx, rx) = bounded(2).unwrap();
            let tx = Cell::new(Some(tx));
            Leaving { tx, rx, rouse: SharedPage::new(1), receiver: Cell::new(None) }
        };
        let victim = |scene: &Leaving| {
            let tx = scene.tx.take();
            while scene.rouse[0].load(SeqCst) == 0 {
                futex::wait(futex::low_half(&scene.rouse[0]), 0, Deadline::NEVER);
            }
            drop(tx);
        };
        kill_at_every_instruction(limits, setup, victim, |scene, point| {
            let mut receiver = scene.receiver.take().unwrap_or_else(|| start_receiver(&scene));
            let end = receiver.wait_timeout(WAIT);
            assert_eq!(end, Some(Outcome::Exited(0)), "the receiver is not told: {point}");
        })
    });
}

/// The one that sleeps inside is killed; who waits behind it takes its place.
fn next_in_line<Q: Queue>() {
    let _dog = watchdog(DOG);
    let kill_first = |scene: &Scene<Q>| {
        let first = scene.others.borrow_mut().remove(0);
        first.kill();
        assert_eq!(first.wait(), Outcome::Signaled(9));
    };
    let nowhere = KillPoint { instruction: 0, asleep: true, finished: false, ip: 0 };

    let scene = Scene::<Q>::with([]);
    scene.start_receiver();
    scene.start_receiver();
    kill_first(&scene);
    scene.queue.send(10, Verb::Block);
    scene.others_end_well(nowhere);
    assert_eq!(scene.page[10].load(SeqCst), 1);
    assert_eq!(scene.drain(), []);

    let scene = Scene::<Q>::with([10, 11, 12]);
    scene.start_sender(50);
    scene.start_sender(51);
    kill_first(&scene);
    assert_eq!(scene.queue.recv(Verb::Block), 10);
    scene.others_end_well(nowhere);
    assert_eq!(scene.drain(), [11, 12, 51]);
}

#[test]
fn the_next_takes_the_place_of_a_sleeper() {
    next_in_line::<Numbers>();
    next_in_line::<Bytes>();
}
