//! In the destructors of a thread that is ending there is no scope for handles, and no panic.

#![allow(clippy::unwrap_used, reason = "a test")]

use multiproc_core::carry;
use std::sync::mpsc::Sender;

struct AtEnd(Option<Sender<bool>>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        let fd = std::sync::Arc::new(std::fs::File::open("/dev/null").unwrap().into());
        let (put, out) = carry::outgoing(|| carry::put(&fd));
        self.0.take().unwrap().send(put.is_err() && out.fds.is_empty()).unwrap();
    }
}

thread_local! {
    static LATE: std::cell::RefCell<Option<AtEnd>> = const { std::cell::RefCell::new(None) };
}

#[test]
fn encoding_there_works_without_handles() {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Made before the scopes are used, so destroyed after them.
        LATE.with_borrow_mut(|late| *late = Some(AtEnd(Some(tell))));
        assert!(carry::outgoing(|| ()).1.fds.is_empty());
    })
    .join()
    .unwrap();
    assert!(told.recv().unwrap());
}
