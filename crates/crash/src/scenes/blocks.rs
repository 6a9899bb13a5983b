//! Blocks in the hands of somebody who is killed: what was committed is there whole, and any other block is
//! free for those who wait for one.

use crate::fault::demand;
use crate::row::{Plan, Row, Seen, row};
use crate::stage::{Cue, Stage};
use shm_queue::{BlockReceiver, BlockSender, Blocks, ReadGuard, WriteGuard, bounded_blocks};
use std::cell::RefCell;
use std::time::Duration;
use testkit::{KillPoint, explore_from_here, kill_at_every_instruction};

const LONG: Duration = Duration::from_secs(60);

/// How many blocks there are, and how long each is.
const BLOCKS: usize = 3;
const LEN: usize = 50;

/// What the victim does, once for each who sleeps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Reserve,
    TryReserve,
    ReserveTimeout,
    Commit,
    TryCommit,
    CommitTimeout,
    /// Drops what it has reserved.
    Abort,
    /// Drops what it has received.
    Release,
}

pub(crate) const ROWS: &[Row] = &[
    row("BlockSender::reserve", "some free", |plan| does(Deed::Reserve, 0, false, plan)),
    row("BlockSender::try_reserve", "some free", |plan| does(Deed::TryReserve, 0, false, plan)),
    row("BlockSender::reserve_timeout", "some free", |plan| {
        does(Deed::ReserveTimeout, 0, false, plan)
    }),
    row("BlockSender::reserve", "all blocks taken, woken, another asleep", |plan| {
        woken(Deed::Reserve, false, plan)
    }),
    row("BlockSender::reserve", "all blocks taken, woken, another asleep, barger", |plan| {
        woken(Deed::Reserve, true, plan)
    }),
    row(
        "BlockSender::reserve_timeout",
        "all blocks taken, woken, another asleep, barger",
        |plan| woken(Deed::ReserveTimeout, true, plan),
    ),
    row("WriteGuard::commit", "nobody waits", |plan| does(Deed::Commit, 0, false, plan)),
    row("WriteGuard::commit", "two receivers asleep", |plan| does(Deed::Commit, 2, false, plan)),
    row("WriteGuard::try_commit", "nobody waits", |plan| does(Deed::TryCommit, 0, false, plan)),
    row("WriteGuard::try_commit", "receiver asleep", |plan| does(Deed::TryCommit, 1, false, plan)),
    row("WriteGuard::commit_timeout", "receiver asleep", |plan| {
        does(Deed::CommitTimeout, 1, false, plan)
    }),
    row("WriteGuard::drop", "nobody waits", |plan| does(Deed::Abort, 0, false, plan)),
    row("WriteGuard::drop", "all blocks taken, sleeper", |plan| does(Deed::Abort, 1, false, plan)),
    row("WriteGuard::drop", "all blocks taken, two sleepers, barger", |plan| {
        does(Deed::Abort, 2, true, plan)
    }),
    row("ReadGuard::drop", "all blocks taken, sleeper", |plan| does(Deed::Release, 1, false, plan)),
    row("ReadGuard::drop", "all blocks taken, two sleepers, barger", |plan| {
        does(Deed::Release, 2, true, plan)
    }),
];

/// What lies in the queue before, from here on.
const FIRST: u8 = 10;
/// What the victim sends.
const ITS_OWN: [u8; 2] = [50, 51];
/// What is sent to those who sleep on for want of a message, from here on.
const CONSOLATION: u8 = 80;

struct Scene {
    sender: BlockSender,
    receiver: BlockReceiver,
    /// What the checker has in its hands.
    held: RefCell<Vec<ReadGuard>>,
    stage: Stage,
}

impl Scene {
    fn new() -> Self {
        let (sender, receiver) = bounded_blocks(8, Blocks::new(BLOCKS, LEN)).unwrap();
        Self { sender, receiver, held: RefCell::default(), stage: Stage::new() }
    }

    /// With so many messages in it.
    fn with(messages: usize) -> Self {
        let scene = Self::new();
        scene.send_first(messages);
        scene
    }

    fn send_first(&self, messages: usize) {
        (FIRST..).take(messages).for_each(|number| self.send(number));
    }

    fn send(&self, number: u8) {
        self.reserve(number).commit().unwrap();
    }

    /// Reserves, and fills the block.
    fn reserve(&self, number: u8) -> WriteGuard {
        let mut block = self.sender.reserve(LEN).unwrap();
        block.write_at(0, &[number; LEN]);
        block
    }

    /// Receives and notes what.
    fn receive(&self) -> ReadGuard {
        let block = self.receiver.recv().unwrap();
        let bytes = block.to_vec();
        demand!(bytes == [bytes[0]; LEN], Corrupt, "half a message");
        self.stage.note(u64::from(bytes[0]));
        block
    }

    /// After the kill: all messages that are left are whole, and all blocks are free, each once.
    fn all_is_there(&self, plan: &Plan) {
        self.held.take();
        self.stage.newcomer(plan.patience, || {
            while !self.receiver.is_empty() {
                drop(self.receive());
            }
            let blocks = [(); BLOCKS].map(|()| self.sender.reserve_timeout(LEN, LONG));
            let mut blocks = blocks.map(|block| block.expect("a block is lost"));
            let places = blocks.each_mut().map(WriteGuard::as_mut_ptr);
            let distinct =
                places[0] != places[1] && places[1] != places[2] && places[0] != places[2];
            demand!(distinct, Twice, "a block has two masters");
            demand!(self.sender.try_reserve(LEN).is_err(), Twice, "one block too many");
        });
    }

    /// Takes a block away just before the kill, if there is one, and puts it back at the end.
    fn start_barger(&self) {
        self.stage.start_barger(|tried| {
            let block = self.sender.try_reserve(LEN);
            tried(block.is_ok());
        });
    }
}

/// What is done for the first time is done, with other blocks.
fn warm_up() {
    let warm = Scene::new();
    warm.sender.try_reserve(LEN).unwrap().try_commit().unwrap();
    warm.sender.reserve_timeout(LEN, LONG).unwrap().commit_timeout(LONG).unwrap();
    warm.send(1);
    (0..3).for_each(|_| drop(warm.receive()));
    drop(warm.reserve(1));
}

/// The victim does something with one block for each who sleeps, or with one. Those sleep for a message when
/// it is about to send, and for a block otherwise.
fn does(deed: Deed, sleepers: usize, barger: bool, plan: &Plan) -> Seen {
    let count = sleepers.max(1);
    let sends = matches!(deed, Deed::Commit | Deed::TryCommit | Deed::CommitTimeout);
    let mut limits = plan.limits();
    if barger {
        limits.before_kill = Some(Box::new(|scene: &Scene, _| scene.start_barger()));
    }
    let before = match deed {
        _ if sleepers == 0 || sends => 0,
        Deed::Release => BLOCKS,
        _ => BLOCKS - count,
    };
    let setup = || {
        let scene = Scene::with(before);
        for _ in 0..sleepers {
            scene.stage.start(|| {
                scene.stage.wait_for(Cue::VictimIsThere);
                if sends {
                    drop(scene.receive());
                } else {
                    drop(scene.reserve(1));
                }
            });
        }
        scene
    };
    let victim = |scene: &Scene| {
        warm_up();
        let (mut to_send, mut received) = (Vec::new(), Vec::new());
        match deed {
            Deed::Reserve | Deed::TryReserve | Deed::ReserveTimeout => (),
            Deed::Release => received.extend((0..count).map(|_| scene.receive())),
            _ => to_send.extend(ITS_OWN[..count].iter().map(|number| scene.reserve(*number))),
        }
        scene.stage.give(Cue::VictimIsThere);
        scene.stage.wait_until_asleep();
        explore_from_here();
        match deed {
            Deed::Reserve => to_send.push(scene.sender.reserve(LEN).unwrap()),
            Deed::TryReserve => to_send.push(scene.sender.try_reserve(LEN).unwrap()),
            Deed::ReserveTimeout => to_send.push(scene.sender.reserve_timeout(LEN, LONG).unwrap()),
            Deed::TryCommit => to_send.drain(..).for_each(|block| block.try_commit().unwrap()),
            Deed::Commit => to_send.drain(..).for_each(|block| block.commit().unwrap()),
            Deed::CommitTimeout => {
                to_send.drain(..).for_each(|block| block.commit_timeout(LONG).unwrap());
            }
            Deed::Abort => to_send.clear(),
            Deed::Release => received.clear(),
        }
        // What it has is in its hands when it dies.
        std::mem::forget((to_send, received));
    };
    let check = |scene: Scene, point: KillPoint| {
        scene.stage.give(Cue::GoOn);
        if sends {
            let mut new = CONSOLATION;
            while scene.stage.goes_on(plan.patience, || !scene.receiver.is_empty()) {
                scene.send(new);
                new += 1;
            }
        }
        // Who waits for a block gets one of the dead.
        scene.stage.all_end(plan.patience);
        scene.all_is_there(plan);
        for number in (FIRST..).take(before) {
            let times = scene.stage.noted(u64::from(number));
            demand!(times == 1, Lost, "{number} came {times} times");
        }
        for number in ITS_OWN {
            let times = scene.stage.noted(u64::from(number));
            let wanted = sends && point.finished && ITS_OWN[..count].contains(&number);
            demand!(times <= 1, Twice, "{number} came {times} times");
            demand!(times == 0 || sends, Corrupt, "{number} came, and was never sent");
            demand!(times == 1 || !wanted, Lost, "{number} was committed");
        }
    };
    kill_at_every_instruction(limits, setup, victim, check).into()
}

/// The victim sleeps for a block before another one does; then two become free. A barger takes one, if there
/// is one by then, just before the kill.
fn woken(deed: Deed, barger: bool, plan: &Plan) -> Seen {
    let mut limits = plan.limits();
    limits.on_sleep = Some(Box::new(|scene: &Scene| {
        scene.stage.start_sleeper(|| drop(scene.reserve(1)));
        scene.held.borrow_mut().drain(..2);
    }));
    if barger {
        limits.before_kill = Some(Box::new(|scene: &Scene, _| scene.start_barger()));
    }
    let setup = || {
        let scene = Scene::with(BLOCKS);
        let blocks = (0..BLOCKS).map(|_| scene.receive());
        scene.held.borrow_mut().extend(blocks);
        scene
    };
    let victim = |scene: &Scene| {
        warm_up();
        explore_from_here();
        std::mem::forget(match deed {
            Deed::ReserveTimeout => scene.sender.reserve_timeout(LEN, LONG).unwrap(),
            _ => scene.sender.reserve(LEN).unwrap(),
        });
    };
    let check = |scene: Scene, _| {
        scene.stage.give(Cue::GoOn);
        scene.stage.all_end(plan.patience);
        scene.all_is_there(plan);
    };
    let seen: Seen = kill_at_every_instruction(limits, setup, victim, check).into();
    demand!(seen.asleep > 0, Incomplete, "the victim never slept");
    seen
}
