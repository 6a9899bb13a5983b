//! Double kills, as many as there is time for, spread evenly.

use crate::row::{Plan, Seen};
use std::cell::Cell;
use testkit::{KillPoint, Limits, kill_at_every_instruction, kill_pairs};

/// Far enough for a victim to end before its second kill point.
const WHOLE: usize = 1 << 20;

/// Kills a victim and then a recoverer, at pairs of instructions as [`testkit::kill_pairs`] does. Both
/// strides follow from the number of pairs that the plan allows.
///
/// `before_second` acts just before the second kill.
pub(crate) fn explore<S>(
    plan: &Plan,
    mut setup: impl FnMut() -> S,
    victim: impl Fn(&S),
    recoverer: impl Fn(&S),
    before_second: impl Fn(&S),
    check: impl FnMut(S, [KillPoint; 2]),
) -> Seen {
    // How long the two are, in instructions or in changes. The first scene is left as it is: nobody is killed
    // in the middle.
    let length = |body: &dyn Fn(&S), setup: &mut dyn FnMut() -> S| {
        let last = Cell::new(0);
        let limits = Limits { stride: WHOLE, times: 1, ..plan.limits() };
        let report = kill_at_every_instruction(limits, setup, body, |_, point| {
            last.set(last.get().max(point.instruction));
        });
        if plan.stride.is_none() { report.changes + 1 } else { last.get() + 1 }
    };
    let all = length(&victim, &mut setup) * length(&recoverer, &mut setup);
    let stride = match plan.pairs {
        0 => plan.stride.unwrap_or(1),
        wanted => ((all as f64 / wanted as f64).sqrt().ceil() as usize).max(1),
    };
    let first = Limits { stride, ..plan.limits() };
    let second = Limits {
        before_kill: Some(Box::new(|state: &S, _: &KillPoint| before_second(state))),
        ..Limits { stride, ..plan.limits() }
    };
    let seen: Seen = kill_pairs(first, second, setup, victim, recoverer, check).into();
    Seen { stride, ..seen }
}
