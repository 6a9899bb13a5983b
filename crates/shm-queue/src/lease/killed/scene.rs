//! What a scenario works with: a queue with leases, words by which its processes talk, and its processes.

use core::cell::RefCell;
use core::sync::atomic::Ordering::SeqCst;

use testkit::{
    Child, KillPoint, Limits, Outcome, SharedPage, explore_from_here, fork, is_asleep, until,
};

use super::{WAIT, limits, patience, thin};
use crate::lease::{ByteLeaseReceiver, LeaseReceiver};
use crate::{ByteSender, Sender, bounded_leased, bounded_leased_bytes};

/// A queue with four leases that tells messages by number.
pub(super) trait Queue {
    /// How closely its ways are explored: allocations make some long.
    fn limits<'h, S>() -> Limits<'h, S>;
    fn make(leases: usize) -> Self;
    fn send(&self, number: u64);
    fn close(&self);
    /// Leases one, blocking; `None` at the end.
    fn lease(&self, then: impl FnOnce(u64, bool) -> bool) -> Option<()>;
    fn unfinished(&self) -> usize;
    fn join(&self);
    /// Takes the calling thread's place, which is no part of what is explored then.
    fn come(&self);
}

impl Queue for (Sender<u64>, LeaseReceiver<u64>) {
    fn limits<'h, S>() -> Limits<'h, S> {
        limits()
    }

    fn make(leases: usize) -> Self {
        bounded_leased(8, leases).unwrap()
    }

    fn send(&self, number: u64) {
        self.0.send(number).unwrap();
    }

    fn close(&self) {
        self.0.close();
    }

    fn lease(&self, then: impl FnOnce(u64, bool) -> bool) -> Option<()> {
        let lease = self.1.lease().ok()?;
        if then(*lease, lease.redelivered()) {
            lease.ack();
        }
        Some(())
    }

    fn unfinished(&self) -> usize {
        self.0.unfinished()
    }

    fn join(&self) {
        self.0.join().unwrap();
    }

    fn come(&self) {
        assert!(self.1.take_poisoned().unwrap().is_none());
    }
}

/// The length and the fill of a message follow from its number, so a torn one shows.
pub(super) fn message(number: u64) -> Vec<u8> {
    let mut message = vec![number as u8; 17 + number as usize % 8];
    message[..8].copy_from_slice(&number.to_ne_bytes());
    message
}

impl Queue for (ByteSender, ByteLeaseReceiver) {
    fn limits<'h, S>() -> Limits<'h, S> {
        thin(5)
    }

    fn make(leases: usize) -> Self {
        bounded_leased_bytes(8, 96, leases).unwrap()
    }

    fn send(&self, number: u64) {
        self.0.send(&message(number)).unwrap();
    }

    fn close(&self) {
        self.0.close();
    }

    fn lease(&self, then: impl FnOnce(u64, bool) -> bool) -> Option<()> {
        let lease = self.1.lease().ok()?;
        let number = u64::from_ne_bytes(*lease.first_chunk().unwrap());
        assert_eq!(*lease, message(number), "garbage");
        if then(number, lease.redelivered()) {
            lease.ack();
        }
        Some(())
    }

    fn unfinished(&self) -> usize {
        self.0.unfinished()
    }

    fn join(&self) {
        self.0.join().unwrap();
    }

    fn come(&self) {
        assert!(self.1.take_poisoned().unwrap().is_none());
    }
}

pub(super) type Numbers = (Sender<u64>, LeaseReceiver<u64>);
pub(super) type Bytes = (ByteSender, ByteLeaseReceiver);

// Words of the page: below 80 how often each message was done by others than the victim.
pub(super) const AGAIN: usize = 80;
pub(super) const GOT: usize = 81;
pub(super) const ACKS: usize = 82;
pub(super) const ACKED: usize = 83;
pub(super) const OTHERS_END: usize = 84;

pub(super) struct Scene<Q> {
    pub(super) queue: Q,
    pub(super) page: SharedPage,
    pub(super) others: RefCell<Vec<Child>>,
}

impl<Q: Queue> Scene<Q> {
    pub(super) fn with(leases: usize, numbers: impl IntoIterator<Item = u64>) -> Self {
        let queue = Q::make(leases);
        numbers.into_iter().for_each(|number| queue.send(number));
        Self { queue, page: SharedPage::new(90), others: RefCell::default() }
    }

    /// One message, and the first of the others has it, until it is killed.
    pub(super) fn with_a_holder() -> Self {
        let scene = Self::with(4, [10]);
        let holder = fork(|| {
            scene.queue.lease(|_, _| {
                scene.set(88);
                loop {
                    std::thread::park();
                }
            });
        });
        until(WAIT, "the lease", || scene.word(88) == 1);
        scene.others.borrow_mut().push(holder);
        scene
    }

    pub(super) fn kill_the_holder(&self) {
        let holder = self.others.borrow_mut().remove(0);
        holder.kill();
        assert_eq!(holder.wait(), Outcome::Signaled(9));
    }

    pub(super) fn word(&self, at: usize) -> u64 {
        self.page[at].load(SeqCst)
    }

    pub(super) fn set(&self, at: usize) {
        self.page[at].store(1, SeqCst);
    }

    /// Does one message, and counts it; says whether there was one.
    pub(super) fn do_one(&self) -> bool {
        let done = |number: u64, redelivered: bool| {
            self.page[number as usize].fetch_add(1, SeqCst);
            self.page[AGAIN].fetch_add(u64::from(redelivered), SeqCst);
            true
        };
        self.queue.lease(done).is_some()
    }

    /// What a victim does: gets a message, and perhaps acknowledges it.
    pub(super) fn work(&self, begin: impl FnOnce(), ack: bool) {
        self.queue.lease(|_, _| {
            self.set(GOT);
            begin();
            if ack {
                self.set(ACKS);
            }
            ack
        });
        if ack {
            self.set(ACKED);
        }
    }

    /// Begins to explore a victim that has its place already.
    pub(super) fn begin(&self) {
        self.queue.come();
        explore_from_here();
    }

    /// Starts a process, which sleeps when this returns.
    pub(super) fn start_sleeper(&self, body: impl FnOnce()) {
        let child = fork(body);
        until(WAIT, "the other's sleep", || is_asleep(child.pid()));
        self.others.borrow_mut().push(child);
    }

    /// Starts a receiver that does one message.
    pub(super) fn start_receiver(&self) {
        self.start_sleeper(|| assert!(self.do_one()));
    }

    pub(super) fn others_end_well(&self, point: KillPoint) {
        for mut child in self.others.take() {
            let end = child.wait_timeout(patience());
            assert_eq!(end, Some(Outcome::Exited(0)), "a process sleeps on or fails: {point}");
        }
    }

    /// After the kill: a fresh process does all that is there.
    pub(super) fn drain(&self) {
        self.queue.close();
        let mut receiver = fork(|| while self.do_one() {});
        assert_eq!(receiver.wait_timeout(patience()), Some(Outcome::Exited(0)), "a newcomer hangs");
    }

    /// Judges how often others have done the message that the victim got, or may have got.
    pub(super) fn judge(&self, number: u64) {
        let (done, acks, acked) = (self.word(number as usize), self.word(ACKS), self.word(ACKED));
        assert!(done <= 1, "{number} came {done} times");
        assert!(acks == 1 || done == 1, "{number} is lost");
        assert!(acked == 0 || done == 0, "{number} came after its acknowledgement");
        let again = self.word(AGAIN) == 1;
        assert!(
            self.word(GOT) == 0 || done == 0 || again,
            "{number} came as if for the first time"
        );
    }

    pub(super) fn all_done(&self, numbers: &[u64]) {
        for number in numbers {
            assert_eq!(self.word(*number as usize), 1, "{number}");
        }
    }
}
