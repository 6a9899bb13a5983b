//! Pipes: whole messages, and then the end of the stream.

use crate::fault::demand;
use crate::row::{Plan, Row, Seen, row};
use crate::stage::Stage;
use duplex_pipe::{Duplex, PipeReceiver, PipeSender, RecvTimeoutError, duplex, simplex};
use std::cell::Cell;
use std::time::Duration;
use testkit::{KillPoint, explore_from_here, kill_at_every_instruction};

const LONG: Duration = Duration::from_secs(60);

/// How long a message is that goes through the socket, and one that needs memory of its own.
const SHORT: usize = 100;
const LONG_MESSAGE: usize = 300_000;

/// The two ends, and how messages go from the one to the other.
struct Pipe<A, B> {
    make: fn() -> (A, B),
    send: fn(&A, &[u8]),
    recv: fn(&B) -> Result<Vec<u8>, RecvTimeoutError>,
}

const SIMPLEX: Pipe<PipeSender<[u8]>, PipeReceiver<[u8]>> = Pipe {
    make: || simplex().unwrap(),
    send: |sender, message| sender.send(message).unwrap(),
    recv: |receiver| receiver.recv_timeout(LONG),
};

const DUPLEX: Pipe<Duplex<[u8]>, Duplex<[u8]>> = Pipe {
    make: || duplex().unwrap(),
    send: |end, message| end.send(message).unwrap(),
    recv: |end| end.recv_timeout(LONG),
};

pub(crate) const ROWS: &[Row] = &[
    row("PipeSender::send", "short, sleeper", |plan| send(&SIMPLEX, SHORT, plan)),
    row("PipeSender::send", "long, sleeper", |plan| send(&SIMPLEX, LONG_MESSAGE, plan)),
    row("PipeReceiver::recv", "short", |plan| recv(&SIMPLEX, SHORT, plan)),
    row("PipeReceiver::recv", "long", |plan| recv(&SIMPLEX, LONG_MESSAGE, plan)),
    row("Duplex::send", "short, sleeper", |plan| send(&DUPLEX, SHORT, plan)),
    row("Duplex::send", "long, sleeper", |plan| send(&DUPLEX, LONG_MESSAGE, plan)),
    row("Duplex::recv", "short", |plan| recv(&DUPLEX, SHORT, plan)),
    row("Duplex::recv", "long", |plan| recv(&DUPLEX, LONG_MESSAGE, plan)),
];

struct Scene<'a, A, B> {
    pipe: &'a Pipe<A, B>,
    sender: Cell<Option<A>>,
    receiver: B,
    stage: Stage,
}

/// Of which all bytes say which one it is.
fn message(number: u64, len: usize) -> Vec<u8> {
    vec![number as u8; len]
}

impl<'a, A, B> Scene<'a, A, B> {
    fn new(pipe: &'a Pipe<A, B>) -> Self {
        let (sender, receiver) = (pipe.make)();
        Self { pipe, sender: Cell::new(Some(sender)), receiver, stage: Stage::new() }
    }

    fn send(&self, number: u64, len: usize) {
        let sender = self.sender.take().unwrap();
        (self.pipe.send)(&sender, &message(number, len));
        self.sender.set(Some(sender));
    }

    /// Receives one and notes which; says whether there was one, and not the end of the stream.
    fn receive(&self, len: usize) -> bool {
        match (self.pipe.recv)(&self.receiver) {
            Ok(received) => {
                // In the victim each look at a byte would be a few kill points more.
                let ends = [received.first(), received.get(len / 2), received.last()];
                let whole = received.len() == len && ends.iter().all(|byte| *byte == ends[0]);
                demand!(whole, Corrupt, "half a message");
                self.stage.note(u64::from(received[0]));
                true
            }
            Err(RecvTimeoutError::Disconnected) => false,
            Err(error) => panic!("{}: {error}", crate::fault::Fault::Hangs),
        }
    }
}

fn warm_up<A, B>(pipe: &Pipe<A, B>, len: usize) {
    let warm = Scene::new(pipe);
    // The one who receives is another, for a long message does not fit in between.
    let receiver = testkit::fork(|| _ = warm.receive(len));
    warm.send(1, len);
    receiver.assert_ok();
    let warm = Scene::new(pipe);
    let sender = testkit::fork(|| warm.send(1, len));
    warm.receive(len);
    sender.assert_ok();
}

/// The victim sends, and dies with the last sender; another one sleeps for what comes.
fn send<A, B>(pipe: &Pipe<A, B>, len: usize, plan: &Plan) -> Seen {
    let setup = || {
        let scene = Scene::new(pipe);
        scene.stage.start_sleeper(|| {
            drop(scene.sender.take());
            while scene.receive(len) {}
        });
        scene
    };
    let victim = |scene: &Scene<'_, A, B>| {
        warm_up(pipe, len);
        explore_from_here();
        scene.send(10, len);
    };
    let check = |scene: Scene<'_, A, B>, point: KillPoint| {
        // The victim and this process were the ones who had it.
        drop(scene.sender.take());
        scene.stage.all_end(plan.patience);
        let count = scene.stage.noted(10);
        demand!(count <= 1, Twice, "it came {count} times");
        demand!(count == 1 || !point.finished, Lost, "it was sent, and did not come");
    };
    kill_at_every_instruction(plan.limits(), setup, victim, check).into()
}

/// The victim receives the first of two messages.
fn recv<A, B>(pipe: &Pipe<A, B>, len: usize, plan: &Plan) -> Seen {
    let setup = || {
        let scene = Scene::new(pipe);
        scene.stage.start(|| {
            scene.send(10, len);
            scene.send(11, len);
        });
        // Our own copy is not to keep the stream open.
        drop(scene.sender.take());
        scene
    };
    let victim = |scene: &Scene<'_, A, B>| {
        warm_up(pipe, len);
        scene.stage.wait_until_asleep();
        explore_from_here();
        demand!(scene.receive(len), Lost, "no message");
    };
    let check = |scene: Scene<'_, A, B>, point: KillPoint| {
        scene.stage.newcomer(plan.patience, || while scene.receive(len) {});
        scene.stage.all_end(plan.patience);
        let counts = [10, 11].map(|number| scene.stage.noted(number));
        demand!(counts.iter().all(|count| *count <= 1), Twice, "they came {counts:?} times");
        demand!(counts[1] == 1, Lost, "the second one did not come: {counts:?}");
        demand!(counts[0] == 1 || !point.finished, Lost, "it was received: {counts:?}");
    };
    kill_at_every_instruction(plan.limits(), setup, victim, check).into()
}
