//! Who joins is killed: alone, and with a receiver that sleeps beside it.

use super::*;

const SIGSTOP: i32 = 19;
const SIGCONT: i32 = 18;

/// The victim waits until all is done, and is woken for it; another sender does so after it.
fn woken_joiner() -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene<Numbers>| {
            scene.set(OTHERS_END);
            let holder = scene.others.borrow_mut().remove(0);
            holder.assert_ok();
        })),
        ..thin(13)
    };
    kill_at_every_instruction(
        limits,
        || {
            let scene = Scene::<Numbers>::with(4, [10]);
            let holder = fork(|| {
                let go_on = || until(WAIT, "the word", || scene.word(OTHERS_END) == 1);
                scene.work(go_on, true);
            });
            until(WAIT, "the lease", || scene.word(GOT) == 1);
            scene.others.borrow_mut().push(holder);
            scene
        },
        |scene| {
            explore_from_here();
            scene.queue.join();
            scene.set(88);
        },
        |scene, point| {
            assert!(!point.finished || scene.word(88) == 1, "it never came back");
            let mut next = fork(|| scene.queue.join());
            scene.set(OTHERS_END);
            scene.others_end_well(point);
            assert_eq!(next.wait_timeout(WAIT), Some(Outcome::Exited(0)), "the next sleeps on");
        },
    )
}

/// The victim joins, a receiver sleeps behind it, and who has the message in lease is killed: the kernel
/// tells the victim alone.
///
/// The receiver tells the victim when it comes, which then goes to sleep again, last; a signal has the
/// receiver queue once more, behind it.
fn hears_first() -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene<Numbers>| {
            if scene.others.borrow().len() == 1 {
                return scene.start_receiver();
            }
            if scene.word(OTHERS_END) == 0 {
                scene.set(OTHERS_END);
                let receiver = scene.others.borrow_mut().pop().unwrap();
                receiver.signal(SIGSTOP);
                until(WAIT, "its stop", || !is_asleep(receiver.pid()));
                receiver.signal(SIGCONT);
                until(WAIT, "its sleep", || is_asleep(receiver.pid()));
                scene.kill_the_holder();
                scene.others.borrow_mut().push(receiver);
            }
        })),
        ..thin(13)
    };
    // The control's fault lies open from the wake to the end of passing it on, dozens of instructions.
    let limits = if FAULT.get().is_some() { Limits { stride: 5, ..limits } } else { limits };
    kill_at_every_instruction(
        limits,
        Scene::<Numbers>::with_a_holder,
        |scene| {
            explore_from_here();
            scene.queue.join();
        },
        |scene, point| {
            if scene.word(OTHERS_END) == 0 {
                scene.kill_the_holder();
            }
            scene.others_end_well(point);
        },
    )
}

#[test]
fn woken_to_join() {
    passes("woken to join", woken_joiner);
}

#[test]
fn hearing_of_a_death_before_a_receiver_does() {
    passes("join, told of a death", hears_first);
    is_caught(Fault::IgnoresTheOther, hears_first, "sleeps on");
}
