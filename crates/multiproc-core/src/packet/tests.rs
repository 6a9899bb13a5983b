use super::*;
use rustix::net::sockopt::set_socket_send_buffer_size;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(20);

fn soon() -> Deadline {
    Deadline::after(SOON)
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

#[test]
fn bodies_around_the_inline_limit_arrive_as_they_were_sent() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    for len in [0, 1, 23, 4096, INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1, 3 << 20] {
        let body = bytes(len);
        send(a.as_fd(), 5, &body, &[], Deadline::NEVER).unwrap();
        let packet = recv(b.as_fd(), usize::MAX, Deadline::NEVER).unwrap().unwrap();
        assert_eq!((packet.kind, packet.fds.len()), (5, 0));
        assert!(packet.body == body, "{len} bytes came as {}", packet.body.len());
    }
}

#[test]
fn descriptors_arrive_in_order_and_closed_on_exec_beside_every_kind_of_body() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    for (len, count) in [(0, 1), (10, MAX_FDS), (INLINE_MAX + 1, MAX_FDS)] {
        let fds = vec![file.as_fd(); count];
        send(a.as_fd(), 0, &bytes(len), &fds, Deadline::NEVER).unwrap();
        let packet = recv(b.as_fd(), usize::MAX, Deadline::NEVER).unwrap().unwrap();
        assert_eq!((packet.body.len(), packet.fds.len()), (len, count));
        for fd in &packet.fds {
            let flags = rustix::io::fcntl_getfd(fd).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
            let (sent, got) = (rustix::fs::fstat(&file).unwrap(), rustix::fs::fstat(fd).unwrap());
            assert_eq!((sent.st_dev, sent.st_ino), (got.st_dev, got.st_ino));
        }
    }
}

#[test]
fn one_descriptor_too_many_is_refused_with_both_numbers() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    let fds = vec![a.as_fd(); MAX_FDS + 1];
    let error = send(a.as_fd(), 0, &[], &fds, Deadline::NEVER).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("253") && error.to_string().contains("252"));
    assert_eq!(recv(b.as_fd(), 9, soon()).unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_small_socket_buffer_only_moves_more_into_the_memfd() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    set_socket_send_buffer_size(&a, 1).unwrap();
    for len in [60_000, INLINE_MAX + 1] {
        let body = bytes(len);
        send(a.as_fd(), 1, &body, &[], Deadline::NEVER).unwrap();
        assert!(recv(b.as_fd(), usize::MAX, soon()).unwrap().unwrap().body == body);
    }
}

#[test]
fn a_full_socket_times_out_and_then_goes_on() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    let mut sent = 0;
    let error = loop {
        match send(a.as_fd(), sent, &[0; 1000], &[], soon()) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(sent > 10, "only {sent} messages of 1000 bytes fit");
    for kind in 0..sent {
        assert_eq!(recv(b.as_fd(), 1000, soon()).unwrap().unwrap().kind, kind);
    }
    send(a.as_fd(), 0, &[], &[], soon()).unwrap();
}

#[test]
fn large_messages_are_not_made_while_one_waits_to_be_received() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    let body = bytes(INLINE_MAX * 2);
    send(a.as_fd(), 1, &body, &[], soon()).unwrap();
    let error = send(a.as_fd(), 2, &body, &[], soon()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(recv(b.as_fd(), usize::MAX, soon()).unwrap().unwrap().kind, 1);
    send(a.as_fd(), 3, &body, &[], soon()).unwrap();
    assert_eq!(recv(b.as_fd(), usize::MAX, soon()).unwrap().unwrap().kind, 3);
}

#[test]
fn what_was_sent_before_the_close_arrives_before_the_end() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    // Unread in `a` when it is closed: the kernel then reports a reset once, on both operations.
    send(b.as_fd(), 9, &[9], &[], soon()).unwrap();
    send(a.as_fd(), 1, &[1], &[], soon()).unwrap();
    send(a.as_fd(), 2, &[2], &[], soon()).unwrap();
    drop(a);
    assert_eq!(send(b.as_fd(), 0, &[], &[], soon()).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(recv(b.as_fd(), 9, Deadline::NEVER).unwrap().unwrap().kind, 1);
    assert_eq!(recv(b.as_fd(), 9, soon()).unwrap().unwrap().kind, 2);
    assert!(wait_readable(b.as_fd(), Deadline::NEVER).unwrap());
    assert!(recv(b.as_fd(), 9, Deadline::NEVER).unwrap().is_none());
    assert!(recv(b.as_fd(), 9, soon()).unwrap().is_none());
}

#[test]
fn a_reset_does_not_hide_what_was_received_first() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    send(b.as_fd(), 9, &[9], &[], soon()).unwrap();
    send(a.as_fd(), 1, &[1], &[], soon()).unwrap();
    drop(a);
    assert_eq!(recv(b.as_fd(), 9, Deadline::NEVER).unwrap().unwrap().kind, 1);
    assert!(recv(b.as_fd(), 9, Deadline::NEVER).unwrap().is_none());
}

#[test]
fn too_long_for_the_limit_is_said_before_memory_is_asked_for() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    for len in [11, INLINE_MAX + 1] {
        send(a.as_fd(), 0, &bytes(len), &[], soon()).unwrap();
        let error = recv(b.as_fd(), 10, soon()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let text = error.to_string();
        assert!(text.contains(&len.to_string()) && text.contains("10"), "{text}");
    }
}

#[test]
fn a_buffer_takes_what_fits_and_gives_back_whole_what_does_not() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    let mut buf = vec![0; INLINE_MAX + 500];
    for room in [0, 100, 2 * INLINE_MAX / 3, INLINE_MAX, INLINE_MAX + 500] {
        for len in [0, 1, 100, 101, INLINE_MAX, INLINE_MAX + 1, INLINE_MAX + 501] {
            let body = bytes(len);
            send(a.as_fd(), 3, &body, &[a.as_fd()], soon()).unwrap();
            match recv_into(b.as_fd(), &mut buf[..room], usize::MAX, soon()).unwrap().unwrap() {
                IntoBuf::Filled { kind, len: filled, fds } => {
                    assert!(len <= room);
                    assert_eq!((kind, filled, fds.len()), (3, len, 1));
                    assert!(buf[..len] == body);
                }
                IntoBuf::TooShort(packet) => {
                    assert!(len > room);
                    assert_eq!((packet.kind, packet.fds.len()), (3, 1));
                    assert!(packet.body == body, "{len} bytes for {room}");
                }
            }
        }
    }
}

#[test]
fn a_decoder_may_receive_another_message() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    send(a.as_fd(), 1, b"outer", &[], soon()).unwrap();
    send(a.as_fd(), 2, b"inner", &[], soon()).unwrap();
    let both = recv_with(b.as_fd(), 9, soon(), |_, outer, _| {
        let inner = recv(b.as_fd(), 9, soon()).unwrap().unwrap();
        (outer.into_owned(), inner.body)
    });
    assert_eq!(both.unwrap().unwrap(), (b"outer".to_vec(), b"inner".to_vec()));
}

#[test]
fn waiting_to_read_times_out_and_sees_a_message() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    let start = std::time::Instant::now();
    assert!(!wait_readable(b.as_fd(), soon()).unwrap());
    assert_eq!(recv(b.as_fd(), 9, soon()).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(start.elapsed() >= SOON * 2);
    send(a.as_fd(), 0, &[], &[], soon()).unwrap();
    assert!(wait_readable(b.as_fd(), soon()).unwrap());
}

#[test]
fn a_socket_that_somebody_made_non_blocking_still_waits() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = pair().unwrap();
    rustix::io::ioctl_fionbio(&a, true).unwrap();
    rustix::io::ioctl_fionbio(&b, true).unwrap();
    let receiver = std::thread::spawn(move || {
        let mut kinds = Vec::new();
        while let Some(packet) = recv(b.as_fd(), 10_000, Deadline::NEVER).unwrap() {
            kinds.push(packet.kind);
            std::thread::sleep(Duration::from_micros(200));
        }
        kinds
    });
    for kind in 0..200 {
        send(a.as_fd(), kind, &[0; 10_000], &[], Deadline::NEVER).unwrap();
    }
    drop(a);
    assert_eq!(receiver.join().unwrap(), (0..200).collect::<Vec<_>>());
}
