//! Values arrive as they were sent, and what cannot be a value is refused with a sentence.
#![allow(clippy::unwrap_used, reason = "a test")]
#![cfg(feature = "serde")]

use duplex_pipe::{Duplex, RecvError, SendError, duplex, duplex_of, simplex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle { radius: f64 },
    Named(String, BTreeMap<String, Vec<Option<i64>>>),
}

#[test]
fn values_of_every_shape_cross_in_both_directions() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = duplex::<Shape>().unwrap();
    let map =
        BTreeMap::from([("k".to_string(), vec![None, Some(i64::MIN)]), (String::new(), vec![])]);
    for shape in
        [Shape::Point, Shape::Circle { radius: f64::MIN_POSITIVE }, Shape::Named("ü".into(), map)]
    {
        a.send(&shape).unwrap();
        b.send(&shape).unwrap();
        assert_eq!(a.recv().unwrap(), shape);
        assert_eq!(b.recv().unwrap(), shape);
    }
}

#[test]
fn a_value_of_no_bytes_is_a_message_and_not_the_end() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<()>().unwrap();
    tx.send(&()).unwrap();
    rx.recv().unwrap();
    drop(tx);
    assert!(matches!(rx.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn a_large_value_travels() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = duplex::<Vec<u64>>().unwrap();
    let value: Vec<u64> = (0..1_000_000).map(|i| i * 0x9e37_79b9).collect();
    a.send(&value).unwrap();
    assert!(b.recv().unwrap() == value);
}

#[test]
fn the_two_directions_can_have_types_of_their_own() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (client, server) = duplex_of::<String, usize>().unwrap();
    client.send(&"twelve chars".to_string()).unwrap();
    server.send(&server.recv().unwrap().len()).unwrap();
    assert_eq!(client.recv().unwrap(), 12);
}

#[test]
fn one_direction_may_be_bytes_and_the_other_values() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = duplex_of::<[u8], u32>().unwrap();
    a.send(b"raw").unwrap();
    b.send(&7).unwrap();
    assert_eq!(b.recv().unwrap(), b"raw");
    assert_eq!(a.recv().unwrap(), 7);
}

/// Lets one process hold both ends under types that do not fit each other.
fn mismatched<A, B>() -> (Duplex<A>, Duplex<B>)
where
    A: ?Sized,
    B: ?Sized,
{
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (a, b) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    (Duplex::try_from(a).unwrap(), Duplex::try_from(b).unwrap())
}

#[test]
fn bytes_where_a_value_was_expected_are_refused_and_the_next_value_comes() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (bytes, values) = mismatched::<[u8], u32>();
    bytes.send(b"1234").unwrap();
    let error = values.recv().unwrap_err();
    assert!(matches!(error, RecvError::Decode(_)));
    assert_eq!(error.to_string(), "failed to decode a message of type u32");
    assert_eq!(error.source().unwrap().to_string(), "raw bytes came");
    values.send(&9).unwrap();
    let error = bytes.recv().unwrap_err();
    assert_eq!(error.to_string(), "failed to decode raw bytes");
    assert_eq!(error.source().unwrap().to_string(), "an encoded value came");
}

#[test]
fn a_value_of_another_type_is_refused_if_its_bytes_do_not_fit() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (pairs, flags) = mismatched::<(u8, u8), bool>();
    pairs.send(&(1, 2)).unwrap();
    let error = flags.recv().unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "1 of 2 bytes were left over");
    flags.send(&true).unwrap();
    assert!(matches!(pairs.recv(), Err(RecvError::Decode(_))));
    pairs.send(&(3, 0)).unwrap();
    assert!(matches!(flags.recv(), Err(RecvError::Decode(_))));
}

/// Its serialisation fails with words of its own.
#[derive(Debug, Deserialize)]
struct Shy;

impl Serialize for Shy {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

#[test]
fn a_value_that_cannot_be_serialised_is_an_error_of_the_sender() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<Shy>().unwrap();
    let error = tx.send(&Shy).unwrap_err();
    assert!(matches!(error, SendError::Encode(_)));
    assert!(error.to_string().starts_with("failed to encode a message of type"), "{error}");
    assert!(error.source().is_some());
    drop(tx);
    assert!(matches!(rx.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn a_serialiser_may_itself_send_and_receive() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    struct Chatty;
    impl Serialize for Chatty {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let (a, b) = duplex::<String>().unwrap();
            a.send(&"inner".to_string()).unwrap();
            serializer.serialize_str(&b.recv().unwrap())
        }
    }
    impl<'de> Deserialize<'de> for Chatty {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let (a, b) = duplex::<String>().unwrap();
            a.send(&String::deserialize(deserializer)?).unwrap();
            assert_eq!(b.recv().unwrap(), "inner");
            Ok(Self)
        }
    }
    let (tx, rx) = simplex::<(Chatty, u32)>().unwrap();
    tx.send(&(Chatty, 5)).unwrap();
    assert_eq!(rx.recv().unwrap().1, 5);
}
