//! Handles travel in arguments and in results; a process has no other descriptors.

mod support;

use proc_spawn::{JoinError, SpawnError, spawn};
use serde::{Deserialize, Serialize};
use std::os::fd::AsRawFd;
use std::time::Duration;
use support::{Handle, descriptors};

#[test]
fn as_an_argument_at_any_depth() {
    let (reader, writer) = Handle::pipe();
    let nested = vec![(1u8, Some(writer.clone())), (2, Some(writer)), (3, None)];
    let process = spawn((nested,), |nested| {
        for (number, handle) in nested {
            if let Some(handle) = handle {
                handle.write(&format!("{number} from {}\n", std::process::id()));
            }
        }
    })
    .unwrap();
    let pid = process.pid();
    process.join().unwrap();
    assert_eq!(reader.read_to_end(), format!("1 from {pid}\n2 from {pid}\n"));
}

#[test]
fn as_a_result() {
    let process = spawn((), || {
        let (reader, writer) = Handle::pipe();
        writer.write("left behind\n");
        reader
    })
    .unwrap();
    assert_eq!(process.join().unwrap().read_to_end(), "left behind\n");
}

#[test]
fn one_handle_a_thousand_times_is_one_descriptor() {
    let (reader, writer) = Handle::pipe();
    let many = vec![writer; 1000];
    let process = spawn((many,), |many| {
        many[999].write("x");
        descriptors(std::process::id()).len()
    })
    .unwrap();
    // 0, 1, 2, the control socket and the pipe.
    assert_eq!(process.join().unwrap(), 5);
    assert_eq!(reader.read_to_end(), "x");
}

#[test]
fn too_many_are_refused_with_both_numbers() {
    let many: Vec<Handle> = (0..300).map(|_| Handle::pipe().0).collect();
    match spawn((many,), |many: Vec<Handle>| many.len()) {
        Err(SpawnError::TooManyDescriptors { count: 300, limit }) => assert!(limit >= 200),
        other => panic!("{other:?}"),
    }
    let process = spawn((), || (0..300).map(|_| Handle::pipe().0).collect::<Vec<_>>()).unwrap();
    let error = process.join().unwrap_err();
    assert!(error.to_string().contains("300"), "{error}");
}

#[test]
fn a_process_has_the_standard_descriptors_its_control_socket_and_what_it_was_sent() {
    // Strays without close-on-exec, as careless libraries leave them.
    let strays: Vec<_> = (0..20)
        .map(|_| {
            let file = std::fs::File::open("/dev/zero").unwrap();
            rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
            file
        })
        .collect();
    assert!(strays.iter().all(|stray| stray.as_raw_fd() > 2));
    let (reader, writer) = Handle::pipe();
    let process = spawn((writer,), |writer| {
        let seen = descriptors(std::process::id());
        writer.write("here\n");
        seen
    })
    .unwrap();
    assert_eq!(reader.read_to_end(), "here\n");
    let fds = process.join().unwrap();
    let numbers: Vec<u32> = fds.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4], "{fds:?}");
    assert_eq!(fds[0].1, "/dev/null");
    assert!(fds[3].1.starts_with("socket:") && fds[4].1.starts_with("pipe:"), "{fds:?}");
}

#[test]
fn the_variable_is_gone_in_the_process() {
    let names = spawn((), || std::env::vars().map(|(name, _)| name).collect::<Vec<_>>());
    let names = names.unwrap().join().unwrap();
    assert!(names.iter().all(|name| !name.contains("PROC_SPAWN")), "{names:?}");
    assert!(names.iter().any(|name| name == "PATH"));
}

const UNWRITTEN: &str = "it will not be written";
const UNREAD: &str = "it will not be read";

/// Refuses to be written, or to be read, as a handle in the wrong place does.
#[derive(Debug)]
struct Stubborn {
    at_the_reader: bool,
}

impl Serialize for Stubborn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.at_the_reader {
            let refused = multiproc_core::carry::refuse(UNWRITTEN);
            return Err(serde::ser::Error::custom(refused));
        }
        serializer.serialize_bool(true)
    }
}

impl<'de> Deserialize<'de> for Stubborn {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom(multiproc_core::carry::refuse(UNREAD)))
    }
}

#[test]
fn a_refusal_is_told_where_it_belongs_with_its_own_words() {
    let unwritten = spawn((Stubborn { at_the_reader: false },), |_| ()).unwrap_err();
    assert!(matches!(&unwritten, SpawnError::Encode(text) if text == UNWRITTEN));
    let unread = spawn((Stubborn { at_the_reader: true },), |_| ()).unwrap().join().unwrap_err();
    assert!(matches!(&unread, JoinError::Rejected(text) if text == UNREAD));
    let unsent = spawn((), || Stubborn { at_the_reader: false }).unwrap().join().unwrap_err();
    assert!(matches!(&unsent, JoinError::Decode(text) if text == UNWRITTEN));
    let undecoded = spawn((), || Stubborn { at_the_reader: true }).unwrap().join().unwrap_err();
    assert!(matches!(&undecoded, JoinError::Decode(text) if text == UNREAD));
}

#[test]
fn a_control_socket_is_no_handle_to_grandchildren() {
    let grandchild = spawn((), || {
        let process = spawn((), || descriptors(std::process::id()).len()).unwrap();
        std::thread::sleep(Duration::from_millis(10));
        process.join().unwrap()
    });
    assert_eq!(grandchild.unwrap().join().unwrap(), 4);
}
