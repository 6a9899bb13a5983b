//! A victim that sleeps is killed in its sleep, and explored as the woken waiter when woken.

use nix::sys::signal::{SigSet, Signal, raise};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    End, KillPoint, Limits, SharedPage, fork, is_asleep, kill_at_every_instruction, until, watchdog,
};

const LIMIT: Duration = Duration::from_secs(200);

struct Scene {
    page: SharedPage,
    reader: PipeReader,
    writer: PipeWriter,
}

fn scene() -> Scene {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    Scene { page: SharedPage::new(2), reader, writer }
}

fn wait_then_count(scene: &Scene) {
    scene.page[0].fetch_add(1, SeqCst);
    let got = (&scene.reader).read(&mut [0]).expect("an open pipe");
    scene.page[1].fetch_add(got as u64, SeqCst);
}

#[test]
fn without_anybody_to_wake_it_the_sleep_is_the_last_point() {
    let _dog = watchdog(LIMIT);
    let mut last = None;
    let report = kill_at_every_instruction(
        Limits { stride: 1, ..Limits::default() },
        || SharedPage::new(1),
        |page| {
            page[0].store(1, SeqCst);
            nix::unistd::pause();
            page[0].store(2, SeqCst);
        },
        |page, point| {
            assert!(page[0].load(SeqCst) < 2);
            last = Some((point, page[0].load(SeqCst)));
        },
    );
    assert_eq!((report.end, report.asleep), (End::Asleep, 1), "{report}");
    assert!(report.points > 2, "{report}");
    let (point, value): (KillPoint, u64) = last.unwrap();
    assert!(point.asleep && !point.finished && value == 1, "{point:?}");
    assert_eq!(point.instruction, report.points - 2, "killed before the call, and inside it");
}

#[test]
fn a_woken_victim_goes_on_to_its_end() {
    let _dog = watchdog(LIMIT);
    let mut woken = 0;
    let mut points = Vec::new();
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene| {
            woken += 1;
            assert_eq!(scene.page[0].load(SeqCst), 1);
            (&scene.writer).write_all(b"x").unwrap();
        })),
        stride: 1,
        ..Limits::default()
    };
    let report = kill_at_every_instruction(limits, scene, wait_then_count, |scene, point| {
        points.push((point, scene.page[1].load(SeqCst)));
    });
    assert_eq!((report.end, report.asleep), (End::Finished, 1), "{report}");
    let sleep = points.iter().position(|(point, _)| point.asleep).unwrap();
    assert!(sleep > 1 && sleep + 3 < points.len());
    assert_eq!(woken, points.len() - sleep - 1, "each later victim was woken once");
    let counted: Vec<u64> = points.iter().map(|&(_, count)| count).collect();
    assert!(counted.is_sorted() && counted[sleep + 1] == 0, "killed woken, before it counted");
    assert_eq!(counted.last(), Some(&1));
    // The one that sleeps and the one that has just woken differ by the one instruction.
    assert_eq!(points[sleep].0.instruction + 1, points[sleep + 1].0.instruction);
}

#[test]
fn every_sleep_of_a_victim_gets_its_own_kill() {
    let _dog = watchdog(LIMIT);
    let mut sleeping = Vec::new();
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene| {
            (&scene.writer).write_all(b"x").unwrap();
        })),
        stride: 16,
        ..Limits::default()
    };
    let victim = |scene: &Scene| {
        for _ in 0..3 {
            wait_then_count(scene);
        }
    };
    let report = kill_at_every_instruction(limits, scene, victim, |scene, point| {
        if point.asleep {
            sleeping.push((scene.page[0].load(SeqCst), scene.page[1].load(SeqCst)));
        }
    });
    assert_eq!((report.end, report.asleep), (End::Finished, 3), "{report}");
    assert_eq!(sleeping, [(1, 0), (2, 1), (3, 2)]);
}

#[test]
fn a_lost_wake_is_a_failure() {
    let _dog = watchdog(LIMIT);
    let limits = Limits {
        on_sleep: Some(Box::new(|_: &Scene| {})),
        patience: Duration::from_millis(150),
        stride: 1,
        ..Limits::default()
    };
    let explored = catch_unwind(AssertUnwindSafe(|| {
        kill_at_every_instruction(limits, scene, wait_then_count, |_, _| {})
    }));
    let text = *explored.expect_err("nobody woke it").downcast::<String>().unwrap();
    assert!(text.contains("nobody woke the victim") && text.contains("150ms"), "{text}");
}

#[test]
fn helpers_of_the_scene_sleep_beside_the_victim_and_end_with_it() {
    let _dog = watchdog(LIMIT);
    let report = kill_at_every_instruction(
        Limits { stride: 1, ..Limits::default() },
        || {
            let scene = scene();
            let reader = scene.reader.try_clone().unwrap();
            let sleeper = fork(move || assert_eq!((&reader).read(&mut [0]).unwrap(), 1));
            until(LIMIT, "the helper's sleep", || is_asleep(sleeper.pid()));
            (scene, sleeper)
        },
        |(scene, _)| (&scene.writer).write_all(b"x").unwrap(),
        |(scene, mut sleeper), point| {
            // The write is one system call: before it the helper sleeps on, after it it ends.
            if point.finished {
                sleeper.wait_timeout(LIMIT).unwrap();
            } else if sleeper.try_wait().is_none() {
                (&scene.writer).write_all(b"x").unwrap();
                sleeper.assert_ok();
            }
        },
    );
    assert_eq!((report.end, report.asleep), (End::Finished, 0), "{report}");
}

#[test]
fn signals_reach_the_victim_and_stops_do_not_hold_it_up() {
    let _dog = watchdog(LIMIT);
    let mut set = SigSet::empty();
    set.add(Signal::SIGUSR1);
    let victim = |page: &SharedPage| {
        set.thread_block().unwrap();
        raise(Signal::SIGSTOP).unwrap();
        raise(Signal::SIGUSR1).unwrap();
        // Asleep for good if the signal was swallowed on its way.
        let got = set.wait().unwrap();
        page[0].store(u64::try_from(got as i32).unwrap(), SeqCst);
    };
    let limits = Limits { stride: 7, ..Limits::default() };
    let mut last = 0;
    let report = kill_at_every_instruction(
        limits,
        || SharedPage::new(1),
        victim,
        |page, _| last = page[0].load(SeqCst),
    );
    assert_eq!((report.end, report.asleep, last), (End::Finished, 0, 10), "{report}");
}
