//! A worker that writes what no worker writes: the pool says so, or waits, and reads nothing out of bounds.

use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::time::Duration;

use multiproc_core::deadline::Deadline;
use testkit::watchdog;

use super::words::{SLOTS, Shape, slot};
use super::{Answered, Begun, Bell, Lane, Nonsense, Popped, PutError, Task, Working};

pub(super) fn task(number: u64, bytes: &[u8]) -> Task<'_> {
    Task { number, call: [number, 1, 2, 3], bytes, packets: 0 }
}

fn both() -> (Lane, Working, Bell) {
    let bell = Bell::new().unwrap();
    let (lane, port) = Lane::new(&bell).unwrap();
    (lane, Working::new(port).unwrap(), bell)
}

pub(super) fn popped(lane: &mut Lane) -> Option<(u64, Vec<u8>)> {
    match lane.pop() {
        Popped::Nothing => None,
        Popped::Answer(Answered { number, bytes, .. }) => Some((number, bytes.unwrap().to_vec())),
        Popped::Garbled(why) => panic!("{why}"),
    }
}

#[test]
fn tasks_come_in_order_and_so_do_answers_whatever_their_lengths() {
    let (mut lane, mut worker, _) = both();
    let payload = |n: u64| vec![n as u8; [0, 1, 64, 65, 104, 105, 5_000, 400_000][n as usize % 8]];
    for round in 0..100u64 {
        let numbers = round * 10..round * 10 + 1 + round % 7;
        for number in numbers.clone() {
            lane.put(task(number, &payload(number))).unwrap();
        }
        for number in numbers.clone() {
            let order = worker.next().unwrap();
            assert_eq!(order.call, [number, 1, 2, 3]);
            assert_eq!(worker.arguments(&order).unwrap(), payload(number));
            assert_eq!(lane.begun().map(|(number, _)| number), Some(numbers.start));
            worker.answer(order.ticket, 1, 0, &payload(number + 3)).unwrap();
        }
        for number in numbers {
            assert_eq!(popped(&mut lane), Some((number, payload(number + 3))));
        }
        assert_eq!(popped(&mut lane), None);
    }
    lane.close();
    assert!(worker.next().is_none());
}

#[test]
fn a_lane_takes_as_many_as_it_has_slots_and_goes_on_when_some_are_taken_back() {
    let (mut lane, mut worker, _) = both();
    for number in 0..SLOTS as u64 {
        lane.put(task(number, &[7; 200])).unwrap();
    }
    assert!(matches!(lane.put(task(1_000, &[])), Err(PutError::Full)));
    let first = worker.next().unwrap();
    assert!(!lane.take_back(0, false), "it is begun");
    assert!((1..200).all(|number| lane.take_back(number, false)));
    assert!(!lane.take_back(5, false), "it was taken back before");
    assert_eq!(lane.given(), SLOTS - 199);
    assert!(matches!(lane.put(task(1_000, &[])), Err(PutError::Full)), "the first one's slot");
    worker.answer(first.ticket, 1, 0, &[]).unwrap();
    assert_eq!(popped(&mut lane), Some((0, Vec::new())));
    // Slots that were taken back are used before the worker has passed them.
    for number in 1_000..1_150 {
        lane.put(task(number, &[])).unwrap();
    }
    for number in (200..SLOTS as u64).chain(1_000..1_150) {
        let order = worker.next().unwrap();
        assert_eq!(order.call[0], number);
        worker.answer(order.ticket, 1, 0, &[]).unwrap();
        assert_eq!(popped(&mut lane), Some((number, Vec::new())));
    }
    lane.close();
    assert!(worker.next().is_none());
}

fn is_garbled(lane: &mut Lane, expected: Nonsense) -> bool {
    matches!(lane.pop(), Popped::Garbled(why) if why == expected)
}

#[test]
fn an_answer_to_a_task_that_it_does_not_have_is_not_believed() {
    let (mut lane, mut worker, _) = both();
    worker.answer(0, 1, 0, &[]).unwrap();
    assert!(is_garbled(&mut lane, Nonsense::TooMany), "it has none");
    assert!(!lane.watch().has_answer() && matches!(lane.pop(), Popped::Nothing), "said once");

    let (mut lane, mut worker, _) = both();
    lane.put(task(5, &[])).unwrap();
    lane.put(task(6, &[])).unwrap();
    worker.answer(1, 1, 0, &[]).unwrap();
    assert!(is_garbled(&mut lane, Nonsense::OutOfOrder), "not its next");

    let (mut lane, mut worker, _) = both();
    lane.put(task(5, &[])).unwrap();
    assert!(lane.take_back(5, false));
    worker.answer(0, 1, 0, &[]).unwrap();
    assert!(is_garbled(&mut lane, Nonsense::TooMany), "it was taken back");

    let (mut lane, mut worker, _) = both();
    lane.put(task(5, &[])).unwrap();
    worker.answer(0, 1, 0, &[]).unwrap();
    worker.answer(0, 1, 0, &[]).unwrap();
    assert!(is_garbled(&mut lane, Nonsense::TooMany), "twice");
}

#[test]
fn a_result_that_lies_nowhere_is_not_looked_for() {
    for (offset, len) in
        [(0, 1 << 40), (u64::MAX, 200), (1 << 40, 200), (1 << 39, 1 << 30), (0, (1 << 48) - 1)]
    {
        let (mut lane, mut worker, _) = both();
        lane.put(task(5, &[])).unwrap();
        worker.answer(0, 1, 0, &[]).unwrap();
        let place = &lane.raw().answers[slot(0)];
        place.offset.store(offset, Relaxed);
        place.shape.store(Shape { len, packets: 0, kind: 1 }.word(), Relaxed);
        assert!(is_garbled(&mut lane, Nonsense::Nowhere), "{offset} {len}");
    }
}

#[test]
fn a_task_whose_state_is_written_over_is_neither_taken_back_nor_waited_for() {
    for bit in (0..64).map(|bit| 1u64 << bit) {
        let (mut lane, _worker, _) = both();
        (5..7).for_each(|number| lane.put(task(number, &[])).unwrap());
        lane.raw().tasks[slot(1)].state.fetch_xor(bit, SeqCst);
        assert!(!lane.take_back(6, false), "the worker may do what it likes with it");
        assert!(lane.watch().has_answer(), "there is something to hear");
        assert!(is_garbled(&mut lane, Nonsense::NoState));
        assert!(!lane.watch().has_answer() && matches!(lane.pop(), Popped::Nothing), "said once");
        assert_eq!([5, 6].map(|number| lane.had_begun(number)), [Begun::No; 2]);
        assert!(lane.take_back(5, false));
        assert_eq!(lane.had_begun(6), Begun::Unknown);
    }
}

/// Every word of the lane, each bit: the pool answers with an answer, with nothing, or says so.
#[test]
fn no_flipped_bit_makes_the_pool_panic_or_believe_what_is_not_so() {
    let _dog = watchdog(Duration::from_secs(100));
    let bits = || (0..64).map(|bit| 1u64 << bit);
    for bit in bits() {
        for which in 0..6 {
            let (mut lane, mut worker, bell) = both();
            for number in 0..3 {
                lane.put(task(number, &[9; 80])).unwrap();
            }
            let order = worker.next().unwrap();
            worker.answer(order.ticket, 1, 0, &[3; 200]).unwrap();
            let words = lane.raw();
            let answer = &words.answers[0];
            match which {
                0 => _ = words.worker.0.answered.fetch_xor(bit as u32, SeqCst),
                1 => _ = answer.ticket.fetch_xor(bit, SeqCst),
                2 => _ = answer.offset.fetch_xor(bit, SeqCst),
                3 => _ = answer.shape.fetch_xor(bit, SeqCst),
                4 => _ = words.tasks[1].state.fetch_xor(bit, SeqCst),
                _ => bell.raw().iter().for_each(|word| _ = word.fetch_xor(bit as u32, SeqCst)),
            }
            let mut answers = 0;
            while let Popped::Answer(answered) = lane.pop() {
                assert_eq!(answered.number, answers);
                answers += 1;
            }
            assert!(answers <= 3);
            let _ = (lane.begun(), lane.take_back(2, false), lane.room());
            bell.sleep(&mut 0, Deadline::after(Duration::from_millis(1)), || false);
        }
    }
}
