//! Two are killed, one after the other, at every pair of instructions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{Limits, SharedPage, kill_pairs, watchdog};

const LIMIT: Duration = Duration::from_secs(200);

/// Says in the first word that it is under way, and makes the two others equal.
fn change(page: &SharedPage) {
    page[0].store(1, SeqCst);
    page[1].store(7, SeqCst);
    page[2].store(7, SeqCst);
    page[0].store(0, SeqCst);
}

fn limits<'h>() -> Limits<'h, SharedPage> {
    Limits { stride: 2, ..Limits::default() }
}

#[test]
fn each_place_of_the_first_is_followed_by_all_places_of_the_second() {
    let _dog = watchdog(LIMIT);
    let mut states = std::collections::BTreeSet::new();
    let mut firsts = std::collections::BTreeSet::new();
    let mut seconds = std::collections::BTreeSet::new();
    let report = kill_pairs(
        limits(),
        limits(),
        || SharedPage::new(3),
        change,
        change,
        |page, kills| {
            let [first, second] = kills;
            assert!(page[0].load(SeqCst) == 1 || page[1].load(SeqCst) == page[2].load(SeqCst));
            assert!(!second.finished || page[1].load(SeqCst) == 7, "{second}");
            firsts.insert(first.instruction);
            seconds.insert(second.instruction);
            states.insert((first.finished, second.finished));
        },
    );
    assert_eq!((report.firsts, states.len()), (firsts.len(), 4), "{report}");
    // Not the same number of both: the compiler may build the call in one closure another way.
    assert!(seconds.len() > 10, "{report}");
    assert_eq!(report.pairs, report.firsts * seconds.len(), "{report}");
}

#[test]
fn a_recovery_that_trusts_the_first_is_caught_and_both_places_are_named() {
    let _dog = watchdog(LIMIT);
    // Clears the mark before it has put right what was marked.
    let careless = |page: &SharedPage| {
        page[0].store(0, SeqCst);
        page[1].store(0, SeqCst);
        page[2].store(0, SeqCst);
    };
    let explored = catch_unwind(AssertUnwindSafe(|| {
        kill_pairs(
            limits(),
            limits(),
            || SharedPage::new(3),
            change,
            careless,
            |page, _| {
                let equal = page[1].load(SeqCst) == page[2].load(SeqCst);
                assert!(page[0].load(SeqCst) == 1 || equal, "half a change, and no mark");
            },
        )
    }));
    let text = *explored.expect_err("it must be caught").downcast::<String>().unwrap();
    assert!(text.starts_with("half a change, and no mark\nafter a kill at "), "{text}");
    assert!(text.contains("\nand before that at instruction "), "{text}");
}
