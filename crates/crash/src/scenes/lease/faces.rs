//! The faces of a queue of leases, each as something that sends numbers and leases them.

use crate::fault::demand;
use crate::scenes::Verb::{self, Block, Timeout, Try};
use shm_queue::{
    ByteLeaseReceiver, ByteSender, LeaseReceiver, Sender, ValueLeaseReceiver, ValueSender,
    bounded_leased, bounded_leased_bytes, bounded_leased_values,
};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// How messages are sent and leased.
pub(super) struct Leases<Q> {
    pub(super) make: fn() -> Q,
    pub(super) send: fn(&Q, u64),
    /// Leases, at most so many at once, tells which before it does anything with them, and then
    /// acknowledges them or gives them back.
    pub(super) lease: fn(&Q, usize, Verb, End, &dyn Fn(u64)),
    /// Leases and acknowledges all that is there.
    pub(super) drain: fn(&Q, &dyn Fn(u64)),
}

/// What becomes of a lease.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Acknowledged,
    GivenBack,
}

/// Leases one by one or several at once, by each verb; a message is a number, or checked to be one.
macro_rules! leasing {
    ($make:expr, $send:expr, $number:expr) => {
        Leases {
            make: || $make.unwrap(),
            send: |(sender, _), number| $send(sender, number).unwrap(),
            lease: |(_, receiver), most, verb, end, has| {
                if most == 1 {
                    let lease = match verb {
                        Block => receiver.lease().unwrap(),
                        Try => receiver.try_lease().unwrap(),
                        Timeout => receiver.lease_timeout(LONG).unwrap(),
                    };
                    has($number(&*lease));
                    if end == End::Acknowledged {
                        lease.ack();
                    }
                } else {
                    let leases = match verb {
                        Block => receiver.lease_many(most).unwrap(),
                        Try => receiver.try_lease_many(most).unwrap(),
                        Timeout => receiver.lease_many_timeout(most, LONG).unwrap(),
                    };
                    leases.iter().for_each(|lease| has($number(&**lease)));
                    if end == End::Acknowledged {
                        leases.ack();
                    }
                }
            },
            drain: |(_, receiver), has| {
                while let Ok(lease) = receiver.try_lease() {
                    has($number(&lease.ack()));
                }
            },
        }
    };
}

pub(super) const NUMBERS: Leases<(Sender<u64>, LeaseReceiver<u64>)> =
    leasing!(bounded_leased(4, 4), Sender::send, u64::clone);

pub(super) const BYTES: Leases<(ByteSender, ByteLeaseReceiver)> = leasing!(
    bounded_leased_bytes(4, 200, 4),
    |sender: &ByteSender, number| sender.send(&[number as u8; 20]),
    of_bytes
);

fn of_bytes(bytes: &Vec<u8>) -> u64 {
    demand!(*bytes == [bytes[0]; 20], Corrupt, "half a message");
    u64::from(bytes[0])
}

type Value = (u64, Vec<u8>);

pub(super) const VALUES: Leases<(ValueSender<Value>, ValueLeaseReceiver<Value>)> = leasing!(
    bounded_leased_values(4, 200, 4),
    |sender: &ValueSender<_>, number| sender.send((number, vec![number as u8; 20])),
    |(number, rest): &Value| {
        demand!(*rest == [*number as u8; 20], Corrupt, "half a value");
        *number
    }
);

/// Handed out once: given back, a message is poisoned, which loses nothing.
pub(super) const POISONING: Leases<(Sender<u64>, LeaseReceiver<u64>)> = Leases {
    make: || {
        let ends = bounded_leased(4, 4).unwrap();
        ends.1.poison_after(1);
        ends
    },
    drain: |ends, has| {
        (NUMBERS.drain)(ends, has);
        (POISONED.drain)(ends, has);
    },
    ..NUMBERS
};

/// All that is sent is poisoned at once.
pub(super) const POISONED: Leases<(Sender<u64>, LeaseReceiver<u64>)> = Leases {
    make: POISONING.make,
    send: |(sender, receiver), number| {
        sender.send(number).unwrap();
        drop(receiver.lease_timeout(LONG).unwrap());
    },
    lease: |(_, receiver), _, _, end, has| {
        if let Some(lease) = receiver.take_poisoned().unwrap() {
            has(*lease);
            if end == End::Acknowledged {
                lease.ack();
            }
        }
    },
    drain: |(_, receiver), has| {
        while let Some(lease) = receiver.take_poisoned().unwrap() {
            has(lease.ack());
        }
    },
};
