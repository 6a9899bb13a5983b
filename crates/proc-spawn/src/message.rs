//! What the two processes say to each other: one start message down, one report up.
//!
//! Both run the same file, so there are no versions, only checks. The start message is the encoded
//! arguments, then the [`Order`], then a fixed foot that holds the order's length and hash: the
//! arguments are encoded first and large, and are never moved.

use crate::call::{Call, Encoded, Fault, Key, plain_hash};
use crate::child::Identity;
use crate::image::Program;
use crate::settings::{Settings, Unset};
use multiproc_core::packet::Packet;
use serde::{Deserialize, Serialize};

const START: u32 = 0x7370_0001;
const MAGIC: u64 = 0x5f1d_88c3_70b6_e42a;
const FOOT: usize = 24;

/// What the child is told beside its arguments.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) program: Program,
    pub(crate) key: Key,
    pub(crate) call: Call,
    /// What is to be called first, unless the process is a copy of one that has.
    pub(crate) preloads: Vec<Call>,
    pub(crate) fds: u32,
    /// How many of these, the last ones, are for what the settings say, and not for the function.
    pub(crate) own_fds: u32,
    pub(crate) identity: Identity,
    /// Whether the parent waits for the word that it has started.
    pub(crate) answer: bool,
    pub(crate) settings: Settings,
}

/// Appends the order to the encoded arguments; returns the message's kind and body.
pub(crate) fn write_start(order: &Order, args: Vec<u8>) -> Result<(u32, Vec<u8>), String> {
    let start = args.len();
    let mut body = postcard::to_extend(order, args).map_err(|error| error.to_string())?;
    let (len, hash) = (body.len() - start, plain_hash(&body[start..]));
    body.extend_from_slice(&(len as u64).to_le_bytes());
    body.extend_from_slice(&hash.to_le_bytes());
    body.extend_from_slice(&MAGIC.to_le_bytes());
    Ok((START, body))
}

/// Takes the start message apart; what is left of the packet's body are the arguments.
pub(crate) fn read_start(packet: &mut Packet) -> Result<Order, &'static str> {
    let body = &mut packet.body;
    let Some(foot) = body.len().checked_sub(FOOT) else { return Err("it is too short") };
    let word = |index: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&body[foot + 8 * index..][..8]);
        u64::from_le_bytes(word)
    };
    if packet.kind != START || word(2) != MAGIC {
        return Err("it is none of ours");
    }
    let len = usize::try_from(word(0)).unwrap_or(usize::MAX);
    let Some(start) = foot.checked_sub(len) else { return Err("it is cut off") };
    let order = &body[start..foot];
    if plain_hash(order) != word(1) {
        return Err("it was garbled on the way");
    }
    let Ok((order, [])) = postcard::take_from_bytes::<Order>(order) else {
        return Err("it is of another make");
    };
    if order.fds as usize != packet.fds.len() || order.own_fds > order.fds {
        return Err("it carries another number of descriptors than it says");
    }
    body.truncate(start);
    Ok(order)
}

/// The kind of the message, empty, by which a process says that it runs, and is as it was wished.
pub(crate) const STARTED: u32 = 0x7370_0002;
/// As [`STARTED`], of a process that could not enter the control group that was made for it.
pub(crate) const STARTED_OUTSIDE: u32 = 0x7370_0005;
/// The kind of the message, an [`Unset`], by which a process says that it could not be made so, and ends.
pub(crate) const UNSET: u32 = 0x7370_0003;
/// The kind of the message, empty, by which a process says that it aborts for want of memory.
pub(crate) const NO_MEMORY: u32 = 0x7370_0004;
const RESULT: u32 = 0x7370_0010;
const FAULT: u32 = 0x7370_0011;

/// Returns kind and body of the report on what the child's function did.
pub(crate) fn write_report(outcome: &Result<Encoded, Fault>) -> (u32, std::borrow::Cow<'_, [u8]>) {
    match outcome {
        Ok(result) => (RESULT, result.bytes.as_slice().into()),
        // Texts and numbers: encoding them cannot fail, and an empty report is told as garbled.
        Err(fault) => (FAULT, postcard::to_stdvec(fault).unwrap_or_default().into()),
    }
}

/// What a process has said at its end.
#[derive(Debug)]
pub(crate) enum Report {
    Result(Packet),
    Fault(Fault),
    NoMemory,
    /// It could not be made as it was wished, and nobody has waited for its word.
    Unset(Unset),
}

/// Takes a report apart, or says why it is none.
pub(crate) fn read_report(packet: Packet) -> Result<Report, String> {
    match packet.kind {
        RESULT => Ok(Report::Result(packet)),
        FAULT => match postcard::take_from_bytes::<Fault>(&packet.body) {
            Ok((fault, [])) => Ok(Report::Fault(fault)),
            _ => Err("its report was garbled".into()),
        },
        NO_MEMORY => Ok(Report::NoMemory),
        UNSET => {
            read_unset(&packet).map(Report::Unset).ok_or_else(|| "its report was garbled".into())
        }
        other => Err(format!("its report is of the unknown kind {other:#x}")),
    }
}

/// Takes apart what a process says that could not be made as it was wished.
pub(crate) fn read_unset(packet: &Packet) -> Option<Unset> {
    match postcard::take_from_bytes::<Unset>(&packet.body) {
        Ok((unset, [])) if packet.kind == UNSET => Some(unset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> Packet {
        let order = Order {
            program: Program::of_this_process().unwrap(),
            key: [1, 2],
            call: Call::apply::<(), ()>(|| ()).unwrap(),
            preloads: Vec::new(),
            fds: 0,
            own_fds: 0,
            identity: Identity {
                name: "n".into(),
                number: "1".into(),
                daemon: false,
                childless: false,
                tied: true,
                parent_pid: 1,
                parent_name: "p".into(),
            },
            answer: false,
            settings: Settings::default(),
        };
        let (kind, body) = write_start(&order, b"args".to_vec()).unwrap();
        Packet { kind, body, fds: Vec::new() }
    }

    #[test]
    fn the_start_message_survives_and_leaves_the_arguments() {
        let mut packet = packet();
        assert_eq!(read_start(&mut packet).unwrap().identity.name, "n");
        assert_eq!(packet.body, b"args");
    }

    #[test]
    fn every_flipped_bit_behind_the_arguments_is_found() {
        let whole = packet().body;
        for bit in 8 * 4..8 * whole.len() {
            let mut packet = packet();
            packet.body[bit / 8] ^= 1 << (bit % 8);
            assert!(read_start(&mut packet).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_report_that_is_none_is_an_error_and_no_panic() {
        let report =
            |kind, body: &[u8]| read_report(Packet { kind, body: body.to_vec(), fds: Vec::new() });
        assert!(report(RESULT + 7, b"").unwrap_err().contains("unknown kind"));
        assert!(report(FAULT, b"").unwrap_err().contains("garbled"));
        assert!(report(FAULT, &[0xff; 40]).unwrap_err().contains("garbled"));
        let fault = Fault::Rejected("why".into());
        let outcome = Err(fault.clone());
        let (kind, body) = write_report(&outcome);
        let Ok(Report::Fault(told)) = report(kind, &body) else { panic!("no fault") };
        assert_eq!(told, fault);
        let unset = Unset::because(crate::settings::Setting::Streams, "why".into());
        let told = report(UNSET, &postcard::to_stdvec(&unset).unwrap());
        assert!(matches!(told, Ok(Report::Unset(told)) if told == unset));
        assert!(report(UNSET, b"").unwrap_err().contains("garbled"));
        let longer = [&body[..], b"x"].concat();
        assert!(report(kind, &longer).is_err());
    }

    #[test]
    fn every_shorter_message_is_refused() {
        let whole = packet().body;
        for len in 0..whole.len() {
            let mut packet = packet();
            packet.body.truncate(len);
            assert!(read_start(&mut packet).is_err(), "{len} bytes");
        }
    }
}
