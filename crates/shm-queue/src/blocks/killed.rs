//! Whoever is killed, and whoever watched: these tests would see a lost wake-up, or a block with
//! two masters.
//!
//! Outside the unit tests a leader looks around now and then, so a lost wake-up would only make it
//! late. Here it would sleep on. Each control breaks one rule of the protocol, and must be caught.

use core::cell::{Cell, RefCell};
use core::sync::atomic::Ordering::SeqCst;
use core::time::Duration;

use testkit::{
    Child, End, KillPoint, Limits, Outcome, PairReport, Report, SharedPage, assert_caught,
    explore_from_here, fork, is_asleep, kill_at_every_instruction, kill_pairs, until, watchdog,
};

use multiproc_core::spin::Spin;

use super::{BlockReceiver, BlockSender, Blocks, WriteGuard, bounded_blocks};

mod two_sizes;

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Nothing,
    /// The block's word says QUEUED only after the ring's index moved.
    QueuesLate,
    /// A leader does not sleep on the lives of who has the blocks.
    WatchesNobody,
    /// A leader keeps the news of a death to itself.
    TellsNobody,
}

thread_local! {
    /// Which rule this thread, and what it forks, breaks.
    static BROKEN: Cell<Broken> = const { Cell::new(Broken::Nothing) };
}

pub(super) fn is_broken(rule: Broken) -> bool {
    BROKEN.get() == rule
}

/// How long a process that has something to do is given.
fn patience() -> Duration {
    if is_broken(Broken::Nothing) { WAIT } else { Duration::from_secs(2) }
}

/// How many blocks the scenes have.
const BLOCKS: usize = 2;
const LEN: usize = 200;

/// A queue, the processes that use it, and blocks that this one has.
struct Scene {
    tx: BlockSender,
    rx: BlockReceiver,
    page: SharedPage,
    others: RefCell<Vec<Child>>,
    held: RefCell<Vec<WriteGuard>>,
}

impl Scene {
    fn new() -> Self {
        Self::of(Blocks::new(BLOCKS, LEN))
    }

    fn of(blocks: Blocks) -> Self {
        // What is done for the first time in a process shall not be done in a victim.
        Spin::new().until(|| true);
        let (tx, rx) = bounded_blocks(BLOCKS, blocks).unwrap();
        Self {
            tx,
            rx,
            page: SharedPage::new(100),
            others: RefCell::default(),
            held: RefCell::default(),
        }
    }

    /// With these messages in it, sent by a process that is gone.
    fn with(numbers: &[u8]) -> Self {
        let scene = Self::new();
        fork(|| numbers.iter().for_each(|number| scene.send(*number))).assert_ok();
        scene
    }

    fn send(&self, number: u8) {
        self.tx.send(&[number; LEN]).unwrap();
    }

    /// Starts a process, which sleeps when this returns.
    fn start_sleeper(&self, body: impl FnOnce()) {
        let child = fork(body);
        until(WAIT, "the other's sleep", || is_asleep(child.pid()));
        self.others.borrow_mut().push(child);
    }

    /// Starts a process that waits for a block, and gives it back at once.
    fn start_reserver(&self) {
        self.start_sleeper(|| drop(self.tx.reserve(LEN).unwrap()));
    }

    fn hold(&self, count: usize) {
        let mut held = self.held.borrow_mut();
        held.extend((0..count).map(|_| self.tx.try_reserve(LEN).unwrap()));
    }

    fn others_end_well(&self, point: KillPoint) {
        for mut child in self.others.take() {
            let end = child.wait_timeout(patience());
            assert_eq!(end, Some(Outcome::Exited(0)), "a process sleeps on: {point}");
        }
    }

    /// After the kill, with nobody else left: a fresh process receives what is there, whole, and
    /// finds every block free, once.
    fn drain(&self) -> Vec<u8> {
        self.held.borrow_mut().clear();
        let mut fresh = fork(|| {
            let mut at = 0;
            while let Ok(message) = self.rx.try_recv() {
                let bytes = message.to_vec();
                assert_eq!(bytes, [bytes[0]; LEN], "torn");
                self.page[at].store(1 + u64::from(bytes[0]), SeqCst);
                at += 1;
            }
            let size = &self.tx.end.slab.layout.sizes[0].blocks;
            let mut all: Vec<_> =
                size.clone().map_while(|_| self.tx.try_reserve(LEN).ok()).collect();
            assert_eq!(all.len(), size.len(), "a block is lost");
            let mut places: Vec<_> = all.iter_mut().map(WriteGuard::as_mut_ptr).collect();
            places.dedup();
            assert_eq!(places.len(), size.len(), "a block with two masters");
        });
        assert_eq!(fresh.wait_timeout(WAIT), Some(Outcome::Exited(0)), "a newcomer fails");
        let words = self.page.iter().map(|word| word.swap(0, SeqCst));
        words.take_while(|word| *word != 0).map(|word| word as u8 - 1).collect()
    }
}

fn marked() -> Limits<'static, Scene> {
    Limits { from_mark: true, max_points: 20_000, ..Limits::default() }
}

/// What a process does once only: it is no part of the operation.
fn attach(scene: &Scene) {
    scene.tx.end.slab.mine().unwrap();
    scene.tx.end.peers();
    scene.rx.end.peers();
}

/// Kills one that reserves, writes and commits.
fn sending() -> Report {
    kill_at_every_instruction(
        marked(),
        || Scene::with(&[10]),
        |scene| {
            attach(scene);
            explore_from_here();
            scene.send(50);
        },
        |scene, point| {
            let there = scene.tx.end.len();
            // Somebody needs all blocks while the message is in the queue.
            fork(|| drop([(); BLOCKS].map(|()| scene.tx.try_reserve(LEN)))).assert_ok();
            let received = scene.drain();
            assert_eq!(received.len(), there, "a message that was sent is lost: {received:?}");
            let sent = received == [10, 50];
            assert!(sent || received == [10] && !point.finished, "{received:?}");
        },
    )
}

/// As above, while a receiver sleeps.
fn sending_to_a_sleeper() -> Report {
    let setup = || {
        let scene = Scene::new();
        scene.start_sleeper(|| assert_eq!(scene.rx.recv().unwrap().len(), LEN));
        scene
    };
    let victim = |scene: &Scene| {
        attach(scene);
        explore_from_here();
        scene.send(50);
    };
    kill_at_every_instruction(marked(), setup, victim, |scene, point| {
        let sleeps = || scene.others.borrow_mut()[0].wait_timeout(Duration::ZERO).is_none();
        let mut sent = point.finished;
        if scene.rx.is_empty() && sleeps() && !sent {
            // Nothing was committed, or the sleeper has it and is about to end: another does no
            // harm.
            fork(|| scene.send(51)).assert_ok();
            sent = true;
        }
        scene.others_end_well(point);
        let rest = scene.drain();
        assert!(rest.is_empty() || sent && rest == [51], "{rest:?}");
    })
}

/// Kills one that gives a block back, while another sleeps for it; a third may take it just before
/// the kill.
fn aborting_before_a_sleeper(barger: bool) -> Report {
    struct Aborting(Scene, SharedPage);
    let Limits { from_mark, stride, .. } = marked();
    let mut limits = Limits { from_mark, stride, ..Limits::default() };
    if barger {
        limits.before_kill = Some(Box::new(|Aborting(scene, _), _| {
            scene.held.borrow_mut().extend(scene.tx.try_reserve(LEN));
        }));
    }
    kill_at_every_instruction(
        limits,
        || {
            let scene = Scene::new();
            let page = SharedPage::new(1);
            let child = fork(|| {
                until(WAIT, "the victim's blocks", || page[0].load(SeqCst) == 1);
                drop(scene.tx.reserve(LEN).unwrap());
            });
            scene.others.borrow_mut().push(child);
            Aborting(scene, page)
        },
        |Aborting(scene, page)| {
            scene.hold(BLOCKS);
            page[0].store(1, SeqCst);
            let pid = scene.others.borrow()[0].pid();
            until(WAIT, "the other's sleep", || is_asleep(pid));
            let first = scene.held.borrow_mut().pop();
            explore_from_here();
            drop(first);
        },
        |Aborting(scene, _), point| {
            // The barger gives it back only when the sleeper may have seen it with the block.
            if !scene.held.borrow().is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
            scene.held.borrow_mut().clear();
            scene.others_end_well(point);
            assert_eq!(scene.drain(), []);
        },
    )
}

/// Kills one that receives a message and frees its block, while another sleeps for it.
fn reading_before_a_sleeper() -> Report {
    let setup = || {
        let scene = Scene::with(&[10, 11]);
        scene.start_reserver();
        scene
    };
    let victim = |scene: &Scene| {
        attach(scene);
        explore_from_here();
        drop(scene.rx.recv().unwrap());
    };
    kill_at_every_instruction(marked(), setup, victim, |scene, point| {
        if scene.rx.len() == 2 {
            // The message is still there, and its block used: the next reader frees it.
            fork(|| drop(scene.rx.recv().unwrap())).assert_ok();
        }
        scene.others_end_well(point);
        assert_eq!(scene.drain(), [11]);
    })
}

/// The victim sleeps for a block, another behind it; one block comes.
fn woken_for_a_block() -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene| {
            if scene.others.borrow().is_empty() {
                scene.start_reserver();
            }
            scene.held.borrow_mut().pop();
        })),
        ..marked()
    };
    let setup = || {
        let scene = Scene::new();
        scene.hold(BLOCKS);
        scene
    };
    let victim = |scene: &Scene| {
        attach(scene);
        explore_from_here();
        drop(scene.tx.reserve(LEN).unwrap());
    };
    kill_at_every_instruction(limits, setup, victim, |scene, point| {
        scene.others_end_well(point);
        assert_eq!(scene.drain(), []);
    })
}

/// One that died with all blocks, in every state that a block can be in; one message is in the
/// ring.
fn with_a_dead_owner() -> Scene {
    let scene = Scene::of(Blocks::new(3, LEN));
    let mut dead = fork(|| {
        scene.send(10);
        std::mem::forget(scene.rx.recv().unwrap());
        std::mem::forget(scene.tx.reserve(LEN).unwrap());
        scene.send(11);
    });
    assert_eq!(dead.wait_timeout(WAIT), Some(Outcome::Exited(0)));
    scene
}

fn inherit(scene: &Scene) {
    attach(scene);
    explore_from_here();
    let blocks = [scene.tx.try_reserve(LEN).unwrap(), scene.tx.try_reserve(LEN).unwrap()];
    drop(blocks);
}

/// Kills one that takes the blocks of the dead.
fn inheriting() -> Report {
    kill_at_every_instruction(marked(), with_a_dead_owner, inherit, |scene, _| {
        assert_eq!(scene.drain(), [11]);
    })
}

/// Kills one that takes the blocks of the dead, and then the next that does. The strides thin the
/// pairs.
fn inheriting_twice() -> PairReport {
    let limits = |stride| Limits { stride: marked().stride.max(stride), ..marked() };
    kill_pairs(limits(47), limits(53), with_a_dead_owner, inherit, inherit, |scene, _| {
        assert_eq!(scene.drain(), [11]);
    })
}

fn passes(explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    let report = explore();
    println!("{report}");
    assert_eq!(report.end, End::Finished);
}

fn is_caught(rule: Broken, explore: impl FnOnce(), what: &str) {
    let _dog = watchdog(DOG);
    BROKEN.set(rule);
    assert_caught(explore, what);
    BROKEN.set(Broken::Nothing);
}

#[test]
fn killed_sending() {
    passes(sending);
}

#[test]
fn killed_sending_to_a_sleeper() {
    passes(sending_to_a_sleeper);
}

#[test]
fn killed_aborting() {
    passes(|| aborting_before_a_sleeper(false));
    passes(|| aborting_before_a_sleeper(true));
}

#[test]
fn killed_reading() {
    passes(reading_before_a_sleeper);
}

#[test]
fn killed_when_woken_for_a_block() {
    passes(woken_for_a_block);
}

#[test]
fn killed_inheriting() {
    passes(inheriting);
    let _dog = watchdog(DOG);
    let report = inheriting_twice();
    println!("{report}");
    assert!(report.pairs > report.firsts);
}

#[test]
fn a_block_that_is_queued_late_is_caught() {
    is_caught(Broken::QueuesLate, || _ = sending(), "a message that was sent is lost");
}

#[test]
fn a_leader_that_watches_nobody_is_caught() {
    is_caught(Broken::WatchesNobody, || _ = aborting_before_a_sleeper(false), "sleeps on");
}
