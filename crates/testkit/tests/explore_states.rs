//! The explorer stops a victim in each of its intermediate states.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use testkit::{
    End, KillPoint, Limits, SharedPage, explore_from_here, kill_at_every_instruction, watchdog,
};

const LIMIT: Duration = Duration::from_secs(200);

fn new_page() -> SharedPage {
    SharedPage::new(4)
}

#[test]
fn every_intermediate_state_is_seen_and_no_other() {
    let _dog = watchdog(LIMIT);
    let mut seen = BTreeSet::new();
    let mut points = Vec::new();
    let report = kill_at_every_instruction(
        Limits { stride: 1, ..Limits::default() },
        new_page,
        |page| {
            page[0].fetch_add(1, SeqCst);
            page[1].store(1, SeqCst);
            page[0].fetch_add(1, SeqCst);
        },
        |page, point| {
            seen.insert((page[0].load(SeqCst), page[1].load(SeqCst), point.finished));
            points.push(point);
        },
    );
    let states = [(0, 0, false), (1, 0, false), (1, 1, false), (2, 1, false), (2, 1, true)];
    assert_eq!(seen, BTreeSet::from(states));
    assert_eq!((report.end, report.asleep, report.missed), (End::Finished, 0, 0));
    assert_eq!(report.points, points.len());
    assert!(report.points > 4, "{report}");
    for (n, point) in points.iter().enumerate() {
        assert_eq!(point.instruction, n);
        assert_eq!(point.finished, n + 1 == points.len());
    }
}

/// Loops, calls, the vdso, system calls, and a copy that may be one `rep` instruction. Nothing from
/// the heap: its state would differ from victim to victim.
fn winding(page: &SharedPage) {
    let mut sum = 0;
    for i in 0..black_box(5_u64) {
        sum += if i % 2 == 0 { i } else { page[0].fetch_add(i, SeqCst) };
        black_box(nix::unistd::getppid());
    }
    let start = black_box(Instant::now());
    page[1].store(sum, SeqCst);
    let bytes = black_box([7_u8; 8192]);
    let copy = black_box(bytes);
    page[2].store(copy[8191].into(), SeqCst);
    page[3].store(u64::from(start <= black_box(Instant::now())), SeqCst);
}

#[test]
fn leaps_stop_where_single_steps_do() {
    let _dog = watchdog(LIMIT);
    let explore = |step_all: bool| {
        let mut points = Vec::new();
        let limits = Limits { step_all, stride: 1, ..Limits::default() };
        let check = |page: SharedPage, point: KillPoint| {
            let words: Vec<u64> = page.iter().map(|word| word.load(SeqCst)).collect();
            points.push((point, words));
        };
        let report = kill_at_every_instruction(limits, new_page, winding, check);
        assert_eq!((report.end, report.missed), (End::Finished, 0), "{report}");
        points
    };
    let (stepped, leapt) = (explore(true), explore(false));
    for (n, (one, other)) in stepped.iter().zip(&leapt).enumerate() {
        assert_eq!(one, other, "point {n}: {} and {}", one.0, other.0);
    }
    assert_eq!(stepped.len(), leapt.len());
    assert_eq!(stepped.last().unwrap().1, [4, 7, 7, 1]);
}

#[test]
fn a_stride_visits_every_third_instruction_and_the_end() {
    let _dog = watchdog(LIMIT);
    let explore = |stride| {
        let mut points = Vec::new();
        let limits = Limits { stride, ..Limits::default() };
        let victim = |page: &SharedPage| {
            page[0].fetch_add(1, SeqCst);
            page[0].fetch_add(1, SeqCst);
        };
        kill_at_every_instruction(limits, new_page, victim, |_, point| points.push(point));
        points
    };
    let (all, third) = (explore(1), explore(3));
    assert!(all.len() > 4, "{all:?}");
    assert_eq!(third.len(), all.len().div_ceil(3) + usize::from(all.len() % 3 != 1));
    for (n, point) in third.iter().enumerate().take(third.len() - 1) {
        assert_eq!((point.instruction, point.ip), (3 * n, all[3 * n].ip));
    }
    assert_eq!(third.last(), all.last());
}

#[test]
fn max_points_is_an_end_of_its_own() {
    let _dog = watchdog(LIMIT);
    let limits = Limits { max_points: 7, stride: 1, ..Limits::default() };
    let endless = |page: &SharedPage| {
        loop {
            page[0].fetch_add(1, SeqCst);
        }
    };
    let report = kill_at_every_instruction(limits, new_page, endless, |_, point| {
        assert!(point.instruction < 7 && !point.finished);
    });
    assert_eq!((report.points, report.end), (7, End::MaxPoints));
    assert!(report.to_string().contains("max points"), "{report}");
}

#[test]
fn the_barger_acts_at_every_point_before_the_kill() {
    let _dog = watchdog(LIMIT);
    let mut stands = Vec::new();
    let mut ends = Vec::new();
    let limits = Limits {
        before_kill: Some(Box::new(|page: &SharedPage, point: &KillPoint| {
            stands.push((point.instruction, page[0].load(SeqCst)));
            // Were the victim still running, it would add to this.
            page[0].store(100, SeqCst);
        })),
        stride: 1,
        ..Limits::default()
    };
    kill_at_every_instruction(
        limits,
        new_page,
        |page| {
            page[0].fetch_add(1, SeqCst);
            page[0].fetch_add(1, SeqCst);
        },
        |page, point| ends.push((point.instruction, page[0].load(SeqCst))),
    );
    assert_eq!(stands.len(), ends.len());
    assert!(ends.iter().all(|&(_, value)| value == 100), "{ends:?}");
    let values: BTreeSet<u64> = stands.iter().map(|&(_, value)| value).collect();
    assert_eq!(values, BTreeSet::from([0, 1, 2]));
}

#[test]
fn a_recoverer_is_explored_in_turn() {
    let _dog = watchdog(LIMIT);
    // A redo log: word 0 is the intent, words 1 and 2 move together; whoever finds an intent
    // finishes it. Recovery may be killed and started again at any instruction.
    let commit = |page: &SharedPage| {
        let intent = page[0].load(SeqCst);
        if intent != 0 {
            page[1].store(intent, SeqCst);
            page[2].store(intent, SeqCst);
            page[0].store(0, SeqCst);
        }
    };
    let mut pairs = 0;
    let outer = kill_at_every_instruction(
        Limits { stride: 4, ..Limits::default() },
        new_page,
        |page| {
            page[0].store(9, SeqCst);
            commit(page);
        },
        |page, _| {
            let before: Vec<u64> = page.iter().map(|word| word.load(SeqCst)).collect();
            let again = || {
                let page = new_page();
                for (to, from) in page.iter().zip(&before) {
                    to.store(*from, SeqCst);
                }
                page
            };
            let limits = Limits { stride: 4, ..Limits::default() };
            let inner = kill_at_every_instruction(limits, again, commit, |page, _| {
                testkit::fork(|| commit(&page)).assert_ok();
                let words = [0, 1, 2].map(|i| page[i].load(SeqCst));
                assert!(words == [0, 0, 0] || words == [0, 9, 9], "{words:?}");
            });
            assert_eq!(inner.end, End::Finished);
            pairs += inner.points;
        },
    );
    assert_eq!(outer.end, End::Finished);
    assert!(pairs > outer.points * 3, "{pairs} pairs from {outer}");
}

#[test]
fn from_the_mark_on_means_that_nothing_before_it_is_a_kill_point() {
    let _dog = watchdog(LIMIT);
    let mut seen = BTreeSet::new();
    let limits = Limits { from_mark: true, stride: 1, ..Limits::default() };
    let victim = |page: &SharedPage| {
        for _ in 0..100_000 {
            page[0].fetch_add(1, SeqCst);
        }
        explore_from_here();
        page[0].fetch_add(1, SeqCst);
        explore_from_here();
        page[0].fetch_add(1, SeqCst);
    };
    let report = kill_at_every_instruction(limits, new_page, victim, |page, _| {
        seen.insert(page[0].load(SeqCst));
    });
    assert_eq!(seen, BTreeSet::from([100_000, 100_001, 100_002]));
    assert_eq!((report.end, report.missed), (End::Finished, 0), "{report}");
    assert!(report.points < 1_000, "{report}");
}

#[test]
fn a_victim_without_the_mark_is_an_error() {
    let _dog = watchdog(LIMIT);
    let explored = catch_unwind(AssertUnwindSafe(|| {
        let limits = Limits { from_mark: true, stride: 1, ..Limits::default() };
        kill_at_every_instruction(limits, || (), |()| {}, |(), _| {})
    }));
    let text = *explored.expect_err("nothing was explored").downcast::<String>().unwrap();
    assert_eq!(text, "the victim exited with code 0 before its first kill point");
    // Outside of a victim it must not stop the process.
    explore_from_here();
}
