//! Two leaders, one for each size, and one death that is news for both.

use core::sync::atomic::Ordering::SeqCst;

use testkit::{
    Child, Limits, Report, explore_from_here, fork, kill_at_every_instruction, until, watchdog,
};

use super::{Broken, DOG, LEN, Scene, WAIT, attach, is_caught, passes, patience};
use crate::Blocks;

/// Blocks of two sizes, all with one that is about to die; two leaders, one for each size.
struct TwoSizes {
    scene: Scene,
    holder: Child,
}

const SIZES: [usize; 2] = [LEN, 10 * LEN];

impl TwoSizes {
    fn new() -> Self {
        let scene = Scene::of(Blocks::new(1, SIZES[0]).and(1, SIZES[1]));
        let holder = fork(|| {
            let _both = SIZES.map(|len| scene.tx.reserve(len).unwrap());
            scene.page[0].store(1, SeqCst);
            loop {
                std::thread::park();
            }
        });
        until(WAIT, "the holder's blocks", || scene.page[0].load(SeqCst) == 1);
        Self { scene, holder }
    }

    fn start_leader(&self, size: usize) {
        self.scene.start_sleeper(|| {
            std::mem::forget(self.scene.tx.reserve(SIZES[size]).unwrap());
            self.scene.page[1 + size].store(1, SeqCst);
            // It lives on: its own death must not be what tells the others.
            loop {
                std::thread::park();
            }
        });
    }

    fn has_got(&self, size: usize) -> bool {
        self.scene.page[1 + size].load(SeqCst) == 1
    }
}

/// One death is news for both leaders, and the kernel wakes one.
fn news_for_two() {
    let two = TwoSizes::new();
    two.start_leader(0);
    two.start_leader(1);
    two.holder.kill();
    until(patience(), "both leaders' blocks", || two.has_got(0) && two.has_got(1));
}

/// Kills one of the two leaders after it was woken.
fn killed_with_the_news() -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|two: &TwoSizes| two.holder.kill())),
        from_mark: true,
        ..Limits::default()
    };
    let setup = || {
        let two = TwoSizes::new();
        two.start_leader(0);
        two
    };
    let victim = |two: &TwoSizes| {
        attach(&two.scene);
        explore_from_here();
        drop(two.scene.tx.reserve(SIZES[1]).unwrap());
    };
    kill_at_every_instruction(limits, setup, victim, |two, point| {
        two.holder.kill();
        until(WAIT, &format!("the other's block: {point}"), || two.has_got(0));
    })
}

#[test]
fn a_death_is_told_to_both_leaders() {
    let _dog = watchdog(DOG);
    news_for_two();
    passes(killed_with_the_news);
}

#[test]
fn a_leader_that_tells_nobody_is_caught() {
    // More than once: a leader that looks about itself just then needs nobody to tell it.
    is_caught(Broken::TellsNobody, || (0..5).for_each(|_| news_for_two()), "both leaders");
}
