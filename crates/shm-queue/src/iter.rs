//! Receivers as iterators.

/// A receiver, as its iterators see it.
pub trait Receive {
    /// What they yield.
    type Item;
    /// Waits for the next one; `None` when none will come.
    fn next(&self) -> Option<Self::Item>;
    /// Takes the next one if there is one.
    fn try_next(&self) -> Option<Self::Item>;
}

/// Yields messages until no sender is left, blocking for each. Made by `iter` of a receiver.
#[derive(Debug)]
#[must_use = "iterators do nothing unless they are consumed"]
pub struct Iter<'a, R> {
    receiver: &'a R,
}

/// Yields the messages that are there, without blocking. Made by `try_iter` of a receiver.
#[derive(Debug)]
#[must_use = "iterators do nothing unless they are consumed"]
pub struct TryIter<'a, R> {
    receiver: &'a R,
}

/// Yields messages until no sender is left, blocking for each, and owns the receiver.
#[derive(Debug)]
#[must_use = "iterators do nothing unless they are consumed"]
pub struct IntoIter<R> {
    receiver: R,
}

impl<'a, R> Iter<'a, R> {
    pub(crate) fn new(receiver: &'a R) -> Self {
        Self { receiver }
    }
}

impl<'a, R> TryIter<'a, R> {
    pub(crate) fn new(receiver: &'a R) -> Self {
        Self { receiver }
    }
}

impl<R> IntoIter<R> {
    pub(crate) fn new(receiver: R) -> Self {
        Self { receiver }
    }
}

impl<R: Receive> Iterator for Iter<'_, R> {
    type Item = R::Item;

    fn next(&mut self) -> Option<R::Item> {
        self.receiver.next()
    }
}

impl<R: Receive> Iterator for TryIter<'_, R> {
    type Item = R::Item;

    fn next(&mut self) -> Option<R::Item> {
        self.receiver.try_next()
    }
}

impl<R: Receive> Iterator for IntoIter<R> {
    type Item = R::Item;

    fn next(&mut self) -> Option<R::Item> {
        self.receiver.next()
    }
}
