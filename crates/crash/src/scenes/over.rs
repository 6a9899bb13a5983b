//! The end of a queue: it is closed, its last sender or receiver goes, its last message is done. Whoever
//! waits for that, or in vain, is told.

use super::condvar::{Gate, opens, passes};
use crate::fault::demand;
use crate::row::{Plan, Row, Seen, row};
use crate::scenes::Verb;
use crate::stage::{Cue, Stage};
use shm_queue::{
    BlockReceiver, BlockSender, Blocks, ByteReceiver, ByteSender, JoinTimeoutError, Lease,
    LeaseReceiver, Receiver, RecvError, RecvTimeoutError, SendTimeoutError, Sender, ValueReceiver,
    ValueSender, bounded, bounded_blocks, bounded_bytes, bounded_leased, bounded_values,
};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use testkit::{KillPoint, explore_from_here, kill_at_every_instruction};

const LONG: Duration = Duration::from_secs(60);

type Ends = (Sender<u64>, Receiver<u64>);

/// Opened by closing the queue: receivers wait.
const EMPTY: Gate<Ends> = Gate {
    make: || bounded(2).unwrap(),
    open: |(sender, _)| _ = sender.close(),
    is_open: |(sender, _)| sender.is_closed(),
    pass: |(_, receiver), verb| {
        let told = match verb {
            Verb::Timeout => receiver.recv_timeout(LONG) == Err(RecvTimeoutError::Disconnected),
            _ => receiver.recv() == Err(RecvError),
        };
        demand!(told, Corrupt, "a message, out of an empty queue");
    },
};

/// The same, and senders wait.
const FULL: Gate<Ends> = Gate {
    make: || {
        let ends = bounded(1).unwrap();
        ends.0.send(7).unwrap();
        ends
    },
    open: |(_, receiver)| _ = receiver.close(),
    is_open: |(_, receiver)| receiver.is_closed(),
    pass: |(sender, _), verb| {
        let told = match verb {
            Verb::Timeout => {
                matches!(sender.send_timeout(8, LONG), Err(SendTimeoutError::Disconnected(8)))
            }
            _ => sender.send(8).is_err_and(|error| error.into_inner() == 8),
        };
        demand!(told, Corrupt, "the message went into a full queue");
    },
};

const EMPTY_BYTES: Gate<(ByteSender, ByteReceiver)> = Gate {
    make: || bounded_bytes(2, 100).unwrap(),
    open: |(sender, _)| _ = sender.close(),
    is_open: |(sender, _)| sender.is_closed(),
    pass: |(_, receiver), _| demand!(receiver.recv().is_err(), Corrupt, "a message"),
};

const FULL_OF_BYTES: Gate<(ByteSender, ByteReceiver)> = Gate {
    make: || {
        let ends = bounded_bytes(1, 100).unwrap();
        ends.0.send(b"7").unwrap();
        ends
    },
    open: |(_, receiver)| _ = receiver.close(),
    is_open: |(_, receiver)| receiver.is_closed(),
    pass: |(sender, _), _| demand!(sender.send(b"8").is_err(), Corrupt, "there was no room"),
};

const EMPTY_VALUES: Gate<(ValueSender<u64>, ValueReceiver<u64>)> = Gate {
    make: || bounded_values(2, 100).unwrap(),
    open: |(sender, _)| _ = sender.close(),
    is_open: |(sender, _)| sender.is_closed(),
    pass: |(_, receiver), _| demand!(receiver.recv().is_err(), Corrupt, "a message"),
};

const FULL_OF_VALUES: Gate<(ValueSender<u64>, ValueReceiver<u64>)> = Gate {
    make: || {
        let ends = bounded_values(1, 100).unwrap();
        ends.0.send(7).unwrap();
        ends
    },
    open: |(_, receiver)| _ = receiver.close(),
    is_open: |(_, receiver)| receiver.is_closed(),
    pass: |(sender, _), _| demand!(sender.send(8).is_err(), Corrupt, "there was no room"),
};

const EMPTY_BLOCKS: Gate<(BlockSender, BlockReceiver)> = Gate {
    make: || bounded_blocks(2, Blocks::new(1, 64)).unwrap(),
    open: |(sender, _)| _ = sender.close(),
    is_open: |(sender, _)| sender.is_closed(),
    pass: |(_, receiver), _| demand!(receiver.recv().is_err(), Corrupt, "a message"),
};

type Leased = (Sender<u64>, LeaseReceiver<u64>);

const NOTHING_TO_LEASE: Gate<Leased> = Gate {
    make: || bounded_leased(2, 2).unwrap(),
    open: |(sender, _)| _ = sender.close(),
    is_open: |(sender, _)| sender.is_closed(),
    pass: |(_, receiver), _| demand!(receiver.lease().is_err(), Corrupt, "a message"),
};

const FULL_OF_LEASES: Gate<Leased> = Gate {
    make: || {
        let ends = bounded_leased(1, 2).unwrap();
        ends.0.send(7).unwrap();
        ends
    },
    open: |(_, receiver)| _ = receiver.close(),
    is_open: |(_, receiver)| receiver.is_closed(),
    pass: |(sender, _), _| demand!(sender.send(8).is_err(), Corrupt, "there was no room"),
};

/// Opened by acknowledging the only message.
const UNACKNOWLEDGED: Gate<Leased> = Gate {
    make: || {
        let ends = bounded_leased(2, 2).unwrap();
        ends.0.send(7).unwrap();
        ends
    },
    // There is none when that was done before.
    open: |(_, receiver)| _ = receiver.try_lease().map(Lease::ack),
    is_open: |(sender, _)| sender.unfinished() == 0,
    pass: |(sender, _), _| sender.join().unwrap(),
};

/// All blocks are taken.
const FULL_OF_BLOCKS: Gate<(BlockSender, BlockReceiver)> = Gate {
    make: || {
        let ends = bounded_blocks(2, Blocks::new(1, 64)).unwrap();
        ends.0.send(b"7").unwrap();
        ends
    },
    open: |(_, receiver)| _ = receiver.close(),
    is_open: |(_, receiver)| receiver.is_closed(),
    pass: |(sender, _), _| demand!(sender.send(b"8").is_err(), Corrupt, "there was no block"),
};

/// Opened by saying that the only message is done.
const UNFINISHED: Gate<Ends> = Gate {
    make: || {
        let ends = bounded(2).unwrap();
        ends.0.send(7).unwrap();
        demand!(ends.1.recv() == Ok(7), Lost, "the message");
        ends
    },
    // Refused when that was said before.
    open: |(_, receiver)| _ = receiver.task_done(),
    is_open: |(sender, _)| sender.unfinished() == 0,
    pass: |(sender, _), verb| match verb {
        Verb::Timeout => match sender.join_timeout(LONG) {
            Ok(()) => (),
            Err(JoinTimeoutError::Timeout) => demand!(false, Hangs, "all was done"),
            Err(error) => demand!(false, Corrupt, "{error}"),
        },
        _ => sender.join().unwrap(),
    },
};

pub(crate) const ROWS: &[Row] = &[
    row("Sender::close", "two receivers asleep", |plan| opens(&EMPTY, false, 2, plan)),
    row("Sender::close", "receiver asleep, another closes", |plan| opens(&EMPTY, true, 1, plan)),
    row("Receiver::close", "full, two senders asleep", |plan| opens(&FULL, false, 2, plan)),
    row("Receiver::recv", "told of the close, another asleep", |plan| {
        passes(&EMPTY, Verb::Block, plan)
    }),
    row("Sender::send_timeout", "told of the close, another asleep", |plan| {
        passes(&FULL, Verb::Timeout, plan)
    }),
    row("ByteSender::close", "two receivers asleep", |plan| opens(&EMPTY_BYTES, false, 2, plan)),
    row("BlockReceiver::close", "all blocks taken, two senders asleep", |plan| {
        opens(&FULL_OF_BLOCKS, false, 2, plan)
    }),
    row("ByteReceiver::close", "full, two senders asleep", |plan| {
        opens(&FULL_OF_BYTES, false, 2, plan)
    }),
    row("ValueSender::close", "two receivers asleep", |plan| opens(&EMPTY_VALUES, false, 2, plan)),
    row("ValueReceiver::close", "full, two senders asleep", |plan| {
        opens(&FULL_OF_VALUES, false, 2, plan)
    }),
    row("BlockSender::close", "two receivers asleep", |plan| opens(&EMPTY_BLOCKS, false, 2, plan)),
    row("Sender::close", "two lessees asleep", |plan| opens(&NOTHING_TO_LEASE, false, 2, plan)),
    row("LeaseReceiver::close", "full, two senders asleep", |plan| {
        opens(&FULL_OF_LEASES, false, 2, plan)
    }),
    row("LeaseReceiver::close", "full, sender asleep, another closes", |plan| {
        opens(&FULL_OF_LEASES, true, 1, plan)
    }),
    row("LeaseReceiver::lease", "told of the close, another asleep", |plan| {
        passes(&NOTHING_TO_LEASE, Verb::Block, plan)
    }),
    row("Lease::ack", "the last, two join", |plan| opens(&UNACKNOWLEDGED, false, 2, plan)),
    row("Receiver::task_done", "the last, two join", |plan| opens(&UNFINISHED, false, 2, plan)),
    row("Sender::join", "woken, another asleep", |plan| passes(&UNFINISHED, Verb::Block, plan)),
    row("Sender::join_timeout", "woken, another asleep", |plan| {
        passes(&UNFINISHED, Verb::Timeout, plan)
    }),
    row("Sender::drop", "the last, two receivers asleep", |plan| leaves(&LAST_SENDER, plan)),
    row("Receiver::drop", "the last, full, two senders asleep", |plan| {
        leaves(&LAST_RECEIVER, plan)
    }),
    row("ByteSender::drop", "the last, two receivers asleep", |plan| {
        leaves(&LAST_BYTE_SENDER, plan)
    }),
    row("ByteReceiver::drop", "the last, full, two senders asleep", |plan| {
        leaves(&LAST_BYTE_RECEIVER, plan)
    }),
    row("ValueSender::drop", "the last, two receivers asleep", |plan| {
        leaves(&LAST_VALUE_SENDER, plan)
    }),
    row("ValueReceiver::drop", "the last, full, two senders asleep", |plan| {
        leaves(&LAST_VALUE_RECEIVER, plan)
    }),
    row("BlockSender::drop", "the last, two receivers asleep", |plan| {
        leaves(&LAST_BLOCK_SENDER, plan)
    }),
    row("BlockReceiver::drop", "the last, all blocks taken, two senders asleep", |plan| {
        leaves(&LAST_BLOCK_RECEIVER, plan)
    }),
    row("LeaseReceiver::drop", "the last, full, two senders asleep", |plan| {
        leaves(&LAST_LESSEE, plan)
    }),
    row("Sender::drop", "the last, two lessees asleep", |plan| {
        leaves(&LAST_SENDER_OF_LEASES, plan)
    }),
];

/// A queue at a path, of which one side is in one process only, the victim.
struct Side<One, Other> {
    /// Makes the queue, as the other side has it, and leaves it in the state in which that waits.
    make: fn(&Path) -> Other,
    open: fn(&Path) -> One,
    /// Waits, and says whether it was told that nobody is left.
    wait: fn(&Other) -> bool,
}

const LAST_SENDER: Side<Sender<u64>, Receiver<u64>> = Side {
    make: |path| Receiver::create(path, 1).unwrap(),
    open: |path| Sender::open(path).unwrap(),
    wait: |receiver| receiver.recv().is_err(),
};

const LAST_RECEIVER: Side<Receiver<u64>, Sender<u64>> = Side {
    make: |path| {
        let sender = Sender::create(path, 1).unwrap();
        sender.send(7).unwrap();
        sender
    },
    open: |path| Receiver::open(path).unwrap(),
    wait: |sender| sender.send(8).is_err(),
};

const LAST_BYTE_SENDER: Side<ByteSender, ByteReceiver> = Side {
    make: |path| ByteReceiver::create(path, 1, 100).unwrap(),
    open: |path| ByteSender::open(path).unwrap(),
    wait: |receiver| receiver.recv().is_err(),
};

const LAST_BYTE_RECEIVER: Side<ByteReceiver, ByteSender> = Side {
    make: |path| {
        let sender = ByteSender::create(path, 1, 100).unwrap();
        sender.send(b"7").unwrap();
        sender
    },
    open: |path| ByteReceiver::open(path).unwrap(),
    wait: |sender| sender.send(b"8").is_err(),
};

const LAST_VALUE_SENDER: Side<ValueSender<u64>, ValueReceiver<u64>> = Side {
    make: |path| ValueReceiver::create(path, 1, 100).unwrap(),
    open: |path| ValueSender::open(path).unwrap(),
    wait: |receiver| receiver.recv().is_err(),
};

const LAST_VALUE_RECEIVER: Side<ValueReceiver<u64>, ValueSender<u64>> = Side {
    make: |path| {
        let sender = ValueSender::create(path, 1, 100).unwrap();
        sender.send(7).unwrap();
        sender
    },
    open: |path| ValueReceiver::open(path).unwrap(),
    wait: |sender| sender.send(8).is_err(),
};

const LAST_BLOCK_SENDER: Side<BlockSender, BlockReceiver> = Side {
    make: |path| BlockReceiver::create(path, 2, Blocks::new(1, 64)).unwrap(),
    open: |path| BlockSender::open(path).unwrap(),
    wait: |receiver| receiver.recv().is_err(),
};

const LAST_BLOCK_RECEIVER: Side<BlockReceiver, BlockSender> = Side {
    make: |path| {
        let sender = BlockSender::create(path, 2, Blocks::new(1, 64)).unwrap();
        sender.send(b"7").unwrap();
        sender
    },
    open: |path| BlockReceiver::open(path).unwrap(),
    wait: |sender| sender.send(b"8").is_err(),
};

const LAST_LESSEE: Side<LeaseReceiver<u64>, Sender<u64>> = Side {
    make: |path| {
        let sender = Sender::create_leased(path, 1, 2).unwrap();
        sender.send(7).unwrap();
        sender
    },
    open: |path| LeaseReceiver::open(path).unwrap(),
    wait: |sender| sender.send(8).is_err(),
};

const LAST_SENDER_OF_LEASES: Side<Sender<u64>, LeaseReceiver<u64>> = Side {
    make: |path| LeaseReceiver::create(path, 1, 2).unwrap(),
    open: |path| Sender::open(path).unwrap(),
    wait: |receiver| receiver.lease().is_err(),
};

struct Scene<Other> {
    other: Other,
    directory: TempDir,
    stage: Stage,
}

/// The victim drops the last handle of its side while others sleep at the other one. They are told at once
/// when it is dropped. That it was killed they would see when they look around, which nobody does here:
/// one more comes and goes.
fn leaves<One, Other>(side: &Side<One, Other>, plan: &Plan) -> Seen {
    let name = |directory: &TempDir| directory.path().join("queue");
    let setup = || {
        let directory = TempDir::new().unwrap();
        let other = (side.make)(&name(&directory));
        let scene = Scene { other, directory, stage: Stage::new() };
        for _ in 0..2 {
            scene.stage.start(|| {
                scene.stage.wait_for(Cue::VictimIsThere);
                demand!((side.wait)(&scene.other), Corrupt, "somebody was there");
            });
        }
        scene
    };
    let victim = |scene: &Scene<Other>| {
        drop((side.open)(&name(&scene.directory)));
        let one = (side.open)(&name(&scene.directory));
        scene.stage.give(Cue::VictimIsThere);
        scene.stage.wait_until_asleep();
        explore_from_here();
        drop(one);
    };
    let check = |scene: Scene<Other>, point: KillPoint| {
        if !point.finished {
            scene.stage.newcomer(plan.patience, || drop((side.open)(&name(&scene.directory))));
        }
        scene.stage.all_end(plan.patience);
        scene.stage.newcomer(plan.patience, || {
            demand!((side.wait)(&scene.other), Corrupt, "somebody was there");
        });
    };
    kill_at_every_instruction(plan.limits(), setup, victim, check).into()
}
