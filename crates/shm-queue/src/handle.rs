//! What the handles of all queues have in common, written once.

/// Defines `Clone`, `Debug` and what a handle can tell of its queue.
macro_rules! handle {
    ($($name:ident $(<$t:ident>)?),*) => { $(
        impl $(<$t>)? $name $(<$t>)? {
            /// Returns how many messages the queue may hold at once.
            #[doc(alias = "maxsize")]
            #[must_use]
            pub fn capacity(&self) -> usize {
                // A `u32`.
                self.end.memory().capacity() as usize
            }

            /// Returns how many messages are in the queue, or were a moment ago.
            #[doc(alias = "qsize")]
            #[must_use]
            pub fn len(&self) -> usize {
                self.end.len()
            }

            /// Says whether the queue is empty, or was a moment ago.
            #[doc(alias = "empty")]
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Says whether the queue holds as many messages as it may, or did a moment ago. For
            /// messages of any length there may be no room earlier.
            #[doc(alias = "full")]
            #[must_use]
            pub fn is_full(&self) -> bool {
                self.len() == self.capacity()
            }
        }

        impl $(<$t>)? Clone for $name $(<$t>)? {
            fn clone(&self) -> Self {
                Self { end: ::std::sync::Arc::clone(&self.end) }
            }
        }

        impl $(<$t>)? ::core::fmt::Debug for $name $(<$t>)? {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("len", &self.len())
                    .field("capacity", &self.capacity())
                    .finish_non_exhaustive()
            }
        }
    )* };
}

/// Defines the iterators of a receiver: what they yield, and how it is made of what `recv` and
/// `try_recv` return, `None` at the end.
macro_rules! receiving {
    ([$($generics:tt)*] $name:ty, $item:ty, $next:expr, $try_next:expr) => {
        impl<$($generics)*> $name {
            /// Returns an iterator over messages, which blocks while the queue is empty and ends when
            /// no sender is left.
            pub fn iter(&self) -> $crate::Iter<'_, Self> {
                $crate::Iter::new(self)
            }

            /// Returns an iterator over the messages that are there now. It never blocks.
            pub fn try_iter(&self) -> $crate::TryIter<'_, Self> {
                $crate::TryIter::new(self)
            }
        }

        impl<$($generics)*> $crate::iter::Receive for $name {
            type Item = $item;

            fn next(&self) -> Option<$item> {
                $next(self.recv())
            }

            fn try_next(&self) -> Option<$item> {
                $try_next(self.try_recv())
            }
        }

        impl<'a, $($generics)*> IntoIterator for &'a $name {
            type Item = $item;
            type IntoIter = $crate::Iter<'a, $name>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }

        impl<$($generics)*> IntoIterator for $name {
            type Item = $item;
            type IntoIter = $crate::IntoIter<Self>;

            fn into_iter(self) -> Self::IntoIter {
                $crate::IntoIter::new(self)
            }
        }
    };
}

pub(crate) use {handle, receiving};
