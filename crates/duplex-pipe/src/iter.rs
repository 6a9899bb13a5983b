//! The messages of a pipe, one after the other.

use crate::end::End;
use crate::error::RecvError;
use crate::message::Message;
use multiproc_core::deadline::Deadline;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;

/// Iterates over the messages that arrive at a borrowed end.
pub struct Iter<'a, R: ?Sized> {
    end: Option<&'a End>,
    message: PhantomData<fn(&R)>,
}

/// Iterates over the messages that arrive at an end, and owns it.
pub struct IntoIter<R: ?Sized> {
    end: Option<End>,
    message: PhantomData<fn(&R)>,
}

impl<'a, R: ?Sized> Iter<'a, R> {
    pub(crate) fn new(end: &'a End) -> Self {
        Self { end: Some(end), message: PhantomData }
    }
}

impl<R: ?Sized> IntoIter<R> {
    pub(crate) fn new(end: End) -> Self {
        Self { end: Some(end), message: PhantomData }
    }
}

/// Receives the next item, and says whether it may be followed by another.
fn next<R: Message + ?Sized>(end: &End) -> (Option<Result<R::Owned, RecvError>>, bool) {
    match end.recv::<R>(Deadline::NEVER).map_err(RecvError::from) {
        Err(RecvError::Disconnected) => (None, false),
        Err(error @ RecvError::Failed(_)) => (Some(Err(error)), false),
        item => (Some(item), true),
    }
}

impl<R: Message + ?Sized> Iterator for Iter<'_, R> {
    type Item = Result<R::Owned, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (item, more) = next::<R>(self.end?);
        if !more {
            self.end = None;
        }
        item
    }
}

impl<R: Message + ?Sized> Iterator for IntoIter<R> {
    type Item = Result<R::Owned, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (item, more) = next::<R>(self.end.as_ref()?);
        if !more {
            self.end = None;
        }
        item
    }
}

impl<R: Message + ?Sized> FusedIterator for Iter<'_, R> {}
impl<R: Message + ?Sized> FusedIterator for IntoIter<R> {}

impl<R: ?Sized> fmt::Debug for Iter<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("ended", &self.end.is_none()).finish_non_exhaustive()
    }
}

impl<R: ?Sized> fmt::Debug for IntoIter<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoIter").field("ended", &self.end.is_none()).finish_non_exhaustive()
    }
}
