//! A place tells of its thread's death, wherever that is, and its name is never anybody else's.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use multiproc_core::deadline::Deadline;
use multiproc_core::futex;
use multiproc_core::header::{Item, Spec};
use multiproc_core::place::{MAX_PLACES, Name, NoPlace, Places};
use multiproc_core::segment::{self, Place, Segment};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    Child, End, Limits, Outcome, SharedPage, fork, is_asleep, kill_at_every_instruction, until,
    watchdog,
};

const WAIT: Duration = Duration::from_secs(20);

fn segment(count: u32) -> (Arc<Segment>, Places) {
    let places = Places::after(64, count);
    let spec = Spec { kind: "test", item: Item::of::<u64>(), capacity: 3, detail: 4 };
    let made = segment::create(Place::Anonymous("test"), &spec, places.body_bytes(), |_| ());
    (made.unwrap().segment, places)
}

#[test]
fn a_thread_has_one_place_and_every_thread_another() {
    let (segment, places) = segment(5);
    let mine = places.mine(&segment).unwrap();
    assert_eq!(places.mine(&segment).unwrap().name(), mine.name());
    let other = std::thread::scope(|scope| {
        let segment = &segment;
        scope
            .spawn(move || {
                let other = places.mine(segment).unwrap().name();
                assert!(places.is_alive(segment, other));
                assert_eq!(places.at(segment, other.index()), Some(other));
                other
            })
            .join()
            .unwrap()
    });
    assert_ne!(other.index(), mine.index());
    assert!(places.is_alive(&segment, mine.name()));
    assert!(!places.is_alive(&segment, other), "its thread has ended");
    assert_eq!(places.used(&segment), 2);
}

#[test]
fn a_name_stays_dead_when_its_place_is_used_again() {
    let (segment, places) = segment(1);
    let mut names = Vec::new();
    for _ in 0..4 {
        let segment = &segment;
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || places.mine(segment).unwrap().name());
            names.push(thread.join().unwrap());
        });
    }
    let mine = places.mine(&segment).unwrap();
    assert_eq!(mine.index(), 0);
    for name in names {
        assert_eq!(name.index(), 0);
        assert!(!places.is_alive(&segment, name), "{name:?}");
        assert!(places.watch(&segment, name).is_none());
    }
}

#[test]
fn when_all_places_are_taken_the_next_is_told() {
    let (segment, places) = segment(2);
    let taken = SharedPage::new(1);
    let children: Vec<_> = (0..2)
        .map(|_| {
            fork(|| {
                places.mine(&segment).unwrap();
                taken[0].fetch_add(1, SeqCst);
                std::thread::sleep(WAIT);
            })
        })
        .collect();
    until(WAIT, "both places", || taken[0].load(SeqCst) == 2);
    assert!(matches!(places.mine(&segment), Err(NoPlace::Full)));
    children[0].kill();
    until(WAIT, "a free place", || places.mine(&segment).is_ok());
}

#[test]
fn dropping_the_last_handle_leaves_and_unmaps() {
    let maps = || std::fs::read_to_string("/proc/self/maps").unwrap().matches("memfd:test").count();
    let before = maps();
    let (segment, places) = segment(MAX_PLACES);
    places.mine(&segment).unwrap();
    assert!(maps() > before);
    drop(segment);
    // Other tests of this process come and go.
    until(WAIT, "the mappings to go", || maps() <= before);
}

#[test]
fn what_is_no_name_names_nobody_alive() {
    let (segment, places) = segment(3);
    places.mine(&segment).unwrap();
    assert_eq!(Name::from_raw(0), None);
    for raw in [1, 0xff, 0x100, 0x1ff, 0x201, u64::MAX] {
        let name = Name::from_raw(raw).unwrap();
        assert!(!places.is_alive(&segment, name), "{raw:x}");
        places.tell(&segment, name);
    }
}

#[test]
fn a_forked_child_has_a_place_of_its_own() {
    let (segment, places) = segment(4);
    let mine = places.mine(&segment).unwrap().name();
    fork(|| assert_ne!(places.mine(&segment).unwrap().name(), mine)).assert_ok();
    assert!(places.is_alive(&segment, mine));
}

/// Sleeps on the life of the name in a cell until it is dead.
fn mourn(places: Places, segment: &Segment, cell: &AtomicU64) {
    until(WAIT, "a name", || cell.load(SeqCst) != 0);
    let name = Name::from_raw(cell.load(SeqCst)).unwrap();
    while let Some((life, seen)) = places.watch(segment, name) {
        futex::wait_any(&[(life, seen)], Deadline::NEVER);
    }
    places.tell(segment, name);
}

#[test]
fn all_who_sleep_on_a_life_wake_when_it_ends() {
    let _dog = watchdog(WAIT * 2);
    for killed in [true, false] {
        let (segment, places) = segment(6);
        let page = SharedPage::new(2);
        let holder = fork(|| {
            page[0].store(places.mine(&segment).unwrap().name().raw(), SeqCst);
            until(WAIT, "the end", || page[1].load(SeqCst) == 1);
        });
        let sleepers: Vec<_> = (0..3).map(|_| fork(|| mourn(places, &segment, &page[0]))).collect();
        for sleeper in &sleepers {
            until(WAIT, "a sleeper", || page[0].load(SeqCst) != 0 && is_asleep(sleeper.pid()));
        }
        if killed {
            holder.kill();
        }
        page[1].store(1, SeqCst);
        for mut sleeper in sleepers {
            assert_eq!(sleeper.wait_timeout(WAIT), Some(Outcome::Exited(0)));
        }
    }
}

/// Coming and leaving, killed anywhere: the name is dead, who sleeps on it wakes, the place is free.
#[test]
fn a_thread_killed_anywhere_while_it_comes_or_leaves_is_dead_to_all() {
    let _dog = watchdog(Duration::from_secs(280));
    let report = kill_at_every_instruction(
        Limits::default(),
        || {
            let (segment, places) = segment(1);
            // What a process does the first time is not the subject.
            drop(self::segment(1).0);
            (segment, places, SharedPage::new(1))
        },
        |(segment, places, page)| {
            let mine = places.mine(segment).unwrap();
            page[0].store(mine.name().raw(), SeqCst);
        },
        |(segment, places, page), point| {
            if let Some(name) = Name::from_raw(page[0].load(SeqCst)) {
                assert!(!places.is_alive(&segment, name), "{point}");
            }
            let next = places.mine(&segment).unwrap();
            assert!(places.is_alive(&segment, next.name()), "{point}");
        },
    );
    println!("coming    {report}");
    assert_eq!(report.end, End::Finished, "{report}");
    let report = kill_at_every_instruction(
        Limits { from_mark: true, ..Limits::default() },
        || {
            let (segment, places) = segment(1);
            let page = SharedPage::new(1);
            let mourner = fork(|| mourn(places, &segment, &page[0]));
            (RefCell::new(Some(segment)), places, page, mourner)
        },
        |(segment, places, page, mourner): &(_, Places, SharedPage, Child)| {
            let segment = segment.take().unwrap();
            let mine = places.mine(&segment).unwrap();
            page[0].store(mine.name().raw(), SeqCst);
            until(WAIT, "the mourner", || is_asleep(mourner.pid()));
            testkit::explore_from_here();
            drop(segment);
        },
        |(segment, places, _page, mut mourner), point| {
            assert_eq!(mourner.wait_timeout(WAIT), Some(Outcome::Exited(0)), "{point}");
            places.mine(&segment.take().unwrap()).unwrap();
        },
    );
    println!("leaving   {report}");
    assert_eq!(report.end, End::Finished, "{report}");
}
