//! Senders and leasing receivers killed at random: nothing is lost, nothing that was acknowledged comes again.
//!
//! `STORM_SECONDS=60 cargo test -p shm-queue --test lease_storm -- --nocapture` for longer than three seconds.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use multiproc_core::deadline;
use shm_queue::{Lease, LeaseReceiver, Sender, bounded_leased};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use testkit::{Child, Outcome, SharedPage, fork, watchdog};

const SENDERS: usize = 2;
const RECEIVERS: usize = 3;
/// Messages of each sender, for each second.
const MOST: usize = 1 << 21;

/// A cheap source of numbers that nobody expects.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// One bit for each message.
struct Bits(SharedPage);

impl Bits {
    fn new(bits: usize) -> Self {
        Self(SharedPage::new(bits.div_ceil(64)))
    }

    fn set(&self, at: u64) {
        self.0[at as usize / 64].fetch_or(1 << (at % 64), SeqCst);
    }

    fn get(&self, at: u64) -> bool {
        self.0[at as usize / 64].load(SeqCst) >> (at % 64) & 1 == 1
    }
}

struct Storm {
    tx: Sender<u64>,
    rx: LeaseReceiver<u64>,
    /// How many messages each sender has begun and has finished to send.
    begun: SharedPage,
    sent: SharedPage,
    /// Which messages a receiver was about to acknowledge, and which it has.
    acks: Bits,
    acked: Bits,
    /// Messages whose sender was killed sending: in the queue or not.
    unsure: Bits,
    again: SharedPage,
    most: u64,
}

impl Storm {
    fn send(&self, who: usize) {
        loop {
            let next = self.begun[who].load(SeqCst);
            if self.sent[who].load(SeqCst) != next {
                self.unsure.set(who as u64 * self.most + next - 1);
                self.sent[who].store(next, SeqCst);
            }
            if next == self.most {
                std::thread::sleep(Duration::from_secs(1));
                continue;
            }
            self.begun[who].store(next + 1, SeqCst);
            self.tx.send(who as u64 * self.most + next).unwrap();
            self.sent[who].store(next + 1, SeqCst);
        }
    }

    fn do_one(&self, lease: Lease<'_, u64>) {
        let message = *lease;
        assert!(!self.acked.get(message), "{message} came after its acknowledgement: {lease:?}");
        self.again[0].fetch_add(u64::from(lease.redelivered()), SeqCst);
        self.acks.set(message);
        lease.ack();
        self.acked.set(message);
    }

    fn receive(&self, seed: u64) {
        let mut random = Random(seed | 1);
        loop {
            match random.below(8) {
                0 => drop(self.rx.lease().unwrap()),
                1 => {
                    let window = self.rx.lease_many(1 + random.below(5) as usize).unwrap();
                    window.into_iter().for_each(|lease| self.do_one(lease));
                }
                2 => {
                    if let Ok(lease) = self.rx.try_lease() {
                        self.do_one(lease);
                    }
                }
                _ => self.do_one(self.rx.lease().unwrap()),
            }
        }
    }

    fn start(&self, who: usize, seed: u64) -> Child {
        fork(|| match who.checked_sub(SENDERS) {
            None => self.send(who),
            Some(_) => self.receive(seed),
        })
    }
}

#[test]
fn nothing_is_lost_and_nothing_comes_after_its_acknowledgement() {
    let seconds = std::env::var("STORM_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds: u64 = seconds.unwrap_or(3);
    let _dog = watchdog(Duration::from_secs(seconds + 60));
    // A lost wake-up is to be a hang.
    deadline::without_slices();
    let most = MOST as u64 * seconds.min(30);
    let (tx, rx) = bounded_leased(64, 16).unwrap();
    let bits = || Bits::new(SENDERS * most as usize);
    let storm = Storm {
        tx,
        rx,
        begun: SharedPage::new(SENDERS),
        sent: SharedPage::new(SENDERS),
        acks: bits(),
        acked: bits(),
        unsure: bits(),
        again: SharedPage::new(1),
        most,
    };

    let mut random = Random(u64::from(std::process::id()) << 20 | 0x9e37);
    let mut workers: Vec<_> =
        (0..SENDERS + RECEIVERS).map(|who| storm.start(who, random.below(u64::MAX))).collect();
    let start = Instant::now();
    let mut kills = 0;
    while start.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_micros(random.below(800)));
        let who = random.below(workers.len() as u64) as usize;
        workers[who].kill();
        let end = workers[who].wait_timeout(Duration::from_secs(20));
        assert_eq!(end, Some(Outcome::Signaled(9)), "worker {who} had failed");
        workers[who] = storm.start(who, random.below(u64::MAX));
        kills += 1;
    }
    for (who, worker) in workers.into_iter().enumerate() {
        worker.kill();
        assert_eq!(worker.wait(), Outcome::Signaled(9), "worker {who} had failed");
    }

    // All that is left is done, and the queue knows that it is.
    storm.tx.close();
    fork(|| while storm.rx.lease().map(|lease| storm.do_one(lease)).is_ok() {}).assert_ok();
    assert_eq!(storm.tx.unfinished(), 0);
    storm.tx.join().unwrap();
    let mut done = 0;
    for who in 0..SENDERS {
        let first = who as u64 * most;
        let (begun, sent) = (storm.begun[who].load(SeqCst), storm.sent[who].load(SeqCst));
        for message in first..first + begun {
            let unsure = storm.unsure.get(message) || message == first + sent;
            let acks = storm.acks.get(message);
            assert!(acks || unsure, "{message} is lost");
            done += u64::from(acks);
        }
    }
    let again = storm.again[0].load(SeqCst);
    println!("{seconds} s: {kills} kills, {done} messages, {again} done when they came again");
    assert!(kills > 0 && done > 0);
}
