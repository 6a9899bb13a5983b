//! Pipes: whole messages, and then the end of the stream.

use crate::fault::demand;
use crate::row::{Plan, Row, Seen, row};
use crate::scenes::Verb::{self, Block, Timeout, Try};
use crate::stage::Stage;
use duplex_pipe::RecvIntoError::Recv as End;
use duplex_pipe::{
    Duplex, PipeReceiver, PipeSender, RecvError, RecvTimeoutError, TryRecvError, duplex, simplex,
};
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
    send: fn(&A, &[u8], Verb),
    /// Receives one of this length; `None` at the end of the stream.
    recv: fn(&B, usize, Verb) -> Option<Vec<u8>>,
}

/// What was received, or `None` for this error, which is the end of the stream.
macro_rules! got {
    ($result:expr, $end:pat) => {
        match $result {
            Ok(received) => Some(received),
            Err($end) => None,
            Err(error) => panic!("{}: {error}", crate::fault::Fault::Hangs),
        }
    };
}

macro_rules! pipe {
    ($make:expr) => {
        Pipe {
            make: || $make.unwrap(),
            send: |sender, message, verb| match verb {
                Block => sender.send(message).unwrap(),
                Try => sender.try_send(message).unwrap(),
                Timeout => sender.send_timeout(message, LONG).unwrap(),
            },
            recv: |receiver, _, verb| match verb {
                Block => got!(receiver.recv(), RecvError::Disconnected),
                Try => got!(receiver.try_recv(), TryRecvError::Disconnected),
                Timeout => got!(receiver.recv_timeout(LONG), RecvTimeoutError::Disconnected),
            },
        }
    };
}

/// Receives into a buffer that is long enough.
macro_rules! into {
    ($pipe:expr) => {
        Pipe {
            recv: |receiver, len, verb| {
                let mut buffer = vec![0; len];
                let into = &mut buffer[..];
                let read = match verb {
                    Block => got!(receiver.recv_into(into), End(RecvError::Disconnected)),
                    Try => got!(receiver.try_recv_into(into), End(TryRecvError::Disconnected)),
                    Timeout => got!(
                        receiver.recv_into_timeout(into, LONG),
                        End(RecvTimeoutError::Disconnected)
                    ),
                };
                buffer.truncate(read?);
                Some(buffer)
            },
            ..$pipe
        }
    };
}

const SIMPLEX: Pipe<PipeSender<[u8]>, PipeReceiver<[u8]>> = pipe!(simplex());
const SIMPLEX_INTO: Pipe<PipeSender<[u8]>, PipeReceiver<[u8]>> = into!(SIMPLEX);
const DUPLEX: Pipe<Duplex<[u8]>, Duplex<[u8]>> = pipe!(duplex());
const DUPLEX_INTO: Pipe<Duplex<[u8]>, Duplex<[u8]>> = into!(DUPLEX);

pub(crate) const ROWS: &[Row] = &[
    row("PipeSender::send", "short, sleeper", |plan| send(&SIMPLEX, Block, SHORT, plan)),
    row("PipeSender::send", "long, sleeper", |plan| send(&SIMPLEX, Block, LONG_MESSAGE, plan)),
    row("PipeSender::try_send", "short, sleeper", |plan| send(&SIMPLEX, Try, SHORT, plan)),
    row("PipeSender::try_send", "long, sleeper", |plan| send(&SIMPLEX, Try, LONG_MESSAGE, plan)),
    row("PipeSender::send_timeout", "short, sleeper", |plan| send(&SIMPLEX, Timeout, SHORT, plan)),
    row("PipeSender::send_timeout", "long, sleeper", |plan| {
        send(&SIMPLEX, Timeout, LONG_MESSAGE, plan)
    }),
    row("PipeReceiver::recv", "short", |plan| recv(&SIMPLEX, Block, SHORT, plan)),
    row("PipeReceiver::recv", "long", |plan| recv(&SIMPLEX, Block, LONG_MESSAGE, plan)),
    row("PipeReceiver::try_recv", "short", |plan| recv(&SIMPLEX, Try, SHORT, plan)),
    row("PipeReceiver::try_recv", "long", |plan| recv(&SIMPLEX, Try, LONG_MESSAGE, plan)),
    row("PipeReceiver::recv_timeout", "short", |plan| recv(&SIMPLEX, Timeout, SHORT, plan)),
    row("PipeReceiver::recv_timeout", "long", |plan| recv(&SIMPLEX, Timeout, LONG_MESSAGE, plan)),
    row("PipeReceiver::recv_into", "short", |plan| recv(&SIMPLEX_INTO, Block, SHORT, plan)),
    row("PipeReceiver::recv_into", "long", |plan| recv(&SIMPLEX_INTO, Block, LONG_MESSAGE, plan)),
    row("PipeReceiver::try_recv_into", "short", |plan| recv(&SIMPLEX_INTO, Try, SHORT, plan)),
    row("PipeReceiver::try_recv_into", "long", |plan| recv(&SIMPLEX_INTO, Try, LONG_MESSAGE, plan)),
    row("PipeReceiver::recv_into_timeout", "short", |plan| {
        recv(&SIMPLEX_INTO, Timeout, SHORT, plan)
    }),
    row("PipeReceiver::recv_into_timeout", "long", |plan| {
        recv(&SIMPLEX_INTO, Timeout, LONG_MESSAGE, plan)
    }),
    row("Duplex::send", "short, sleeper", |plan| send(&DUPLEX, Block, SHORT, plan)),
    row("Duplex::send", "long, sleeper", |plan| send(&DUPLEX, Block, LONG_MESSAGE, plan)),
    row("Duplex::try_send", "short, sleeper", |plan| send(&DUPLEX, Try, SHORT, plan)),
    row("Duplex::try_send", "long, sleeper", |plan| send(&DUPLEX, Try, LONG_MESSAGE, plan)),
    row("Duplex::send_timeout", "short, sleeper", |plan| send(&DUPLEX, Timeout, SHORT, plan)),
    row("Duplex::send_timeout", "long, sleeper", |plan| send(&DUPLEX, Timeout, LONG_MESSAGE, plan)),
    row("Duplex::recv", "short", |plan| recv(&DUPLEX, Block, SHORT, plan)),
    row("Duplex::recv", "long", |plan| recv(&DUPLEX, Block, LONG_MESSAGE, plan)),
    row("Duplex::try_recv", "short", |plan| recv(&DUPLEX, Try, SHORT, plan)),
    row("Duplex::try_recv", "long", |plan| recv(&DUPLEX, Try, LONG_MESSAGE, plan)),
    row("Duplex::recv_timeout", "short", |plan| recv(&DUPLEX, Timeout, SHORT, plan)),
    row("Duplex::recv_timeout", "long", |plan| recv(&DUPLEX, Timeout, LONG_MESSAGE, plan)),
    row("Duplex::recv_into", "short", |plan| recv(&DUPLEX_INTO, Block, SHORT, plan)),
    row("Duplex::recv_into", "long", |plan| recv(&DUPLEX_INTO, Block, LONG_MESSAGE, plan)),
    row("Duplex::try_recv_into", "short", |plan| recv(&DUPLEX_INTO, Try, SHORT, plan)),
    row("Duplex::try_recv_into", "long", |plan| recv(&DUPLEX_INTO, Try, LONG_MESSAGE, plan)),
    row("Duplex::recv_into_timeout", "short", |plan| recv(&DUPLEX_INTO, Timeout, SHORT, plan)),
    row("Duplex::recv_into_timeout", "long", |plan| {
        recv(&DUPLEX_INTO, Timeout, LONG_MESSAGE, plan)
    }),
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

    fn send(&self, number: u64, verb: Verb, len: usize) {
        let sender = self.sender.take().unwrap();
        (self.pipe.send)(&sender, &message(number, len), verb);
        self.sender.set(Some(sender));
    }

    /// Receives one and notes which; says whether there was one, and not the end of the stream.
    fn receive(&self, verb: Verb, len: usize) -> bool {
        let Some(received) = (self.pipe.recv)(&self.receiver, len, verb) else { return false };
        // In the victim each look at a byte would be a few kill points more.
        let ends = [received.first(), received.get(len / 2), received.last()];
        let whole = received.len() == len && ends.iter().all(|byte| *byte == ends[0]);
        demand!(whole, Corrupt, "half a message");
        self.stage.note(u64::from(received[0]));
        true
    }
}

fn warm_up<A, B>(pipe: &Pipe<A, B>, verb: Verb, len: usize) {
    let warm = Scene::new(pipe);
    // The one who receives is another, for a long message does not fit in between.
    let receiver = testkit::fork(|| _ = warm.receive(Timeout, len));
    warm.send(1, verb, len);
    receiver.assert_ok();
    let warm = Scene::new(pipe);
    warm.stage.start(|| warm.send(1, Timeout, len));
    warm.stage.wait_until_asleep();
    warm.receive(verb, len);
    warm.stage.all_end(LONG);
}

/// The victim sends, and dies with the last sender; another one sleeps for what comes.
fn send<A, B>(pipe: &Pipe<A, B>, verb: Verb, len: usize, plan: &Plan) -> Seen {
    let setup = || {
        let scene = Scene::new(pipe);
        scene.stage.start_sleeper(|| {
            drop(scene.sender.take());
            while scene.receive(Timeout, len) {}
        });
        scene
    };
    let victim = |scene: &Scene<'_, A, B>| {
        warm_up(pipe, verb, len);
        explore_from_here();
        scene.send(10, verb, len);
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
fn recv<A, B>(pipe: &Pipe<A, B>, verb: Verb, len: usize, plan: &Plan) -> Seen {
    let setup = || {
        let scene = Scene::new(pipe);
        scene.stage.start(|| {
            scene.send(10, Block, len);
            scene.send(11, Block, len);
        });
        // Our own copy is not to keep the stream open.
        drop(scene.sender.take());
        scene
    };
    let victim = |scene: &Scene<'_, A, B>| {
        warm_up(pipe, verb, len);
        scene.stage.wait_until_asleep();
        explore_from_here();
        demand!(scene.receive(verb, len), Lost, "no message");
    };
    let check = |scene: Scene<'_, A, B>, point: KillPoint| {
        scene.stage.newcomer(plan.patience, || while scene.receive(Timeout, len) {});
        scene.stage.all_end(plan.patience);
        let counts = [10, 11].map(|number| scene.stage.noted(number));
        demand!(counts.iter().all(|count| *count <= 1), Twice, "they came {counts:?} times");
        demand!(counts[1] == 1, Lost, "the second one did not come: {counts:?}");
        demand!(counts[0] == 1 || !point.finished, Lost, "it was received: {counts:?}");
    };
    kill_at_every_instruction(plan.limits(), setup, victim, check).into()
}
