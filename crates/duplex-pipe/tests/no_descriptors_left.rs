//! A receiver that is out of descriptors is told so, keeps none by mistake, and can go on.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "a test")]

use duplex_pipe::{PipeReceiver, RecvError, duplex, simplex};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::error::Error;
use std::time::Duration;

// One test, for the limit is the whole process's. It is a child's, as the harness needs files.
#[test]
fn the_message_is_lost_with_a_sentence_and_the_next_one_arrives() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = duplex::<Vec<PipeReceiver<u32>>>().unwrap();
    let receivers: Vec<_> = (0..20).map(|_| simplex::<u32>().unwrap().1).collect();
    a.send(&receivers).unwrap();
    a.send(&vec![receivers[0].clone()]).unwrap();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    testkit::fork(|| {
        let all = getrlimit(Resource::Nofile);
        let before = open();
        let few = Some(before as u64 + 5);
        setrlimit(Resource::Nofile, rustix::process::Rlimit { current: few, ..all }).unwrap();
        let error = b.recv().unwrap_err();
        assert!(matches!(error, RecvError::Failed(_)), "{error:?}");
        let cause = error.source().unwrap().to_string();
        assert!(cause.contains("of the 20 descriptors") && cause.contains("limit"), "{cause}");
        assert_eq!(open(), before, "those that were opened are closed again");
        assert_eq!(b.recv().unwrap().len(), 1);
    })
    .assert_ok();
}
