//! Several permits at a time: whoever is killed, none is lost and nobody sleeps on.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use testkit::{Limits, Report, explore_from_here, is_asleep, kill_at_every_instruction, until};

use super::{READY, Scene, WAIT, passes};

/// Gives back two permits, for each of which somebody stands in line, or one who wants both.
fn give_back_two(wants: &[u32]) -> Report {
    kill_at_every_instruction(
        Limits { from_mark: true, ..Limits::default() },
        || Scene::new(2).with_waiters(wants),
        |scene| {
            let permits = scene.pool.acquire_many(2).unwrap();
            scene.let_them_sleep();
            explore_from_here();
            drop(permits);
        },
        |scene, _| scene.all_go_on(),
    )
}

#[test]
fn giving_back_two_to_two() {
    passes("give back two, two in line", || give_back_two(&[1, 1]));
}

#[test]
fn giving_back_two_to_one_who_gathers() {
    passes("give back two, one gathers two", || give_back_two(&[2]));
}

/// The victim has one permit of two and sleeps for the other, two more who want one and both stand behind
/// it; the owner gives back the other.
#[test]
fn gathering() {
    let limits = Limits {
        from_mark: true,
        on_sleep: Some(Box::new(|scene: &Scene| {
            scene.page[READY].store(1, SeqCst);
            for child in &scene.waiters[1..] {
                until(WAIT, "those behind", || is_asleep(child.pid()));
            }
            assert_eq!(scene.pool.available(), 0, "it keeps what it has");
            scene.page[2].store(1, SeqCst);
        })),
        ..Limits::default()
    };
    passes("gather two, others in line", || {
        kill_at_every_instruction(
            limits,
            || {
                let mut scene = Scene::new(2);
                scene.start_owner();
                scene.with_waiters(&[1, 2])
            },
            |scene| {
                let none = scene.pool.acquire_many_timeout(2, Duration::ZERO).unwrap();
                assert!(none.is_none());
                explore_from_here();
                drop(scene.pool.acquire_many(2).unwrap());
            },
            |scene, _| {
                scene.page[READY].store(1, SeqCst);
                scene.page[2].store(1, SeqCst);
                scene.all_go_on();
            },
        )
    });
}

/// The victim gathers two, of which one is there, until its time is over; one stands behind it.
#[test]
fn giving_up() {
    passes("gather two and give up, one in line", || {
        kill_at_every_instruction(
            Limits { from_mark: true, ..Limits::default() },
            || {
                let mut scene = Scene::new(2);
                scene.start_owner();
                scene.with_waiters(&[1])
            },
            |scene| {
                // Too short to be seen as a sleep.
                let gather =
                    || scene.pool.acquire_many_timeout(2, Duration::from_millis(3)).unwrap();
                assert!(gather().is_none());
                explore_from_here();
                scene.page[READY].store(1, SeqCst);
                assert!(gather().is_none());
            },
            |scene, _| {
                scene.page[READY].store(1, SeqCst);
                until(WAIT, "the one behind", || {
                    is_asleep(scene.waiters[1].pid()) || scene.pool.available() == 1
                });
                scene.page[2].store(1, SeqCst);
                scene.all_go_on();
            },
        )
    });
}

#[test]
fn trying_for_more_than_there_are() {
    passes("try for two where there is one", || {
        kill_at_every_instruction(
            Limits { from_mark: true, ..Limits::default() },
            || {
                let mut scene = Scene::new(2);
                scene.start_owner();
                scene
            },
            |scene| {
                assert!(scene.pool.try_acquire_many(2).unwrap().is_none());
                explore_from_here();
                assert!(scene.pool.try_acquire_many(2).unwrap().is_none());
            },
            |scene, _| {
                assert_eq!(scene.pool.available(), 1);
                scene.page[2].store(1, SeqCst);
                scene.all_go_on();
            },
        )
    });
}
