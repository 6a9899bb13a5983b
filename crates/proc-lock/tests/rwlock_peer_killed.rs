//! Whoever is killed at whatever instruction of reading and writing: the others go on.
//!
//! The same scenarios run over a lock that counts its readers in one word, in which they must find the
//! writer that waits for a dead reader: a control that the test can see what it looks for. Nobody looks
//! around now and then here: what is not woken sleeps on.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use multiproc_core::deadline::{Deadline, without_slices};
use multiproc_core::futex;
use proc_lock::{LockError, RwLock, RwLockWriteGuard, TryLockError};
use std::cell::RefCell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    BeforeKill, Child, End, KillPoint, Limits, Outcome, Report, SharedPage, assert_caught,
    explore_from_here, fork, is_asleep, kill_at_every_instruction, until, watchdog,
};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

/// What the scenarios need of a lock.
trait Lock {
    /// How long those who wait are given after a kill.
    const PATIENCE: Duration = WAIT;
    fn new() -> Self;
    /// Does what a process does once, and does not wait.
    fn warm_up(&self) {}
    /// Reads so often that readers go without fences.
    fn read_much(&self) {}
    /// Writes half a change, does `midway`, writes the other half.
    fn change(&self, midway: impl FnOnce());
    /// Reads a whole change, and does `midway` meanwhile.
    fn look(&self, midway: impl FnOnce());
    /// Writes or reads if that is possible now, does `inside` in any case.
    fn barge(&self, write: bool, inside: impl FnOnce(bool));
}

impl Lock for RwLock<[u64; 2]> {
    fn new() -> Self {
        RwLock::new([0; 2]).unwrap()
    }

    fn warm_up(&self) {
        drop(self.try_read());
    }

    fn read_much(&self) {
        for _ in 0..300 {
            self.look(|| ());
        }
    }

    fn change(&self, midway: impl FnOnce()) {
        let mut both = self.write_or_recover(|both| both[1] = both[0]);
        assert_eq!(both[0], both[1], "somebody else is inside, or a death was not told");
        both[0] += 1;
        midway();
        both[1] += 1;
    }

    fn look(&self, midway: impl FnOnce()) {
        match self.read() {
            Ok(both) => {
                assert_eq!(both[0], both[1], "a writer is inside, or its death was not told");
                midway();
                assert_eq!(both[0], both[1], "a writer came in");
            }
            Err(LockError::OwnerDied(_)) => midway(),
            Err(error) => panic!("{error}"),
        }
    }

    fn barge(&self, write: bool, inside: impl FnOnce(bool)) {
        if write {
            let held = self.try_write();
            inside(!matches!(held, Err(TryLockError::WouldBlock)));
            // It may have been told of a death: the next one is to hear of it, too.
        } else {
            let held = self.try_read();
            inside(!matches!(held, Err(TryLockError::WouldBlock)));
        }
    }
}

/// The control: a count of readers, and a bit for the writer.
struct Counted(SharedPage);

const WRITER: u64 = 1 << 31;

impl Counted {
    fn wait_while(&self, busy: impl Fn(u64) -> bool, next: impl Fn(u64) -> u64) {
        loop {
            let seen = self.0[0].load(SeqCst);
            if busy(seen) {
                let low = u32::try_from(seen).unwrap();
                futex::wait(futex::low_half(&self.0[0]), low, Deadline::NEVER);
            } else if self.0[0].compare_exchange(seen, next(seen), SeqCst, SeqCst).is_ok() {
                return;
            }
        }
    }

    fn wake(&self) {
        futex::wake(futex::low_half(&self.0[0]), futex::ALL);
    }
}

impl Lock for Counted {
    // A hang is what we look for.
    const PATIENCE: Duration = Duration::from_secs(2);

    fn new() -> Self {
        Self(SharedPage::new(1))
    }

    fn change(&self, midway: impl FnOnce()) {
        self.wait_while(|seen| seen != 0, |_| WRITER);
        midway();
        self.0[0].store(0, SeqCst);
        self.wake();
    }

    fn look(&self, midway: impl FnOnce()) {
        self.wait_while(|seen| seen & WRITER != 0, |seen| seen + 1);
        midway();
        self.0[0].fetch_sub(1, SeqCst);
        self.wake();
    }

    fn barge(&self, _: bool, inside: impl FnOnce(bool)) {
        inside(false);
    }
}

/// What a scenario works with: the lock, words by which its processes talk, and its processes.
struct Scene<L> {
    lock: L,
    page: SharedPage,
    others: RefCell<Vec<Child>>,
}

// The cells of the page.
const ROUSE_VICTIM: usize = 0;
const ROUSE_HOLDER: usize = 1;
const INSIDE: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    Read,
    Write,
}
use To::{Read, Write};

impl<L: Lock> Scene<L> {
    fn new() -> Self {
        let lock = L::new();
        // What a process does the first time is not the subject.
        lock.change(|| ());
        lock.look(|| ());
        Self { lock, page: SharedPage::new(3), others: RefCell::default() }
    }

    fn take(&self, to: To, midway: impl FnOnce()) {
        match to {
            Read => self.lock.look(midway),
            Write => self.lock.change(midway),
        }
    }

    /// Starts a process that waits for the lock, and leaves the data whole.
    fn start(&self, to: To) {
        self.others.borrow_mut().push(fork(|| self.take(to, || ())));
    }

    /// Starts a process that has the lock when this returns, until it is roused.
    fn start_holder(&self, to: To) {
        self.page[INSIDE].store(0, SeqCst);
        self.page[ROUSE_HOLDER].store(0, SeqCst);
        let inside = || {
            self.page[INSIDE].store(1, SeqCst);
            sleep_until_set(&self.page[ROUSE_HOLDER]);
        };
        self.others.borrow_mut().push(fork(|| self.take(to, inside)));
        until(WAIT, "the holder", || self.page[INSIDE].load(SeqCst) == 1);
    }

    /// Starts a process that keeps the lock, if it is free now, until it is roused.
    fn start_barger(&self, to: To) {
        self.page[INSIDE].store(0, SeqCst);
        self.page[ROUSE_HOLDER].store(0, SeqCst);
        let child = fork(|| {
            self.lock.barge(to == Write, |held| {
                self.page[INSIDE].store(1, SeqCst);
                if held {
                    sleep_until_set(&self.page[ROUSE_HOLDER]);
                }
            });
        });
        until(WAIT, "the barger's try", || self.page[INSIDE].load(SeqCst) == 1);
        self.others.borrow_mut().push(child);
    }

    /// Starts a process that sleeps for the lock when this returns.
    fn start_sleeper(&self, to: To) {
        self.start(to);
        let pid = self.others.borrow().last().map(Child::pid).unwrap();
        until(WAIT, "the other's sleep", || is_asleep(pid));
    }

    /// After the kill: all who wait get the lock, and so do newcomers.
    fn all_go_on(&self, point: KillPoint) {
        set(&self.page[ROUSE_HOLDER]);
        self.start(Read);
        self.start(Write);
        for mut child in self.others.take() {
            let end = child.wait_timeout(L::PATIENCE);
            assert_eq!(end, Some(Outcome::Exited(0)), "a process hangs or fails: {point}");
        }
        self.start(Write);
        self.start(Read);
        for mut child in self.others.take() {
            let end = child.wait_timeout(L::PATIENCE);
            assert_eq!(end, Some(Outcome::Exited(0)), "a newcomer hangs or fails: {point}");
        }
    }
}

fn sleep_until_set(cell: &AtomicU64) {
    while cell.load(SeqCst) == 0 {
        futex::wait(futex::low_half(cell), 0, Deadline::NEVER);
    }
}

fn set(cell: &AtomicU64) {
    cell.store(1, SeqCst);
    futex::wake(futex::low_half(cell), futex::ALL);
}

fn barges<L: Lock + 'static>(to: Option<To>) -> Option<BeforeKill<'static, Scene<L>>> {
    to.map(|to| Box::new(move |scene: &Scene<L>, _: &KillPoint| scene.start_barger(to)) as _)
}

/// The victim has the lock, others sleep for it, and the victim lets go.
fn let_go<L: Lock + 'static>(has: To, sleepers: &'static [To], barger: Option<To>) -> Report {
    let_go_after::<L>(has, sleepers, barger, false)
}

/// As before, after few reads or many.
fn let_go_after<L: Lock + 'static>(
    has: To,
    sleepers: &'static [To],
    barger: Option<To>,
    many: bool,
) -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(move |scene: &Scene<L>| {
            sleepers.iter().for_each(|to| scene.start_sleeper(*to));
            set(&scene.page[ROUSE_VICTIM]);
        })),
        before_kill: barges(barger),
        from_mark: true,
        ..Limits::default()
    };
    kill_at_every_instruction(
        limits,
        || {
            let scene = Scene::<L>::new();
            if many {
                scene.lock.read_much();
            }
            scene
        },
        |scene| {
            scene.lock.warm_up();
            explore_from_here();
            scene.take(has, || sleep_until_set(&scene.page[ROUSE_VICTIM]));
        },
        |scene, point| scene.all_go_on(point),
    )
}

/// Another has the lock, the victim sleeps for it before others do, is woken, goes in and out.
fn is_let_in<L: Lock + 'static>(
    has: To,
    wants: To,
    sleepers: &'static [To],
    barger: Option<To>,
) -> Report {
    is_let_in_after::<L>(has, wants, sleepers, barger, false)
}

/// As before, after few reads or many.
fn is_let_in_after<L: Lock + 'static>(
    has: To,
    wants: To,
    sleepers: &'static [To],
    barger: Option<To>,
    many: bool,
) -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(move |scene: &Scene<L>| {
            sleepers.iter().for_each(|to| scene.start_sleeper(*to));
            set(&scene.page[ROUSE_HOLDER]);
        })),
        before_kill: barges(barger),
        from_mark: true,
        ..Limits::default()
    };
    let setup = || {
        let scene = Scene::<L>::new();
        if many {
            scene.lock.read_much();
        }
        scene.start_holder(has);
        scene
    };
    let victim = |scene: &Scene<L>| {
        scene.lock.warm_up();
        explore_from_here();
        scene.take(wants, || ());
    };
    kill_at_every_instruction(limits, setup, victim, |scene, point| scene.all_go_on(point))
}

fn passes(what: &str, explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    without_slices();
    let report = explore();
    println!("| {what:<50} {report}");
    assert_eq!(report.end, End::Finished);
}

type Ours = RwLock<[u64; 2]>;

#[test]
fn alone() {
    for to in [Read, Write] {
        let mut told = 0;
        passes(&format!("{to:?}, alone"), || {
            kill_at_every_instruction(
                // Whatever is thinned elsewhere: some of them must lie inside.
                Limits { stride: 1, ..Limits::default() },
                Scene::<Ours>::new,
                |scene| scene.take(to, || ()),
                |scene, point| {
                    match scene.lock.read_timeout(WAIT) {
                        Ok(both) => assert_eq!(both[0], both[1], "a half-change was not told"),
                        Err(proc_lock::LockTimeoutError::OwnerDied(_)) => told += 1,
                        Err(error) => panic!("{error}"),
                    }
                    scene.all_go_on(point);
                },
            )
        });
        assert_eq!(told > 0, to == Write, "{told} deaths were told");
    }
}

#[test]
fn one_repairs_what_the_dead_left() {
    for to in [Read, Write] {
        passes(&format!("{to:?}, after a death inside"), || {
            kill_at_every_instruction(
                Limits { from_mark: true, ..Limits::default() },
                || {
                    let scene = Scene::<Ours>::new();
                    scene.start_holder(Write);
                    let dead = scene.others.borrow_mut().remove(0);
                    dead.kill();
                    drop(dead);
                    scene
                },
                |scene| {
                    scene.page[ROUSE_VICTIM].store(0, SeqCst);
                    explore_from_here();
                    scene.take(to, || ());
                },
                |scene, point| {
                    match scene.lock.read_timeout(WAIT) {
                        Ok(both) => assert_eq!(both[0], both[1], "the first death was forgotten"),
                        Err(proc_lock::LockTimeoutError::OwnerDied(_)) => {
                            assert!(to == Read || !point.finished, "it was repaired");
                        }
                        Err(error) => panic!("{error}"),
                    }
                    scene.all_go_on(point);
                },
            )
        });
    }
}

#[test]
fn a_reader_goes_while_a_writer_sleeps() {
    passes("read unlock, writer asleep", || let_go::<Ours>(Read, &[Write], None));
}

#[test]
fn a_reader_goes_after_many_while_a_writer_sleeps() {
    passes("read unlock, writer asleep, many reads", || {
        let_go_after::<Ours>(Read, &[Write], None, true)
    });
}

#[test]
fn a_writer_is_woken_by_the_last_of_many_readers() {
    passes("woken writer, reader inside, many reads", || {
        is_let_in_after::<Ours>(Read, Write, &[Read], None, true)
    });
}

#[test]
fn a_reader_opens_the_gate_while_a_writer_barges_in() {
    passes("the read that opens the gate, barger", || {
        kill_at_every_instruction(
            Limits { from_mark: true, before_kill: barges(Some(Write)), ..Limits::default() },
            Scene::<Ours>::new,
            |scene| {
                // The next one is one too many.
                (0..256).for_each(|_| scene.lock.look(|| ()));
                explore_from_here();
                scene.lock.look(|| ());
                scene.lock.look(|| ());
            },
            |scene, point| scene.all_go_on(point),
        )
    });
}

#[test]
fn a_reader_goes_while_all_sleep_and_one_barges_in() {
    passes("read unlock, writer and reader asleep, barger", || {
        let_go::<Ours>(Read, &[Write, Read], Some(Write))
    });
}

#[test]
fn a_writer_goes_while_readers_and_a_writer_sleep() {
    passes("write unlock, all asleep", || let_go::<Ours>(Write, &[Read, Write, Read], None));
}

#[test]
fn a_writer_goes_while_readers_sleep_and_a_writer_barges_in() {
    passes("write unlock, readers asleep, barger", || {
        let_go::<Ours>(Write, &[Read, Read], Some(Write))
    });
}

#[test]
fn a_writer_goes_while_a_writer_sleeps_and_a_reader_barges_in() {
    passes("write unlock, writer asleep, barger", || let_go::<Ours>(Write, &[Write], Some(Read)));
}

#[test]
fn a_reader_is_woken() {
    passes("woken reader", || is_let_in::<Ours>(Write, Read, &[Read, Write], None));
}

#[test]
fn a_reader_is_woken_while_a_writer_barges_in() {
    passes("woken reader, barger", || is_let_in::<Ours>(Write, Read, &[Write], Some(Write)));
}

#[test]
fn a_writer_is_woken_by_a_writer() {
    passes("woken writer", || is_let_in::<Ours>(Write, Write, &[Read, Write], None));
}

#[test]
fn a_writer_is_woken_by_the_last_reader() {
    passes("woken writer, reader inside", || is_let_in::<Ours>(Read, Write, &[Read, Write], None));
}

#[test]
fn a_writer_is_woken_by_the_last_reader_while_a_reader_barges_in() {
    passes("woken writer, reader inside, barger", || {
        is_let_in::<Ours>(Read, Write, &[Read], Some(Read))
    });
}

#[test]
fn a_writer_tries_while_a_reader_is_inside() {
    passes("try_write, reader inside", || {
        let setup = || {
            let scene = Scene::<Ours>::new();
            scene.start_holder(Read);
            scene
        };
        kill_at_every_instruction(
            Limits { from_mark: true, ..Limits::default() },
            setup,
            |scene| {
                scene.lock.warm_up();
                explore_from_here();
                assert!(matches!(scene.lock.try_write(), Err(TryLockError::WouldBlock)));
            },
            |scene, point| {
                fork(|| drop(scene.lock.read())).assert_ok();
                scene.all_go_on(point);
            },
        )
    });
}

#[test]
fn a_writer_becomes_a_reader_while_all_sleep() {
    passes("downgrade, all asleep", || {
        let limits = Limits { from_mark: true, ..Limits::default() };
        kill_at_every_instruction(
            limits,
            Scene::<Ours>::new,
            |scene| {
                let mut both = scene.lock.write().unwrap();
                scene.start_sleeper(Read);
                scene.start_sleeper(Write);
                explore_from_here();
                both[0] += 1;
                both[1] += 1;
                drop(RwLockWriteGuard::downgrade(both));
            },
            |scene, point| scene.all_go_on(point),
        )
    });
}

#[test]
fn a_count_of_readers_is_caught() {
    let _dog = watchdog(DOG);
    assert_caught(|| let_go::<Counted>(Read, &[Write], None), "a process hangs");
}
