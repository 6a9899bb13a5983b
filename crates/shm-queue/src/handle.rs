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

            /// Closes the queue, for all its senders and receivers; says whether this call did.
            ///
            /// Nothing more can be sent from now on: who tries, or waits for room, gets its message
            /// back as if there were no receiver. Receivers get what is still in the queue and then
            /// learn that it is over, also those who wait. A queue stays closed.
            ///
            /// One step: should this process be killed meanwhile, the queue is closed and all who
            /// slept have been woken, or it is open.
            pub fn close(&self) -> bool {
                self.end.close()
            }

            /// Says whether somebody has closed the queue. That one side has gone does not count.
            #[must_use]
            pub fn is_closed(&self) -> bool {
                self.end.is_closed()
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

            /// Says that a message which was received is done, for those who [`join`] the queue.
            ///
            /// One step: killed meanwhile, it has been said, and who waited for the last one is awake,
            /// or it has not.
            ///
            /// # Errors
            ///
            /// [`TaskDoneError`](crate::TaskDoneError) when that was said of all messages received.
            ///
            /// [`join`]: crate::Sender::join
            pub fn task_done(&self) -> Result<(), $crate::TaskDoneError> {
                self.end.task_done()
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

/// Defines what a sender can say of the messages that are not done.
macro_rules! joining {
    ($([$($generics:tt)*] $name:ty),*) => { $(
        impl<$($generics)*> $name {
            /// Returns how many messages were sent and are not done: still in the queue, or received
            /// by somebody who has not called `task_done` for them.
            #[must_use]
            pub fn unfinished(&self) -> usize {
                self.end.unfinished() as usize
            }

            /// Blocks until all messages that were sent are done: until `task_done` was called for each.
            ///
            /// *Not* to be used where receivers may be killed, or end without a word, between `recv` and
            /// `task_done`: nobody knows then that their messages are lost, and the wait has no end
            /// while a receiver is left. Whoever acknowledges leases has said that they are done.
            ///
            /// # Errors
            ///
            /// [`JoinError`](crate::JoinError) when messages are unfinished and no receiver is left.
            ///
            /// # Examples
            ///
            /// ```
            /// let (tx, rx) = shm_queue::bounded::<u64>(10)?;
            /// let worker = std::thread::spawn(move || {
            ///     for job in &rx {
            ///         println!("{job} squared is {}", job * job);
            ///         rx.task_done().unwrap();
            ///     }
            /// });
            /// (0..5).for_each(|job| tx.send(job).unwrap());
            /// tx.join()?; // all five are printed
            /// drop(tx);
            /// # worker.join().unwrap();
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "JoinableQueue")]
            pub fn join(&self) -> Result<(), $crate::JoinError> {
                self.end.join(::multiproc_core::deadline::Deadline::NEVER)
                    .map_err(|_| $crate::JoinError)
            }

            /// Blocks for at most `timeout` until all messages that were sent are done.
            ///
            /// # Errors
            ///
            /// [`JoinTimeoutError`](crate::JoinTimeoutError) when some are unfinished, and the time is
            /// up or no receiver is left.
            pub fn join_timeout(
                &self,
                timeout: ::core::time::Duration,
            ) -> Result<(), $crate::JoinTimeoutError> {
                let deadline = ::multiproc_core::deadline::Deadline::after(timeout);
                self.end.join(deadline).map_err(|stop| match stop {
                    $crate::ring::Stop::Late => $crate::JoinTimeoutError::Timeout,
                    $crate::ring::Stop::Gone => $crate::JoinTimeoutError::Disconnected,
                })
            }
        }
    )* };
}

pub(crate) use {handle, joining, receiving};
