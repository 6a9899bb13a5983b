//! What messages are made of.

/// Returns so many bytes, not all the same.
pub(crate) fn payload(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| at.to_le_bytes()[0]).collect()
}

/// Returns the number that a message begins with.
pub(crate) fn begins_with(message: &[u8]) -> u64 {
    let first = message.first_chunk().expect("no message is shorter than its number");
    u64::from_ne_bytes(*first)
}

/// Returns how many messages of this size a queue holds: a thousand, or 16 MiB.
pub(crate) fn capacity(bytes: usize) -> usize {
    ((16 << 20) / bytes).min(1024)
}
