//! Text to descriptor 2 without std's lock, which another thread may have held at the fork.

#![allow(unsafe_code, reason = "write(2) on a descriptor that std owns")]

/// Writes `text` to descriptor 2, as far as it goes.
pub(crate) fn say(text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        // SAFETY: the pointer and the length are those of a live slice.
        let written = unsafe { libc::write(libc::STDERR_FILENO, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(written) {
            Ok(n) if n > 0 => rest = rest.get(n..).unwrap_or_default(),
            // Nobody reads it, or an interruption by a signal: a lost message is not worth a loop.
            _ => return,
        }
    }
}
