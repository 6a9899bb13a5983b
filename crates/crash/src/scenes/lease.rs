//! Leases: a message that was acknowledged never comes again, and any other comes until it is.

mod faces;

use crate::fault::demand;
use crate::pairs;
use crate::row::{Plan, Row, Seen, row};
use crate::scenes::Verb::{self, Block, Timeout, Try};
use crate::stage::{Cue, Stage, has_ended};
use faces::{BYTES, End, Leases, NUMBERS, POISONED, POISONING, VALUES};
use shm_queue::Sender;
use std::time::Duration;
use testkit::{Child, KillPoint, explore_from_here, fork, kill_at_every_instruction, until};

const LONG: Duration = Duration::from_secs(60);

pub(crate) const ROWS: &[Row] = &[
    row("LeaseReceiver::lease, ack", "some there", |plan| {
        leases(&NUMBERS, 1, Block, End::Acknowledged, false, plan)
    }),
    row("LeaseReceiver::try_lease, ack", "some there", |plan| {
        leases(&NUMBERS, 1, Try, End::Acknowledged, false, plan)
    }),
    row("LeaseReceiver::lease_timeout, ack", "some there", |plan| {
        leases(&NUMBERS, 1, Timeout, End::Acknowledged, false, plan)
    }),
    row("LeaseReceiver::lease_many, ack", "some there", |plan| {
        leases(&NUMBERS, 2, Block, End::Acknowledged, false, plan)
    }),
    row("LeaseReceiver::try_lease_many, ack", "some there", |plan| {
        leases(&NUMBERS, 2, Try, End::Acknowledged, false, plan)
    }),
    row("LeaseReceiver::lease_many_timeout, ack", "some there", |plan| {
        leases(&NUMBERS, 2, Timeout, End::Acknowledged, false, plan)
    }),
    row("LeaseReceiver::lease, ack", "another waits for the last", |plan| {
        leases(&NUMBERS, 1, Block, End::Acknowledged, true, plan)
    }),
    row("LeaseReceiver::lease, drop", "some there", |plan| {
        leases(&NUMBERS, 1, Block, End::GivenBack, false, plan)
    }),
    row("LeaseReceiver::lease, drop", "another waits for the last", |plan| {
        leases(&NUMBERS, 1, Block, End::GivenBack, true, plan)
    }),
    row("LeaseReceiver::lease_many, drop", "some there", |plan| {
        leases(&NUMBERS, 2, Block, End::GivenBack, false, plan)
    }),
    row("LeaseReceiver::lease", "redelivery, next lessee killed too", |plan| {
        redelivery(&NUMBERS, plan)
    }),
    row("LeaseReceiver::lease", "empty, woken", |plan| woken(&NUMBERS, 1, Block, plan)),
    row("LeaseReceiver::lease_timeout", "empty, woken", |plan| woken(&NUMBERS, 1, Timeout, plan)),
    row("LeaseReceiver::lease_many", "empty, woken", |plan| woken(&NUMBERS, 2, Block, plan)),
    row("LeaseReceiver::lease_many_timeout", "empty, woken", |plan| {
        woken(&NUMBERS, 2, Timeout, plan)
    }),
    row("ByteLeaseReceiver::lease, ack", "some there", |plan| {
        leases(&BYTES, 1, Block, End::Acknowledged, false, plan)
    }),
    row("ByteLeaseReceiver::try_lease, ack", "some there", |plan| {
        leases(&BYTES, 1, Try, End::Acknowledged, false, plan)
    }),
    row("ByteLeaseReceiver::lease_timeout, ack", "some there", |plan| {
        leases(&BYTES, 1, Timeout, End::Acknowledged, false, plan)
    }),
    row("ByteLeaseReceiver::lease_many, ack", "some there", |plan| {
        leases(&BYTES, 2, Block, End::Acknowledged, false, plan)
    }),
    row("ByteLeaseReceiver::try_lease_many, ack", "some there", |plan| {
        leases(&BYTES, 2, Try, End::Acknowledged, false, plan)
    }),
    row("ByteLeaseReceiver::lease_many_timeout, ack", "some there", |plan| {
        leases(&BYTES, 2, Timeout, End::Acknowledged, false, plan)
    }),
    row("ByteLeaseReceiver::lease, ack", "another waits for the last", |plan| {
        leases(&BYTES, 1, Block, End::Acknowledged, true, plan)
    }),
    row("ByteLeaseReceiver::lease, drop", "some there", |plan| {
        leases(&BYTES, 1, Block, End::GivenBack, false, plan)
    }),
    row("ByteLeaseReceiver::lease, drop", "another waits for the last", |plan| {
        leases(&BYTES, 1, Block, End::GivenBack, true, plan)
    }),
    row("ByteLeaseReceiver::lease_many, drop", "some there", |plan| {
        leases(&BYTES, 2, Block, End::GivenBack, false, plan)
    }),
    row("ByteLeaseReceiver::lease", "redelivery, next lessee killed too", |plan| {
        redelivery(&BYTES, plan)
    }),
    row("ByteLeaseReceiver::lease", "empty, woken", |plan| woken(&BYTES, 1, Block, plan)),
    row("ByteLeaseReceiver::lease_timeout", "empty, woken", |plan| woken(&BYTES, 1, Timeout, plan)),
    row("ByteLeaseReceiver::lease_many", "empty, woken", |plan| woken(&BYTES, 2, Block, plan)),
    row("ByteLeaseReceiver::lease_many_timeout", "empty, woken", |plan| {
        woken(&BYTES, 2, Timeout, plan)
    }),
    row("ValueLeaseReceiver::lease, ack", "some there", |plan| {
        leases(&VALUES, 1, Block, End::Acknowledged, false, plan)
    }),
    row("ValueLeaseReceiver::try_lease, ack", "some there", |plan| {
        leases(&VALUES, 1, Try, End::Acknowledged, false, plan)
    }),
    row("ValueLeaseReceiver::lease_timeout, ack", "some there", |plan| {
        leases(&VALUES, 1, Timeout, End::Acknowledged, false, plan)
    }),
    row("ValueLeaseReceiver::lease_many, ack", "some there", |plan| {
        leases(&VALUES, 2, Block, End::Acknowledged, false, plan)
    }),
    row("ValueLeaseReceiver::try_lease_many, ack", "some there", |plan| {
        leases(&VALUES, 2, Try, End::Acknowledged, false, plan)
    }),
    row("ValueLeaseReceiver::lease_many_timeout, ack", "some there", |plan| {
        leases(&VALUES, 2, Timeout, End::Acknowledged, false, plan)
    }),
    row("ValueLeaseReceiver::lease, ack", "another waits for the last", |plan| {
        leases(&VALUES, 1, Block, End::Acknowledged, true, plan)
    }),
    row("ValueLeaseReceiver::lease, drop", "some there", |plan| {
        leases(&VALUES, 1, Block, End::GivenBack, false, plan)
    }),
    row("ValueLeaseReceiver::lease, drop", "another waits for the last", |plan| {
        leases(&VALUES, 1, Block, End::GivenBack, true, plan)
    }),
    row("ValueLeaseReceiver::lease_many, drop", "some there", |plan| {
        leases(&VALUES, 2, Block, End::GivenBack, false, plan)
    }),
    row("ValueLeaseReceiver::lease", "redelivery, next lessee killed too", |plan| {
        redelivery(&VALUES, plan)
    }),
    row("ValueLeaseReceiver::lease", "empty, woken", |plan| woken(&VALUES, 1, Block, plan)),
    row("ValueLeaseReceiver::lease_timeout", "empty, woken", |plan| {
        woken(&VALUES, 1, Timeout, plan)
    }),
    row("ValueLeaseReceiver::lease_many", "empty, woken", |plan| woken(&VALUES, 2, Block, plan)),
    row("ValueLeaseReceiver::lease_many_timeout", "empty, woken", |plan| {
        woken(&VALUES, 2, Timeout, plan)
    }),
    row("LeaseReceiver::lease, drop", "the last time, poisons it", |plan| {
        leases(&POISONING, 1, Block, End::GivenBack, false, plan)
    }),
    row("Sender::join", "hears of a death before a receiver does", hears_first),
    row("LeaseReceiver::take_poisoned, ack", "some there", |plan| {
        leases(&POISONED, 1, Try, End::Acknowledged, false, plan)
    }),
    row("LeaseReceiver::take_poisoned, drop", "some there", |plan| {
        leases(&POISONED, 1, Try, End::GivenBack, false, plan)
    }),
];

/// The messages that are there.
const FIRST: [u64; 2] = [10, 11];
/// What is sent last, after the kill.
const LAST: u64 = 15;

/// Where it is noted that a message was leased by the first victim, and by the second.
const GIVEN: [u64; 2] = [0, 20];
/// Where it is noted that somebody else has acknowledged it.
const DONE: u64 = 40;

struct Scene<Q> {
    queue: Q,
    stage: Stage,
}

impl<Q> Leases<Q> {
    fn scene(&self, numbers: &[u64]) -> Scene<Q> {
        let scene = Scene { queue: (self.make)(), stage: Stage::new() };
        numbers.iter().for_each(|number| (self.send)(&scene.queue, *number));
        scene
    }

    /// What is done for the first time is done, on another queue.
    fn warm_up(&self, most: usize) {
        let warm = self.scene(&[1]);
        for verb in [Timeout, Try, Block] {
            (self.lease)(&warm.queue, most, verb, End::GivenBack, &|_| ());
            // What was given back may be poisoned.
            (self.send)(&warm.queue, 3);
            (self.lease)(&warm.queue, most, verb, End::Acknowledged, &|_| ());
            (self.send)(&warm.queue, 2);
        }
        (self.drain)(&warm.queue, &|_| ());
    }

    fn finish_one(&self, scene: &Scene<Q>) {
        let note = |number| scene.stage.note(DONE + number);
        (self.lease)(&scene.queue, 1, Timeout, End::Acknowledged, &note);
    }

    /// After the kills: those who wait get something, a fresh process drains the queue, and all is counted.
    fn account(&self, scene: &Scene<Q>, sent: &[u64], end: End, finished: &[bool], plan: &Plan) {
        // Who waits sleeps on for good reason when all is done with: it gets one more.
        scene.stage.newcomer(plan.patience, || (self.send)(&scene.queue, LAST));
        scene.stage.all_end(plan.patience);
        scene.stage.newcomer(plan.patience, || {
            (self.drain)(&scene.queue, &|number| scene.stage.note(DONE + number));
        });
        let last = scene.stage.noted(DONE + LAST);
        demand!(last == 1, Lost, "what was sent last came {last} times");
        for number in sent {
            let mut done = scene.stage.noted(DONE + number);
            let mut perhaps = false;
            for (given, finished) in GIVEN.iter().zip(finished) {
                let given = scene.stage.noted(given + number) > 0;
                if given && end == End::Acknowledged {
                    done += u64::from(*finished);
                    perhaps |= !finished;
                }
            }
            demand!(done <= 1, Twice, "{number} came again after it was acknowledged");
            demand!(done == 1 || perhaps, Lost, "{number} came no more");
        }
    }
}

/// The victim leases what is there, and acknowledges it or gives it back. Another one waits for the last
/// message, if wanted, when the victim has it.
fn leases<Q>(
    queue: &Leases<Q>,
    most: usize,
    verb: Verb,
    end: End,
    waits: bool,
    plan: &Plan,
) -> Seen {
    let sent = if waits { &FIRST[..1] } else { &FIRST };
    let setup = || {
        let scene = queue.scene(sent);
        if waits {
            scene.stage.start(|| {
                scene.stage.wait_for(Cue::VictimIsThere);
                queue.finish_one(&scene);
            });
        }
        scene
    };
    let victim = |scene: &Scene<Q>| {
        queue.warm_up(most);
        if !waits {
            explore_from_here();
        }
        (queue.lease)(&scene.queue, most, verb, end, &|number| {
            scene.stage.note(GIVEN[0] + number);
            if waits {
                scene.stage.give(Cue::VictimIsThere);
                scene.stage.wait_until_asleep();
                explore_from_here();
            }
        });
    };
    let check = |scene: Scene<Q>, point: KillPoint| {
        queue.account(&scene, sent, end, &[point.finished], plan);
    };
    kill_at_every_instruction(plan.limits(), setup, victim, check).into()
}

/// Two who lease, one after the other, are killed, while a third waits.
fn redelivery<Q>(queue: &Leases<Q>, plan: &Plan) -> Seen {
    let lessee = |given: u64| {
        move |scene: &Scene<Q>| {
            queue.warm_up(1);
            explore_from_here();
            let has = |number| scene.stage.note(given + number);
            (queue.lease)(&scene.queue, 1, Block, End::Acknowledged, &has);
        }
    };
    let check = |scene: Scene<Q>, points: [KillPoint; 2]| {
        let finished = points.map(|point| point.finished);
        queue.account(&scene, &FIRST, End::Acknowledged, &finished, plan);
    };
    let (first, second) = (lessee(GIVEN[0]), lessee(GIVEN[1]));
    let start_another = |scene: &Scene<Q>| scene.stage.start(|| queue.finish_one(scene));
    pairs::explore(plan, || queue.scene(&FIRST), first, second, start_another, check)
}

/// The victim sleeps in an empty queue, another one behind it, and two messages come.
fn woken<Q>(queue: &Leases<Q>, most: usize, verb: Verb, plan: &Plan) -> Seen {
    let mut limits = plan.limits();
    limits.on_sleep = Some(Box::new(|scene: &Scene<Q>| {
        scene.stage.start_sleeper(|| queue.finish_one(scene));
        scene.stage.give(Cue::Mattered);
        FIRST.iter().for_each(|number| (queue.send)(&scene.queue, *number));
    }));
    let victim = |scene: &Scene<Q>| {
        queue.warm_up(most);
        explore_from_here();
        let has = |number| scene.stage.note(GIVEN[0] + number);
        (queue.lease)(&scene.queue, most, verb, End::Acknowledged, &has);
    };
    let check = |scene: Scene<Q>, point: KillPoint| {
        let sent: &[u64] = if scene.stage.was_given(Cue::Mattered) { &FIRST } else { &[] };
        queue.account(&scene, sent, End::Acknowledged, &[point.finished], plan);
    };
    let seen: Seen = kill_at_every_instruction(limits, || queue.scene(&[]), victim, check).into();
    demand!(seen.asleep > 0, Incomplete, "the victim never slept");
    seen
}

/// The victim joins, a receiver sleeps behind it, and who has the message in lease is killed: the kernel tells
/// the victim alone.
///
/// The receiver tells the victim when it comes, which then goes to sleep again, last; a signal has the receiver
/// queue once more, behind it.
fn hears_first(plan: &Plan) -> Seen {
    let queue = &NUMBERS;
    let kill_the_holder = |holder: &Child| {
        holder.kill();
        until(LONG, "the holder's end", || has_ended(holder));
    };
    let mut limits = plan.limits();
    limits.on_sleep = Some(Box::new(|(scene, holder): &(Scene<_>, Child)| {
        if !scene.stage.was_given(Cue::Barged) {
            scene.stage.give(Cue::Barged);
            scene.stage.start_sleeper(|| queue.finish_one(scene));
        } else if !scene.stage.was_given(Cue::Mattered) {
            scene.stage.give(Cue::Mattered);
            scene.stage.queue_again();
            kill_the_holder(holder);
        }
    }));
    let setup = || {
        let scene = queue.scene(&FIRST[..1]);
        let holder = fork(|| {
            let _lease = scene.queue.1.lease_timeout(LONG).unwrap();
            scene.stage.give(Cue::VictimIsThere);
            scene.stage.wait_for(Cue::GoOn);
        });
        scene.stage.wait_for(Cue::VictimIsThere);
        (scene, holder)
    };
    let victim = |(scene, _): &(Scene<(Sender<u64>, _)>, Child)| {
        queue.warm_up(1);
        explore_from_here();
        demand!(scene.queue.0.join_timeout(LONG).is_ok(), Lost, "what was sent is not done");
    };
    let check = |(scene, holder): (Scene<_>, Child), _: KillPoint| {
        if !scene.stage.was_given(Cue::Mattered) {
            kill_the_holder(&holder);
        }
        scene.stage.all_end(plan.patience);
        queue.account(&scene, &FIRST[..1], End::Acknowledged, &[], plan);
    };
    let seen: Seen = kill_at_every_instruction(limits, setup, victim, check).into();
    demand!(seen.asleep > 0, Incomplete, "the victim never slept");
    seen
}
