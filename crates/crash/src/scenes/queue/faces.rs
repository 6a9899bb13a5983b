//! The faces of a queue, each as something that sends and receives numbers.

use crate::fault::demand;
use crate::scenes::Verb;
use shm_queue::{
    BlockReceiver, BlockSender, Blocks, ByteReceiver, ByteSender, Receiver, Sender, ValueReceiver,
    ValueSender, bounded, bounded_blocks, bounded_bytes, bounded_values,
};
use std::time::Duration;

/// How numbers are sent and received.
pub(crate) struct Queue<Q> {
    /// Empty, with room for three messages and not four, and its next messages cross its end.
    pub(crate) make: fn() -> Q,
    /// Sends these, as many as one operation sends, and returns how many.
    pub(crate) send: fn(&Q, &[u64], Verb) -> usize,
    /// Receives at most so many in one operation.
    pub(crate) recv: fn(&Q, usize, Verb) -> Vec<u64>,
    pub(crate) len: fn(&Q) -> usize,
    pub(crate) is_full: fn(&Q) -> bool,
    /// How many numbers the victim sends or receives at once.
    pub(crate) batch: usize,
}

const LONG: Duration = Duration::from_secs(60);

pub(crate) const NUMBERS: Queue<(Sender<u64>, Receiver<u64>)> = Queue {
    make: || {
        let ends = bounded(3).unwrap();
        // Two of four cells.
        for number in 0..2 {
            ends.0.send(number).unwrap();
            assert_eq!(ends.1.recv(), Ok(number));
        }
        ends
    },
    send: |(sender, _), numbers, verb| {
        let number = numbers[0];
        let sent = match verb {
            Verb::Block => sender.send(number).is_ok(),
            Verb::Try => sender.try_send(number).is_ok(),
            Verb::Timeout => sender.send_timeout(number, LONG).is_ok(),
        };
        usize::from(sent)
    },
    recv: |(_, receiver), _, verb| {
        let received = match verb {
            Verb::Block => receiver.recv().ok(),
            Verb::Try => receiver.try_recv().ok(),
            Verb::Timeout => receiver.recv_timeout(LONG).ok(),
        };
        received.into_iter().collect()
    },
    len: |(_, receiver)| receiver.len(),
    is_full: |(_, receiver)| receiver.is_full(),
    batch: 1,
};

/// Sends into a full queue, too, at the cost of what is oldest.
pub(crate) const FORCED: Queue<(Sender<u64>, Receiver<u64>)> = Queue {
    send: |ends, numbers, verb| match verb {
        // How the victim sends; nobody else does so.
        Verb::Block if super::ITS_OWN.contains(&numbers[0]) => {
            ends.0.force_send(numbers[0], |_| ()).map_or(0, |()| 1)
        }
        _ => (NUMBERS.send)(ends, numbers, verb),
    },
    ..NUMBERS
};

pub(crate) const FORCED_BYTES: Queue<(ByteSender, ByteReceiver)> = Queue {
    send: |ends, numbers, verb| match verb {
        Verb::Block if super::ITS_OWN.contains(&numbers[0]) => {
            ends.0.force_send(&message(numbers[0]), |_| ()).map_or(0, |()| 1)
        }
        _ => (BYTES.send)(ends, numbers, verb),
    },
    ..BYTES
};

pub(crate) const FORCED_VALUES: Queue<(ValueSender<Value>, ValueReceiver<Value>)> = Queue {
    send: |ends, numbers, verb| match verb {
        Verb::Block if super::ITS_OWN.contains(&numbers[0]) => {
            ends.0.force_send(value(numbers[0]), |_| ()).map_or(0, |()| 1)
        }
        _ => (VALUES.send)(ends, numbers, verb),
    },
    ..VALUES
};

/// Two at once, of a queue that sends them one by one: what they are as messages, and back.
macro_rules! many {
    ($one:expr, $to:expr, $from:expr) => {
        Queue {
            send: |(sender, _), numbers, verb| {
                let messages: Vec<_> = numbers.iter().copied().map($to).collect();
                // Byte queues take slices.
                let messages: Vec<_> = messages.iter().map(AsMessage::as_message).collect();
                let mut left = &messages[..];
                while !left.is_empty() {
                    let sent = match verb {
                        Verb::Block => sender.send_many(left).ok(),
                        Verb::Try => sender.try_send_many(left).ok(),
                        Verb::Timeout => sender.send_many_timeout(left, LONG).ok(),
                    };
                    match sent {
                        Some(sent) => left = &left[sent..],
                        None => break,
                    }
                }
                messages.len() - left.len()
            },
            recv: |(_, receiver), most, verb| {
                let mut received = Vec::new();
                let _ = match verb {
                    Verb::Block => receiver.recv_many(&mut received, most).ok(),
                    Verb::Try => receiver.try_recv_many(&mut received, most).ok(),
                    Verb::Timeout => receiver.recv_many_timeout(&mut received, most, LONG).ok(),
                };
                received.into_iter().map($from).collect()
            },
            batch: 2,
            ..$one
        }
    };
}

/// As which a message is sent with others.
trait AsMessage<'a> {
    type Sent;
    fn as_message(&'a self) -> Self::Sent;
}

impl AsMessage<'_> for u64 {
    type Sent = Self;
    fn as_message(&self) -> Self {
        *self
    }
}

impl<'a> AsMessage<'a> for Vec<u8> {
    type Sent = &'a [u8];
    fn as_message(&'a self) -> &'a [u8] {
        self
    }
}

impl AsMessage<'_> for Value {
    type Sent = Self;
    fn as_message(&self) -> Self {
        self.clone()
    }
}

pub(crate) const MANY: Queue<(Sender<u64>, Receiver<u64>)> = many!(NUMBERS, |it| it, |it: u64| it);
pub(crate) const MANY_BYTES: Queue<(ByteSender, ByteReceiver)> =
    many!(BYTES, message, |it: Vec<u8>| number(&it));
pub(crate) const MANY_VALUES: Queue<(ValueSender<Value>, ValueReceiver<Value>)> =
    many!(VALUES, value, |it: Result<Value, _>| number_of(it.expect("corrupt: no value")));

/// Receives into a buffer that it has.
pub(crate) const BYTES_INTO: Queue<(ByteSender, ByteReceiver)> = Queue {
    recv: |ends, most, verb| {
        let mut buffer = Vec::with_capacity(64);
        match verb {
            Verb::Block => ends.1.recv_into(&mut buffer).map_or(vec![], |()| vec![number(&buffer)]),
            _ => (BYTES.recv)(ends, most, verb),
        }
    },
    ..BYTES
};

pub(crate) const BLOCKS_INTO: Queue<(BlockSender, BlockReceiver)> = Queue {
    recv: |ends, most, verb| {
        let mut buffer = Vec::with_capacity(64);
        match verb {
            Verb::Block => ends.1.recv_into(&mut buffer).map_or(vec![], |()| vec![number(&buffer)]),
            _ => (BLOCKS.recv)(ends, most, verb),
        }
    },
    ..BLOCKS
};

/// Three blocks for a queue of eight: what it is full of is blocks.
pub(crate) const BLOCKS: Queue<(BlockSender, BlockReceiver)> = Queue {
    make: || {
        let ends = bounded_blocks(8, Blocks::new(3, 64)).unwrap();
        for wanted in 0..6 {
            ends.0.send(&message(wanted)).unwrap();
            assert_eq!(number(&ends.1.recv().unwrap().to_vec()), wanted);
        }
        ends
    },
    send: |(sender, _), numbers, verb| {
        let message = message(numbers[0]);
        let sent = match verb {
            Verb::Block => sender.send(&message).is_ok(),
            Verb::Try => sender.try_send(&message).is_ok(),
            Verb::Timeout => sender.send_timeout(&message, LONG).is_ok(),
        };
        usize::from(sent)
    },
    recv: |(_, receiver), _, verb| {
        let received = match verb {
            Verb::Block => receiver.recv().ok(),
            Verb::Try => receiver.try_recv().ok(),
            Verb::Timeout => receiver.recv_timeout(LONG).ok(),
        };
        received.iter().map(|block| number(&block.to_vec())).collect()
    },
    len: |(_, receiver)| receiver.len(),
    is_full: |(_, receiver)| receiver.len() == 3,
    batch: 1,
};

pub(crate) const BYTES: Queue<(ByteSender, ByteReceiver)> = Queue {
    make: || {
        // Each takes 24 bytes: three and a half fit.
        let ends = bounded_bytes(8, 84).unwrap();
        let pass = |number| {
            ends.0.send(&message(number)).unwrap();
        };
        // Two that overlap in time, so that the next begin in the middle of the arena.
        (0..2).for_each(pass);
        assert_eq!(number(&ends.1.recv().unwrap()), 0);
        pass(2);
        (1..3).for_each(|wanted| assert_eq!(number(&ends.1.recv().unwrap()), wanted));
        ends
    },
    send: |(sender, _), numbers, verb| {
        let message = message(numbers[0]);
        let sent = match verb {
            Verb::Block => sender.send(&message).is_ok(),
            Verb::Try => sender.try_send(&message).is_ok(),
            Verb::Timeout => sender.send_timeout(&message, LONG).is_ok(),
        };
        usize::from(sent)
    },
    recv: |(_, receiver), _, verb| {
        let received = match verb {
            Verb::Block => receiver.recv().ok(),
            Verb::Try => receiver.try_recv().ok(),
            Verb::Timeout => receiver.recv_timeout(LONG).ok(),
        };
        received.iter().map(|message| number(message)).collect()
    },
    len: |(_, receiver)| receiver.len(),
    is_full: |(_, receiver)| receiver.len() == 3,
    batch: 1,
};

type Value = (u64, Vec<u8>);

pub(crate) const VALUES: Queue<(ValueSender<Value>, ValueReceiver<Value>)> = Queue {
    make: || {
        let ends = bounded_values(3, 300).unwrap();
        for number in 0..2 {
            ends.0.send(value(number)).unwrap();
            assert_eq!(ends.1.recv().unwrap().0, number);
        }
        ends
    },
    send: |(sender, _), numbers, verb| {
        let value = value(numbers[0]);
        let sent = match verb {
            Verb::Block => sender.send(value).is_ok(),
            Verb::Try => sender.try_send(value).is_ok(),
            Verb::Timeout => sender.send_timeout(value, LONG).is_ok(),
        };
        usize::from(sent)
    },
    recv: |(_, receiver), _, verb| {
        let received = match verb {
            Verb::Block => receiver.recv().ok(),
            Verb::Try => receiver.try_recv().ok(),
            Verb::Timeout => receiver.recv_timeout(LONG).ok(),
        };
        received.into_iter().map(number_of).collect()
    },
    len: |(_, receiver)| receiver.len(),
    is_full: |(_, receiver)| receiver.is_full(),
    batch: 1,
};

fn value(number: u64) -> Value {
    (number, message(number))
}

fn number_of((number, rest): Value) -> u64 {
    demand!(rest == message(number), Corrupt, "half a value");
    number
}

/// The length and the fill of a message follow from its number, so a torn one shows.
fn message(number: u64) -> Vec<u8> {
    let mut message = vec![number as u8; 17 + number as usize % 8];
    message[..8].copy_from_slice(&number.to_ne_bytes());
    message
}

fn number(received: &[u8]) -> u64 {
    let number = received.first_chunk().map_or(u64::MAX, |bytes| u64::from_ne_bytes(*bytes));
    demand!(number < 1000 && received == message(number), Corrupt, "half a message");
    number
}
