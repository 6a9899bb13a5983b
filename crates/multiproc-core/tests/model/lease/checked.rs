//! Leases and their broken relatives, searched.

use super::{Lease, Variant};
use crate::search::{assert_caught, assert_sound};

const TWO: Lease = Lease {
    variant: Variant::Sound,
    receivers: 2,
    joins: false,
    messages: 1,
    records: 1,
    rounds: 2,
    kills: 1,
};

#[test]
fn every_message_is_done_once_or_comes_again() {
    assert_sound(&TWO);
    assert_sound(&Lease { messages: 2, rounds: 2, ..TWO });
    assert_sound(&Lease { messages: 2, records: 2, ..TWO });
    assert_sound(&Lease { receivers: 3, kills: 2, rounds: 1, ..TWO });
}

#[test]
fn and_who_joins_hears_of_the_last() {
    assert_sound(&Lease { joins: true, kills: 2, rounds: 1, ..TWO });
}

#[test]
fn not_passing_on_who_died_hangs() {
    assert_caught(&Lease { variant: Variant::TellsNobody, joins: true, rounds: 1, ..TWO }, "hang");
}

#[test]
fn not_watching_each_other_hangs() {
    assert_caught(
        &Lease { variant: Variant::IgnoreEachOther, joins: true, kills: 2, rounds: 1, ..TWO },
        "hang",
    );
}

#[test]
fn looking_at_the_queue_before_the_news_hangs() {
    assert_caught(
        &Lease { variant: Variant::QueueFirst, joins: true, kills: 2, rounds: 1, ..TWO },
        "hang",
    );
}

#[test]
fn a_record_that_is_valid_at_once_doubles() {
    assert_caught(&Lease { variant: Variant::NoTaking, ..TWO }, "acknowledged");
}

#[test]
fn publishing_before_the_record_loses() {
    assert_caught(&Lease { variant: Variant::PublishesFirst, ..TWO }, "lost");
}

#[test]
fn asking_who_wants_to_know_first_hangs() {
    assert_caught(&Lease { variant: Variant::AsksFirst, kills: 0, ..TWO }, "hang");
}

#[test]
fn no_barrier_hangs() {
    assert_caught(&Lease { variant: Variant::NoBarrier, kills: 0, ..TWO }, "hang");
}
