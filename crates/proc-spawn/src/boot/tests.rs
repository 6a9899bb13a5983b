//! Genuine start messages, mutated: refused before user code, in every case without a signal.

use super::{VALUE, VARIABLE};
use crate::call::{Call, encode, key};
use crate::child::Identity;
use crate::image::Program;
use crate::message::{Order, write_start};
use multiproc_core::deadline::Deadline;
use multiproc_core::packet;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

const TEXT: &str = "an argument of some length";

/// Returns a message that makes a process leave with code 3.
fn genuine() -> (u32, Vec<u8>) {
    let args = encode(&(TEXT.to_string(),)).unwrap();
    let leave: fn(String) = |text| {
        assert_eq!(text, TEXT);
        std::process::exit(3)
    };
    let order = Order {
        program: Program::of_this_process().unwrap(),
        key: key(),
        call: Call::apply::<(String,), ()>(leave).unwrap(),
        preloads: Vec::new(),
        fds: 0,
        own_fds: 0,
        identity: Identity {
            name: "mutant".into(),
            number: "1".into(),
            daemon: false,
            childless: false,
            tied: true,
            parent_pid: std::process::id(),
            parent_name: "tests".into(),
        },
        answer: false,
        settings: crate::settings::Settings::default(),
    };
    write_start(&order, args.bytes).unwrap()
}

fn run(kind: u32, body: &[u8], fds: &[OwnedFd]) -> ExitStatus {
    let (ours, theirs) = packet::pair().unwrap();
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    packet::send(ours.as_fd(), kind, body, &fds, Deadline::NEVER).unwrap();
    Command::new("/proc/self/exe")
        .args(["--exact", "no test has this name"])
        .env(VARIABLE.to_str().unwrap(), VALUE)
        .env("RUST_BACKTRACE", "0")
        .stdin(theirs)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
}

#[test]
fn the_unchanged_message_is_served() {
    let (kind, body) = genuine();
    assert_eq!(run(kind, &body, &[]).code(), Some(3));
}

#[test]
fn surplus_descriptors_another_kind_and_cut_messages_are_refused() {
    let (kind, body) = genuine();
    let surplus = std::fs::File::open("/dev/null").unwrap().into();
    assert_eq!(run(kind, &body, &[surplus]).code(), Some(71));
    assert_eq!(run(kind + 1, &body, &[]).code(), Some(71));
    for len in (0..body.len()).step_by(17) {
        assert_eq!(run(kind, &body[..len], &[]).code(), Some(71), "{len} bytes");
    }
}

#[test]
fn flipped_bits_are_refused_before_user_code() {
    let _watchdog = testkit::watchdog(Duration::from_secs(280));
    let (kind, body) = genuine();
    let args = encode(&(TEXT.to_string(),)).unwrap().bytes.len();
    for bit in 0..8 * body.len() {
        let mut mutant = body.clone();
        mutant[bit / 8] ^= 1 << (bit % 8);
        let status = run(kind, &mutant, &[]);
        assert_eq!(status.signal(), None, "bit {bit}");
        let code = status.code().unwrap();
        if bit / 8 < args {
            // Arguments are data: another text makes the function panic, no text is rejected.
            assert!(code == 101 || code == 71, "bit {bit}, of the arguments: {code}");
        } else {
            assert_eq!(code, 71, "bit {bit}");
        }
    }
}

/// A small generator of numbers, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

#[test]
fn garbled_messages_of_any_kind_never_reach_main_or_end_in_a_signal() {
    let _watchdog = testkit::watchdog(Duration::from_secs(280));
    let (kind, body) = genuine();
    let count = std::env::var("MUTATIONS").ok().and_then(|count| count.parse().ok());
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for round in 0..count.unwrap_or(500u32) {
        let mut mutant = body.clone();
        for _ in 0..=numbers.below(4) {
            if mutant.is_empty() {
                break;
            }
            let at = numbers.below(mutant.len());
            let len = numbers.below(24).min(mutant.len() - at);
            match numbers.below(6) {
                0 => mutant[at] = [0, 0xff, 0x7f, 0x80][numbers.below(4)],
                1 => mutant[at..at + len].fill(0xff),
                2 => drop(mutant.drain(at..at + len)),
                3 => drop(mutant.splice(at..at, vec![0x80; len])),
                4 => mutant.truncate(at.max(1)),
                _ => {
                    let from = numbers.below(mutant.len() - len + 1);
                    mutant.copy_within(from..from + len, at);
                }
            }
        }
        let kind = if numbers.below(10) == 0 { kind ^ (1 << numbers.below(32)) } else { kind };
        let status = run(kind, &mutant, &[]);
        // 3 where nothing was changed after all, 101 where another text arrived.
        let code = status.code();
        assert!(matches!(code, Some(71 | 101 | 3)), "round {round}: {status}");
        assert!(code != Some(3) || mutant == body, "round {round}");
    }
}
