//! What is left out when only changes count is what leaves nothing new behind.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use testkit::{End, KillPoint, Limits, Report, SharedPage, kill_at_every_instruction, watchdog};

const LIMIT: Duration = Duration::from_secs(200);
const CELLS: usize = 40;

/// What one test does to its page is a change to the victims of another.
static ALONE: Mutex<()> = Mutex::new(());

/// Writes of all kinds, with work of its own in between; some write what is there already.
fn busy(page: &SharedPage) {
    let mut sum = 0_u64;
    for round in 0..black_box(6_u64) {
        sum = (0..black_box(20)).fold(sum, |sum, own| black_box(sum ^ own));
        page[0].fetch_add(round, SeqCst);
        page[1].store(round / 2, SeqCst);
    }
    page[2].store(sum | 1, SeqCst);
    let one_by_one = black_box(0..30);
    one_by_one.for_each(|cell| page[3 + cell].store(7, SeqCst));
    black_box(nix::unistd::getppid());
    let _ = page[2].compare_exchange(0, 5, SeqCst, SeqCst);
    page[1].swap(9, SeqCst);
}

/// Says what victims leave behind, and at which places.
fn left_behind(
    (stride, changes_only): (usize, bool),
    victim: fn(&SharedPage),
) -> (BTreeSet<(Vec<u64>, bool)>, Report) {
    let mut left = BTreeSet::new();
    let limits = Limits { stride, changes_only, ..Limits::default() };
    let report = kill_at_every_instruction(
        limits,
        || SharedPage::new(CELLS),
        victim,
        |page: SharedPage, point: KillPoint| {
            left.insert((page.iter().map(|cell| cell.load(SeqCst)).collect(), point.finished));
        },
    );
    assert_eq!(report.end, End::Finished);
    (left, report)
}

#[test]
fn each_state_that_any_instruction_leaves_behind_is_left_behind_after_a_change() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _dog = watchdog(LIMIT);
    let (all, every_instruction) = left_behind((1, false), busy);
    let (after_changes, every_change) = left_behind((1, true), busy);
    assert_eq!(after_changes, all);
    assert!(all.len() > 40, "{all:?}");
    // The beginning, the states, the system calls, and the end: once after leaps, once on foot.
    assert!(every_change.points <= all.len() + 8, "{every_change}");
    assert!(
        every_change.points * 3 < every_instruction.points,
        "{every_change} {every_instruction}"
    );
}

#[test]
fn a_victim_that_goes_another_way_each_time_is_killed_after_all_its_changes() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _dog = watchdog(LIMIT);
    // What is done before is longer in one process than in the next.
    let wavering = |page: &SharedPage| {
        let pid = u64::from(std::process::id());
        black_box((0..black_box(pid % 97)).fold(0, |sum, own| black_box(sum ^ own)));
        for cell in black_box(0..12) {
            black_box((0..black_box(pid % 13)).fold(0, |sum, own| black_box(sum ^ own)));
            page[cell].store(1, SeqCst);
        }
    };
    let (left, _) = left_behind((1, true), wavering);
    let states: BTreeSet<u64> = left.iter().map(|(cells, _)| cells.iter().sum()).collect();
    assert_eq!(states, (0..=12).collect());
}

#[test]
fn every_third_change_is_a_third_of_them() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _dog = watchdog(LIMIT);
    let steps: fn(&SharedPage) =
        |page| black_box(0..30).for_each(|cell| page[cell].store(1, SeqCst));
    let (all, report) = left_behind((1, true), steps);
    let (third, thinned) = left_behind((3, true), steps);
    // 30 and the word that tells that it has returned.
    assert_eq!((all.len(), report.changes, thinned.changes), (32, 31, 31));
    assert_eq!(third.len(), 12);
}

#[test]
fn as_many_are_killed_at_each_place_as_are_wanted() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _dog = watchdog(LIMIT);
    let killed = |times| {
        let limits = Limits { stride: 1, changes_only: true, times, ..Limits::default() };
        let mut at = BTreeMap::new();
        let report = kill_at_every_instruction(
            limits,
            || SharedPage::new(4),
            |page| black_box(0..4).for_each(|cell| page[cell].store(1, SeqCst)),
            |page, point| {
                let sum: u64 = page.iter().map(|cell| cell.load(SeqCst)).sum();
                *at.entry((sum, point.finished)).or_insert(0) += 1;
            },
        );
        assert_eq!(report.end, End::Finished);
        at
    };
    // The end has no way on: once after leaps, once on foot.
    let expected =
        |times| (0..=4).map(|sum| ((sum, false), times)).chain([((4, true), 2)]).collect();
    assert_eq!(killed(1), expected(1));
    assert_eq!(killed(3), expected(3));
}
