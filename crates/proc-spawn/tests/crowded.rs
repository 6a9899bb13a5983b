//! A user with too many descriptors in messages that nobody has received: what would wait for ever is told instead.
#![allow(clippy::unwrap_used, reason = "only tests use it")]

mod support;

use proc_spawn::{Builder, JoinError, SpawnError, StartMethod, spawn};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use std::error::Error;
use std::time::Duration;
use support::Handle;

#[test]
fn results_and_starts_that_cannot_be_sent_are_errors() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let told = spawn((), || {
        // Root may send what it likes.
        let _ = nix::unistd::setuid(nix::unistd::Uid::from_raw(54_322));
        set_dumpable_behavior(DumpableBehavior::Dumpable).unwrap();
        let handles = spawn((), || (0..50).map(|_| Handle::pipe()).collect::<Vec<_>>()).unwrap();
        let _ = handles.wait();

        // A large result is one more.
        let large = Builder::new().open_files(20).spawn((), || vec![1u8; 200_000]).unwrap();
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: Some(2000) }).unwrap();
        let server = Builder::new().method(StartMethod::ForkServer);
        let SpawnError::Io(refused) = server.spawn((), || ()).unwrap_err() else {
            panic!("another error")
        };
        let refused = refused.source().unwrap().to_string();
        let unsent = large.join().unwrap_err();
        assert!(matches!(unsent, JoinError::Decode(_)), "{unsent:?}");

        // Once the first is received all goes well again.
        setrlimit(Resource::Nofile, Rlimit { current: Some(2000), maximum: Some(2000) }).unwrap();
        let handles = handles.join().unwrap().len();
        let later = server.spawn((), || vec![1u8; 200_000]).unwrap().join().unwrap().len();
        (refused, unsent.to_string(), handles, later)
    });
    let (refused, unsent, handles, later) = told.unwrap().join().unwrap();
    assert!(refused.to_lowercase().contains("too many references"), "{refused}");
    assert!(unsent.contains("too many descriptors"), "{unsent}");
    assert_eq!((handles, later), (50, 200_000));
}
