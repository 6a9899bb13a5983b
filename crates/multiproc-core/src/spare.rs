//! Large buffers that are used again by the thread that has done with them.
//!
//! Memory that is fresh from the kernel costs several times what it costs to copy into it: a page fault
//! for each page. Whoever makes and drops a buffer for each large message pays that for each message.

use std::cell::RefCell;

/// What is smaller the allocator has at hand itself.
pub const LEAST: usize = 64 << 10;
/// So many bytes a thread keeps at most.
pub const MOST: usize = 8 << 20;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Returns an empty buffer with room for `bytes` at least.
#[must_use]
pub fn take(bytes: usize) -> Vec<u8> {
    if bytes < LEAST {
        return Vec::with_capacity(bytes);
    }
    let found = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        let fits = |buffer: &Vec<u8>| buffer.capacity() >= bytes;
        let place = spare.iter().position(fits)?;
        Some(spare.swap_remove(place))
    });
    found.ok().flatten().unwrap_or_else(|| Vec::with_capacity(bytes))
}

/// Keeps a buffer for later, if it is worth it; its contents are forgotten.
pub fn give(mut buffer: Vec<u8>) {
    if !(LEAST..=MOST).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    // A thread that is ending has no use for it.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        let kept: usize = spare.iter().map(Vec::capacity).sum();
        if kept + buffer.capacity() <= MOST {
            spare.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_taken_again_if_it_is_large_enough() {
        let mut buffer = take(100_000);
        buffer.push(1);
        let at = buffer.as_ptr();
        give(buffer);
        let larger = take(200_000);
        assert_ne!(larger.as_ptr(), at);
        let again = take(90_000);
        assert_eq!((again.as_ptr(), again.len()), (at, 0));
    }

    #[test]
    fn no_thread_keeps_more_than_a_few() {
        for _ in 0..100 {
            give(Vec::with_capacity(1 << 20));
        }
        give(Vec::with_capacity(MOST + 1));
        let kept: usize = SPARE.with_borrow(|spare| spare.iter().map(Vec::capacity).sum());
        assert_eq!(kept, MOST);
    }
}
