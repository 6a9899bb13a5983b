//! Values of any type that serde can encode, and what happens to those it cannot.

#![allow(clippy::unwrap_used, reason = "a test")]
#![cfg(feature = "serde")]

use serde::{Deserialize, Serialize, Serializer, ser};
use shm_queue::{
    ByteSender, RecvValueError, RecvValueTimeoutError, SendValueError, SendValueTimeoutError,
    Sender, TryRecvValueError, TrySendValueError, ValueReceiver, ValueSender, bounded,
    bounded_values,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use testkit::{fork, watchdog};

const SHORT: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Job {
    Fetch { url: String, tries: u8 },
    Sum(Vec<f64>),
    Tree(BTreeMap<String, Job>),
    Stop,
}

fn jobs() -> Vec<Job> {
    let fetch = Job::Fetch { url: "http://localhost/ä".into(), tries: 3 };
    let tree = [("a".to_owned(), fetch.clone()), ("b".to_owned(), Job::Stop)];
    vec![Job::Sum(vec![0.1, -2.5]), fetch, Job::Tree(tree.into()), Job::Stop]
}

#[test]
fn values_arrive_equal() {
    let (tx, rx) = bounded_values::<Job>(10, 1000).unwrap();
    for job in jobs() {
        tx.send(job).unwrap();
    }
    assert_eq!(rx.len(), 4);
    drop(tx);
    let arrived: Vec<Job> = rx.iter().map(Result::unwrap).collect();
    assert_eq!(arrived, jobs());
    assert_eq!(rx.recv(), Err(RecvValueError::Disconnected));

    let (tx, rx) = bounded_values::<Option<String>>(10, 1000).unwrap();
    tx.send(None).unwrap();
    tx.send(Some("x".into())).unwrap();
    assert_eq!(rx.try_iter().map(Result::unwrap).collect::<Vec<_>>(), [None, Some("x".into())]);
}

#[test]
fn values_cross_processes() {
    let _dog = watchdog(Duration::from_secs(60));
    let (tx, rx) = bounded_values::<Job>(3, 200).unwrap();
    let child = fork(|| {
        for job in jobs().into_iter().cycle().take(4_000) {
            tx.send(job).unwrap();
        }
    });
    for job in jobs().iter().cycle().take(4_000) {
        assert_eq!(&rx.recv().unwrap(), job);
    }
    child.assert_ok();
}

#[test]
fn outcomes_give_the_value_back() {
    let (tx, rx) = bounded_values::<String>(1, 16).unwrap();
    assert_eq!(rx.try_recv(), Err(TryRecvValueError::Empty));
    assert_eq!(rx.recv_timeout(SHORT), Err(RecvValueTimeoutError::Timeout));
    tx.send("a".into()).unwrap();
    assert_eq!(tx.try_send("b".into()), Err(TrySendValueError::Full("b".into())));
    let start = Instant::now();
    let late = tx.send_timeout("c".into(), SHORT);
    assert_eq!(late, Err(SendValueTimeoutError::Timeout("c".into())));
    assert!(start.elapsed() >= SHORT);
    let large = "x".repeat(20);
    let error = tx.try_send(large.clone()).unwrap_err();
    assert_eq!(error, TrySendValueError::TooLarge { value: large, len: 21, most: 16 });
    drop(rx);
    assert_eq!(tx.send("d".into()), Err(SendValueError::Disconnected("d".into())));
}

/// Encodes as a string and decodes as a number.
#[derive(Debug, PartialEq, Deserialize)]
struct Liar(u64);

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            13 => Err(ser::Error::custom("not this one")),
            0 => serializer.serialize_bytes(&[0xff; 12]),
            1 => serializer.serialize_str("\u{1}\u{2}"),
            number => serializer.serialize_u64(number),
        }
    }
}

#[test]
fn what_cannot_be_decoded_is_reported_and_the_queue_goes_on() {
    let (tx, rx) = bounded_values::<Liar>(10, 1000).unwrap();
    for number in [0, 1, 7] {
        tx.send(Liar(number)).unwrap();
    }
    let Err(RecvValueError::Decode(error)) = rx.recv() else { panic!("decoded") };
    let text = error.to_string();
    assert!(text.starts_with("a message could not be decoded: 13 bytes as `"), "{text}");
    let Err(TryRecvValueError::Decode(error)) = rx.try_recv() else { panic!("decoded") };
    assert!(error.to_string().ends_with("2 of its 3 bytes were left over"), "{error}");
    assert_eq!(rx.recv(), Ok(Liar(7)));
}

#[test]
fn what_cannot_be_encoded_comes_back() {
    let (tx, rx) = bounded_values::<Liar>(10, 1000).unwrap();
    let Err(SendValueError::Encode { value, .. }) = tx.send(Liar(13)) else { panic!("sent") };
    assert_eq!(value, Liar(13));
    assert!(rx.is_empty(), "nothing of it is there");
    tx.send(Liar(7)).unwrap();
    assert_eq!(rx.recv(), Ok(Liar(7)));
}

#[test]
fn a_handle_inside_a_value_is_told_where_it_can_travel() {
    let (tx, rx) = bounded_values::<(u8, Sender<u64>)>(10, 1000).unwrap();
    let (inner, _inner_rx) = bounded::<u64>(1).unwrap();
    let Err(TrySendValueError::Encode { value, reason }) = tx.try_send((1, inner)) else {
        panic!("sent")
    };
    assert!(reason.contains("a handle can travel only as an argument"), "{reason}");
    value.1.send(1).unwrap();
    assert!(rx.is_empty());
}

#[test]
fn other_types_at_a_path_are_refused() {
    use std::error::Error;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("v");
    let tx = ValueSender::<Job>::create(&path, 10, 1000).unwrap();
    let why = |error: shm_queue::Error| error.source().unwrap().to_string();
    let text = why(ValueReceiver::<String>::open(&path).unwrap_err());
    assert!(text.contains("Job` (0 bytes), not `alloc::string::String`"), "{text}");
    let text = why(ByteSender::open(&path).unwrap_err());
    assert_eq!(text, "it holds a `value queue`, not a `byte queue`");
    let rx = ValueReceiver::<Job>::open(&path).unwrap();
    tx.send(Job::Stop).unwrap();
    assert_eq!(rx.recv(), Ok(Job::Stop));
}
