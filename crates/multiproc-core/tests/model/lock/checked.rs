//! The lock word and its broken relatives, searched.

use super::{Lock, Variant};
use crate::machine::Kernel;
use crate::search::{assert_caught, assert_sound};

const HANG: &str = "hang";

const TWO_AND_A_BARGER: Lock = Lock {
    variant: Variant::Sound,
    kernel: Kernel::Current,
    linked: false,
    lockers: 2,
    bargers: 1,
    rounds: 2,
    kills: 2,
    timeouts: false,
    asks: false,
};

fn caught(lock: Lock) {
    assert_caught(&lock, HANG);
}

#[test]
fn sections_exclude_and_nobody_is_forgotten() {
    assert_sound(&TWO_AND_A_BARGER);
    assert_sound(&Lock { lockers: 4, bargers: 0, rounds: 1, ..TWO_AND_A_BARGER });
}

#[test]
fn nor_with_more_who_sleep() {
    assert_sound(&Lock { lockers: 3, bargers: 1, rounds: 1, ..TWO_AND_A_BARGER });
}

#[test]
fn nor_with_deadlines() {
    assert_sound(&Lock { timeouts: true, ..TWO_AND_A_BARGER });
}

#[test]
fn nor_when_it_is_linked() {
    assert_sound(&Lock { linked: true, ..TWO_AND_A_BARGER });
}

#[test]
fn nor_when_they_ask_to_be_let_in() {
    assert_sound(&Lock { asks: true, ..TWO_AND_A_BARGER });
    assert_sound(&Lock { asks: true, linked: true, timeouts: true, rounds: 1, ..TWO_AND_A_BARGER });
    assert_sound(&Lock { asks: true, lockers: 3, bargers: 1, rounds: 1, ..TWO_AND_A_BARGER });
}

#[test]
fn a_flag_with_a_value_of_its_own_would_do_as_well() {
    assert_sound(&Lock { variant: Variant::UniqueFlag, ..TWO_AND_A_BARGER });
}

/// Takes minutes and gigabytes: `cargo test -p multiproc-core --test model -- --ignored`.
#[test]
#[ignore = "takes minutes and gigabytes"]
fn nor_with_all_of_it() {
    assert_sound(&Lock { lockers: 3, bargers: 1, ..TWO_AND_A_BARGER });
    assert_sound(&Lock { lockers: 3, bargers: 1, linked: true, rounds: 1, ..TWO_AND_A_BARGER });
}

#[test]
fn the_classic_protocol_hangs() {
    let kills = 1;
    caught(Lock { variant: Variant::StoreThenWake, rounds: 1, kills, ..TWO_AND_A_BARGER });
}

#[test]
fn without_the_barrier_it_hangs_even_if_nobody_is_killed() {
    let kills = 0;
    caught(Lock { variant: Variant::NoBarrier, bargers: 0, rounds: 1, kills, ..TWO_AND_A_BARGER });
}

#[test]
fn a_flag_that_is_cleared_without_a_wake_hangs() {
    caught(Lock { variant: Variant::ClearsByStore, ..TWO_AND_A_BARGER });
    caught(Lock { variant: Variant::ClearsBySwap, ..TWO_AND_A_BARGER });
}

#[test]
fn a_flag_that_another_has_set_meanwhile_hangs() {
    caught(Lock { variant: Variant::FlagOfAnother, kills: 1, ..TWO_AND_A_BARGER });
}

#[test]
fn a_hint_that_is_cleared_together_with_the_flag_hangs() {
    caught(Lock { variant: Variant::HeedsByStore, asks: true, kills: 0, ..TWO_AND_A_BARGER });
}

#[test]
fn sleeping_on_the_word_alone_hangs() {
    caught(Lock { variant: Variant::SleepsOnWordAlone, ..TWO_AND_A_BARGER });
}

#[test]
fn an_owner_for_whom_the_kernel_does_not_wake_hangs() {
    caught(Lock { variant: Variant::OwnerWithoutWaiters, ..TWO_AND_A_BARGER });
}

#[test]
fn an_entry_linked_too_late_or_unlinked_too_early_hangs() {
    let linked = Lock { linked: true, bargers: 0, rounds: 1, kills: 1, ..TWO_AND_A_BARGER };
    caught(Lock { variant: Variant::SettlesFirst, ..linked });
    caught(Lock { variant: Variant::UnlinksFirst, ..linked });
}

#[test]
fn before_linux_6_2_a_second_death_is_left_to_the_belt() {
    caught(Lock { kernel: Kernel::Before62, rounds: 1, ..TWO_AND_A_BARGER });
    // One death is not.
    assert_sound(&Lock { kernel: Kernel::Before62, kills: 1, ..TWO_AND_A_BARGER });
}
