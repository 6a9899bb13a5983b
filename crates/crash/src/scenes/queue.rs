//! Queues: what was sent is there once and in order, whole or not at all, and both ends go on.

mod faces;
mod rows;

use crate::fault::demand;
use crate::pairs;
use crate::row::{Plan, Seen};
use crate::scenes::Verb::{self, Block, Timeout, Try};
use crate::stage::{Cue, Stage};
pub(crate) use faces::Queue;
pub(crate) use rows::ROWS;
use testkit::{KillPoint, explore_from_here, kill_at_every_instruction};

/// What lies in the queue before, in this order: as many as fit, or fewer.
const FIRST: [u64; 3] = [10, 11, 12];
/// What the victim sends, and the second one of a pair.
const ITS_OWN: [u64; 2] = [50, 51];
const ITS_NEXT: [u64; 2] = [52, 53];
/// What those beside it send.
const OTHERS: [u64; 2] = [60, 61];
/// What the barger sends.
const BARGED: u64 = 70;
/// What is sent to those who sleep on for want of a message, from here on.
const CONSOLATION: u64 = 80;
/// The same, to a victim that had to sleep again.
const CONSOLATION_AGAIN: u64 = 140;
/// What is sent last, after the kill.
const LAST: u64 = 200;
/// Where it is noted how often the victim had to sleep again.
const AGAIN: u64 = 210;

pub(crate) struct Scene<Q> {
    queue: Q,
    stage: Stage,
}

/// What must be true of the messages in the end.
struct Account<'a> {
    /// Sent for sure.
    sent: &'a [u64],
    /// Sent or not.
    perhaps: &'a [u64],
    /// How many of them those may have taken along who were killed as they received.
    lost: usize,
}

impl<Q> Queue<Q> {
    /// With these messages in it.
    fn scene(&self, first: &[u64]) -> Scene<Q> {
        let scene = Scene { queue: (self.make)(), stage: Stage::new() };
        first.iter().for_each(|number| self.send_one(&scene, *number));
        scene
    }

    fn send_one(&self, scene: &Scene<Q>, number: u64) {
        demand!((self.send)(&scene.queue, &[number], Block) == 1, Corrupt, "nothing was sent");
    }

    /// Receives, and notes what.
    fn receive(&self, scene: &Scene<Q>, verb: Verb) -> bool {
        let numbers = (self.recv)(&scene.queue, self.batch, verb);
        numbers.iter().for_each(|number| scene.stage.note(*number));
        !numbers.is_empty()
    }

    /// What is done for the first time is done, on a queue that is not the subject.
    fn warm_up(&self, warm: &Scene<Q>) {
        for verb in [Timeout, Try, Block] {
            (self.send)(&warm.queue, self.own(), verb);
            (self.recv)(&warm.queue, self.batch, verb);
        }
        explore_from_here();
    }

    fn own(&self) -> &'static [u64] {
        ITS_OWN.get(..self.batch).unwrap_or(&ITS_OWN)
    }

    fn start_receivers(&self, scene: &Scene<Q>, count: usize) {
        for _ in 0..count {
            scene.stage.start_sleeper(|| assert!(self.receive(scene, Block), "no message"));
        }
    }

    fn start_senders(&self, scene: &Scene<Q>, numbers: &[u64]) {
        for number in numbers {
            scene.stage.start_sleeper(|| self.send_one(scene, *number));
        }
    }

    /// After the kill: those who wait for room get it, as long as there is something to receive.
    fn senders_end(&self, scene: &Scene<Q>, plan: &Plan) {
        scene.stage.give(Cue::GoOn);
        while scene.stage.goes_on(plan.patience, || !(self.is_full)(&scene.queue)) {
            demand!(self.receive(scene, Timeout), Hangs, "full, and nothing comes out");
        }
    }

    /// After the kill: those who wait for a message get one, a new one if there is none. Returns how
    /// many were new.
    fn receivers_end(&self, scene: &Scene<Q>, plan: &Plan) -> usize {
        scene.stage.give(Cue::GoOn);
        let mut new = 0;
        while scene.stage.goes_on(plan.patience, || (self.len)(&scene.queue) > 0) {
            self.send_one(scene, CONSOLATION + new as u64);
            new += 1;
        }
        new
    }

    /// A fresh process sends, another one receives all that is there; then all is counted.
    fn account(&self, scene: &Scene<Q>, plan: &Plan, account: &Account<'_>) {
        let first = scene.stage.later(|| {
            (self.send)(&scene.queue, &[LAST], Timeout);
        });
        let order = &scene.stage.notes()[LAST as usize + 1];
        let second = scene.stage.later(|| {
            let mut before = 0;
            while scene.stage.noted(LAST) == 0 {
                let numbers = (self.recv)(&scene.queue, self.batch, Timeout);
                assert!(!numbers.is_empty(), "{}: nothing comes out", crate::fault::Fault::Hangs);
                for number in numbers {
                    scene.stage.note(number);
                    if FIRST.contains(&number) || ITS_OWN.contains(&number) {
                        let back = u64::from(number < before);
                        order.fetch_add(back, std::sync::atomic::Ordering::SeqCst);
                        before = number;
                    }
                }
            }
        });
        for child in [first, second] {
            scene.stage.newcomer_ends(child, plan.patience);
        }
        let out_of_order = order.load(std::sync::atomic::Ordering::SeqCst);
        demand!(out_of_order == 0, Corrupt, "messages overtake each other");
        let mut lost = Vec::new();
        for number in 0..LAST {
            let (count, sent) = (scene.stage.noted(number), account.sent.contains(&number));
            let known = sent || account.perhaps.contains(&number) || number >= CONSOLATION;
            demand!(count == 0 || known, Corrupt, "{number} was never sent");
            demand!(count <= 1, Twice, "{number} was received {count} times");
            if sent && count == 0 {
                lost.push(number);
            }
        }
        demand!(lost.len() <= account.lost, Lost, "{lost:?}, and {} may be", account.lost);
    }
}

/// Sends for sure when it finished, perhaps before.
fn sent(own: &[u64], finished: bool) -> (&[u64], &[u64]) {
    if finished { (own, &[]) } else { (&[], own) }
}

/// The victim sends to a queue with a message in it.
pub(crate) fn send<Q>(queue: &Queue<Q>, verb: Verb, plan: &Plan) -> Seen {
    let warm = queue.scene(&[]);
    let victim = |scene: &Scene<Q>| {
        queue.warm_up(&warm);
        let sent = (queue.send)(&scene.queue, queue.own(), verb);
        demand!(sent == queue.batch, Lost, "sent only {sent}");
    };
    let check = |scene: Scene<Q>, point: KillPoint| {
        let (own, perhaps) = sent(queue.own(), point.finished);
        let all = [&FIRST[..1], own].concat();
        queue.account(&scene, plan, &Account { sent: &all, perhaps, lost: 0 });
    };
    kill_at_every_instruction(plan.limits(), || queue.scene(&FIRST[..1]), victim, check).into()
}

/// The victim sends while others sleep for a message. A barger receives just before the kill.
pub(crate) fn send_to_sleepers<Q>(
    queue: &Queue<Q>,
    sleepers: usize,
    barger: bool,
    plan: &Plan,
) -> Seen {
    let mut limits = plan.limits();
    if barger {
        limits.before_kill = Some(Box::new(|scene: &Scene<Q>, _| {
            scene.stage.start_barger(|tried| tried(queue.receive(scene, Try)));
        }));
    }
    let setup = || {
        let scene = queue.scene(&[]);
        queue.start_receivers(&scene, sleepers);
        scene
    };
    let warm = queue.scene(&[]);
    let victim = |scene: &Scene<Q>| {
        queue.warm_up(&warm);
        (queue.send)(&scene.queue, queue.own(), Block);
    };
    let check = |scene: Scene<Q>, point: KillPoint| {
        queue.receivers_end(&scene, plan);
        let (sent, perhaps) = sent(queue.own(), point.finished);
        queue.account(&scene, plan, &Account { sent, perhaps, lost: 0 });
    };
    kill_at_every_instruction(limits, setup, victim, check).into()
}

/// The victim sleeps for room before another one does; then there is room for both. A barger sends, if there
/// is room by then, just before the kill.
pub(crate) fn woken_sender<Q>(queue: &Queue<Q>, verb: Verb, barger: bool, plan: &Plan) -> Seen {
    let mut limits = plan.limits();
    limits.on_sleep = Some(Box::new(|scene: &Scene<Q>| {
        // Once more when the other one was faster than the victim and took all the room.
        let first = !scene.stage.was_given(Cue::Mattered);
        if first {
            queue.start_senders(scene, &OTHERS[..1]);
            scene.stage.give(Cue::Mattered);
        }
        for _ in 0..1 + u64::from(first) {
            demand!(queue.receive(scene, Try), Lost, "a full queue has nothing");
        }
    }));
    if barger {
        limits.before_kill = Some(Box::new(|scene: &Scene<Q>, _| {
            scene.stage.start_barger(|tried| {
                let got = (queue.send)(&scene.queue, &[BARGED], Try) == 1;
                tried(got);
            });
        }));
    }
    let warm = queue.scene(&[]);
    let victim = |scene: &Scene<Q>| {
        queue.warm_up(&warm);
        (queue.send)(&scene.queue, queue.own(), verb);
    };
    let check = |scene: Scene<Q>, point: KillPoint| {
        queue.senders_end(&scene, plan);
        let (own, perhaps) = sent(queue.own(), point.finished);
        let others: &[u64] = if scene.stage.was_given(Cue::Mattered) { &OTHERS[..1] } else { &[] };
        let all = [&FIRST[..], own, others].concat();
        let perhaps = [perhaps, &[BARGED]].concat();
        queue.account(&scene, plan, &Account { sent: &all, perhaps: &perhaps, lost: 0 });
    };
    let seen: Seen =
        kill_at_every_instruction(limits, || queue.scene(&FIRST), victim, check).into();
    demand!(seen.asleep > 0, Incomplete, "the victim never slept");
    seen
}

/// The victim receives, and there are messages.
pub(crate) fn recv<Q>(queue: &Queue<Q>, verb: Verb, plan: &Plan) -> Seen {
    let warm = queue.scene(&[]);
    let victim = |scene: &Scene<Q>| {
        queue.warm_up(&warm);
        demand!(queue.receive(scene, verb), Lost, "no message");
    };
    let check = |scene: Scene<Q>, point: KillPoint| {
        let lost = if point.finished { 0 } else { queue.batch };
        queue.account(&scene, plan, &Account { sent: &FIRST, perhaps: &[], lost });
    };
    kill_at_every_instruction(plan.limits(), || queue.scene(&FIRST), victim, check).into()
}

/// The victim receives while others sleep for room. A barger sends, if there is room by then, just before the
/// kill.
pub(crate) fn recv_from_sleepers<Q>(
    queue: &Queue<Q>,
    sleepers: usize,
    barger: bool,
    plan: &Plan,
) -> Seen {
    let mut limits = plan.limits();
    if barger {
        limits.before_kill = Some(Box::new(|scene: &Scene<Q>, _| {
            scene.stage.start_barger(|tried| {
                let got = (queue.send)(&scene.queue, &[BARGED], Try) == 1;
                tried(got);
            });
        }));
    }
    let others = OTHERS.get(..sleepers).unwrap_or(&OTHERS);
    let setup = || {
        let scene = queue.scene(&FIRST);
        queue.start_senders(&scene, others);
        scene
    };
    let warm = queue.scene(&[]);
    let victim = |scene: &Scene<Q>| {
        queue.warm_up(&warm);
        demand!(queue.receive(scene, Block), Lost, "no message");
    };
    let check = |scene: Scene<Q>, point: KillPoint| {
        queue.senders_end(&scene, plan);
        let lost = if point.finished { 0 } else { queue.batch };
        let all = [&FIRST[..], others].concat();
        queue.account(&scene, plan, &Account { sent: &all, perhaps: &[BARGED], lost });
    };
    kill_at_every_instruction(limits, setup, victim, check).into()
}

/// The victim sleeps for a message before another one does; then two come. A barger receives one, if there is
/// one by then, just before the kill.
pub(crate) fn woken_receiver<Q>(queue: &Queue<Q>, verb: Verb, barger: bool, plan: &Plan) -> Seen {
    let mut limits = plan.limits();
    limits.on_sleep = Some(Box::new(|scene: &Scene<Q>| {
        if !scene.stage.was_given(Cue::Mattered) {
            queue.start_receivers(scene, 1);
            if queue.batch > 1 {
                // It might take all there is before the victim, or not, and no victim's way would be like
                // the last one's.
                scene.stage.stop_others();
            }
            scene.stage.give(Cue::Mattered);
            OTHERS.iter().for_each(|number| queue.send_one(scene, *number));
            return;
        }
        // The other one was faster than the victim, and took all there was.
        let times = scene.stage.noted(AGAIN);
        scene.stage.note(AGAIN);
        queue.send_one(scene, CONSOLATION_AGAIN + times);
    }));
    if barger {
        limits.before_kill = Some(Box::new(|scene: &Scene<Q>, _| {
            scene.stage.start_barger(|tried| tried(queue.receive(scene, Try)));
        }));
    }
    let warm = queue.scene(&[]);
    let victim = |scene: &Scene<Q>| {
        queue.warm_up(&warm);
        demand!(queue.receive(scene, verb), Lost, "no message");
    };
    let check = |scene: Scene<Q>, point: KillPoint| {
        scene.stage.continue_others();
        queue.receivers_end(&scene, plan);
        let sent: &[u64] = if scene.stage.was_given(Cue::Mattered) { &OTHERS } else { &[] };
        let lost = if point.finished { 0 } else { queue.batch };
        queue.account(&scene, plan, &Account { sent, perhaps: &[], lost });
    };
    let seen: Seen = kill_at_every_instruction(limits, || queue.scene(&[]), victim, check).into();
    demand!(seen.asleep > 0, Incomplete, "the victim never slept");
    seen
}

/// The victim tries to send to a full queue, or to receive from an empty one.
pub(crate) fn in_vain<Q>(queue: &Queue<Q>, sends: bool, plan: &Plan) -> Seen {
    let first: &[u64] = if sends { &FIRST } else { &[] };
    let warm = queue.scene(&[]);
    let victim = |scene: &Scene<Q>| {
        queue.warm_up(&warm);
        let done = if sends {
            (queue.send)(&scene.queue, queue.own(), Try) > 0
        } else {
            queue.receive(scene, Try)
        };
        demand!(!done, Corrupt, "there was no room, or no message");
    };
    let check = |scene: Scene<Q>, _| {
        queue.account(&scene, plan, &Account { sent: first, perhaps: &[], lost: 0 });
    };
    kill_at_every_instruction(plan.limits(), || queue.scene(first), victim, check).into()
}

/// The victim sends into a full queue by force, while others sleep for room. It takes out the oldest message,
/// and one more for each of them that is faster.
pub(crate) fn force<Q>(queue: &Queue<Q>, sleepers: usize, plan: &Plan) -> Seen {
    let others = &OTHERS[..sleepers];
    let setup = || {
        let scene = queue.scene(&FIRST);
        queue.start_senders(&scene, others);
        scene
    };
    let warm = queue.scene(&[]);
    let victim = |scene: &Scene<Q>| {
        queue.warm_up(&warm);
        let sent = (queue.send)(&scene.queue, queue.own(), Block);
        demand!(sent == 1, Lost, "it was not sent");
    };
    let check = |scene: Scene<Q>, point: KillPoint| {
        queue.senders_end(&scene, plan);
        let (own, perhaps) = sent(queue.own(), point.finished);
        let (out, stay) = FIRST.split_at(1 + sleepers);
        let all = [stay, own, others].concat();
        let perhaps = [out, perhaps].concat();
        queue.account(&scene, plan, &Account { sent: &all, perhaps: &perhaps, lost: 0 });
    };
    kill_at_every_instruction(plan.limits(), setup, victim, check).into()
}

/// Two who send, one after the other, are killed, while a receiver sleeps.
pub(crate) fn send_twice<Q>(queue: &Queue<Q>, plan: &Plan) -> Seen {
    let setup = || {
        let scene = queue.scene(&[]);
        queue.start_receivers(&scene, 1);
        scene
    };
    let next = ITS_NEXT.get(..queue.batch).unwrap_or(&ITS_NEXT);
    let warm = queue.scene(&[]);
    let sends = |own: &'static [u64]| {
        let warm = &warm;
        move |scene: &Scene<Q>| {
            queue.warm_up(warm);
            (queue.send)(&scene.queue, own, Block);
        }
    };
    let check = |scene: Scene<Q>, points: [KillPoint; 2]| {
        queue.receivers_end(&scene, plan);
        let [(sent1, perhaps1), (sent2, perhaps2)] =
            [sent(queue.own(), points[0].finished), sent(next, points[1].finished)];
        let (all, perhaps) = ([sent1, sent2].concat(), [perhaps1, perhaps2].concat());
        queue.account(&scene, plan, &Account { sent: &all, perhaps: &perhaps, lost: 0 });
    };
    pairs::explore(plan, setup, sends(queue.own()), sends(next), |_| (), check)
}

/// Two who receive, one after the other, are killed, while a sender sleeps for room.
pub(crate) fn recv_twice<Q>(queue: &Queue<Q>, plan: &Plan) -> Seen {
    let setup = || {
        let scene = queue.scene(&FIRST);
        queue.start_senders(&scene, &OTHERS[..1]);
        scene
    };
    let warm = queue.scene(&[]);
    let victim = |scene: &Scene<Q>| {
        queue.warm_up(&warm);
        demand!(queue.receive(scene, Block), Lost, "no message");
    };
    let check = |scene: Scene<Q>, points: [KillPoint; 2]| {
        queue.senders_end(&scene, plan);
        let lost = points.iter().filter(|point| !point.finished).count() * queue.batch;
        let all = [&FIRST[..], &OTHERS[..1]].concat();
        queue.account(&scene, plan, &Account { sent: &all, perhaps: &[], lost });
    };
    pairs::explore(plan, setup, victim, victim, |_| (), check)
}
