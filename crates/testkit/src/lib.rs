//! Unpublished: children, watchdogs and the kill-at-every-instruction explorer for the tests.
//!
//! # A whole `tests/peer_killed.rs`
//!
//! The primitive under test is a file lock here, which the kernel takes from a holder that dies.
//! Both functions are `#[test]`s.
//!
//! ```
//! use std::fs::File;
//! use std::sync::atomic::Ordering::SeqCst;
//! use std::time::Duration;
//! use testkit::{
//!     End, Limits, Outcome, SharedPage, explore_from_here, fork, is_asleep,
//!     kill_at_every_instruction, until, watchdog,
//! };
//!
//! const LIMIT: Duration = Duration::from_secs(60);
//!
//! fn locked() -> File {
//!     let file = File::open(std::env::current_exe().unwrap()).unwrap();
//!     file.lock().unwrap();
//!     file
//! }
//!
//! fn a_sleeper_gets_the_lock_of_a_killed_holder() {
//!     let _dog = watchdog(LIMIT);
//!     let held = SharedPage::new(1);
//!     let holder = fork(|| {
//!         let _lock = locked();
//!         held[0].store(1, SeqCst);
//!         std::thread::sleep(LIMIT);
//!     });
//!     until(LIMIT, "the lock", || held[0].load(SeqCst) == 1);
//!     let sleeper = fork(|| drop(locked()));
//!     until(LIMIT, "the sleeper", || is_asleep(sleeper.pid()));
//!     holder.kill();
//!     assert_eq!(holder.wait(), Outcome::Signaled(9));
//!     sleeper.assert_ok();
//! }
//!
//! fn an_unlock_killed_anywhere_wakes_the_sleeper() {
//!     let _dog = watchdog(LIMIT);
//!     let report = kill_at_every_instruction(
//!         Limits { from_mark: true, ..Limits::default() },
//!         || {
//!             let held = SharedPage::new(1);
//!             let sleeper = fork(|| {
//!                 until(LIMIT, "the lock", || held[0].load(SeqCst) == 1);
//!                 drop(locked());
//!             });
//!             (held, sleeper)
//!         },
//!         |(held, sleeper)| {
//!             let lock = locked();
//!             held[0].store(1, SeqCst);
//!             until(LIMIT, "the sleeper", || is_asleep(sleeper.pid()));
//!             explore_from_here();
//!             drop(lock);
//!         },
//!         |(_held, sleeper), _point| sleeper.assert_ok(),
//!     );
//!     assert_eq!((report.end, report.asleep), (End::Finished, 0), "{report}");
//! }
//! # a_sleeper_gets_the_lock_of_a_killed_holder();
//! # an_unlock_killed_anywhere_wakes_the_sleeper();
//! ```
//!
//! A `check` that waits for a child is bounded by the watchdog, which names the test. To learn the
//! kill point as well, bound it there: `assert!(sleeper.wait_timeout(limit).is_some(), ..)`.
//!
//! # The scenarios that find something
//!
//! | scenario | how |
//! |---|---|
//! | with a sleeper | a child in `setup`, as above |
//! | with a barger, who acts just before the victim dies | [`Limits::before_kill`] |
//! | the victim is the woken waiter | [`Limits::on_sleep`] |
//! | the recoverer is killed, too | [`kill_pairs`] |
//! | the same, broken on purpose | [`assert_caught`] |
//! | a peer that is stopped, not dead | [`Child::signal`] with SIGSTOP |
//!
//! # What a child may do
//!
//! A child is a fork of a process with several threads: see [`fork`]. Shared memory, descriptors,
//! futexes, malloc, further forks and threads of its own are fine. `println!`, `std::env::set_var`
//! and other things behind a lock of std are not. What a child has to tell goes through a
//! [`SharedPage`], through a panic, or through the primitive under test.
//!
//! # What this cannot see
//!
//! A kill in the middle of a system call that does not sleep, reorderings of the memory of a weaker
//! machine, and two victims at the same time. Storms, loom and the model checker are for these.

#[cfg(not(target_os = "linux"))]
compile_error!("testkit runs on Linux only: it is built on fork, pidfds and ptrace");

mod asleep;
mod changes;
mod child;
mod control;
mod explore;
mod forbid;
mod fork;
mod hunt;
mod mark;
mod pairs;
mod pidfd;
mod place;
mod procfs;
mod raw_stderr;
mod shared_page;
mod stretch;
mod ticker;
mod tracee;
mod trail;
mod until;
mod watchdog;
mod way;
mod world;

pub use asleep::is_asleep;
pub use child::{Child, Outcome};
pub use control::assert_caught;
pub use explore::{BeforeKill, End, KillPoint, Limits, OnSleep, Report, kill_at_every_instruction};
pub use forbid::forbid;
pub use fork::fork;
pub use mark::explore_from_here;
pub use pairs::{PairReport, kill_pairs};
pub use shared_page::SharedPage;
pub use until::until;
pub use watchdog::{Watchdog, watchdog};
