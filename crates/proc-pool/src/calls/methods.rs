//! The methods, for whatever has an engine and options.

/// The calls as methods. `$make` is how an example makes one, `$engine` and `$options` are found in
/// `$self`.
macro_rules! calls {
    ([$($impl:tt)*], $make:literal, $self:ident => $engine:expr, $options:expr) => {
        $($impl)* {
            /// Calls `f` with `args` in a worker, waits for the result and returns it.
            ///
            /// # Errors
            ///
            /// [`TaskError`](crate::TaskError): it panicked, its worker died, the pool takes no tasks.
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// assert_eq!(pool.apply((6, 7), |a: i32, b: i32| a * b)?, 42);
            /// let error = pool.apply((), || -> () { panic!("not this one") }).unwrap_err();
            /// assert_eq!(error.panic().unwrap().message(), "not this one");
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn apply<A, R>(&$self, args: A, f: A::Fn<R>) -> Result<R, crate::TaskError>
            where
                A: proc_spawn::Args + Send,
                A::Fn<R>: Send,
                R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
            {
                $self.apply_async(args, f)?.get()
            }

            /// Hands `f` with `args` to the workers, and returns at once with a handle for the result.
            ///
            /// # Errors
            ///
            /// [`SubmitError`](crate::SubmitError): the pool takes no tasks, or the task cannot be sent.
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// let handles = [2, 3, 4].map(|n| pool.apply_async((n, 2), u32::pow));
            /// for (n, handle) in (2..).zip(handles) {
            ///     assert_eq!(handle?.get()?, n * n);
            /// }
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "submit")]
            pub fn apply_async<A, R>(
                &$self,
                args: A,
                f: A::Fn<R>,
            ) -> Result<crate::Handle<R>, crate::SubmitError>
            where
                A: proc_spawn::Args + Send,
                A::Fn<R>: Send,
                R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
            {
                crate::calls::apply_async($engine, $options, args, f)
            }

            /// Hands `f` with `args` to the workers, and has `callback` called with the result or the
            /// error.
            ///
            /// The callback runs in this process, on a thread of the pool, before the handle is ready.
            /// While it runs, other answers wait; it must not wait for a task. A panic in it is printed
            /// and goes no further.
            ///
            /// # Errors
            ///
            /// As [`apply_async`](Self::apply_async); the callback is not called then.
            ///
            /// ```
            /// use std::sync::mpsc;
            ///
            #[doc = concat!("let pool = ", $make, ";")]
            /// let (tell, told) = mpsc::channel();
            /// let handle = pool.apply_async_then((20,), |x: i32| x + 1, move |result| {
            ///     tell.send(result.copied().map_err(|error| error.to_string())).unwrap();
            /// })?;
            /// assert_eq!(told.recv()?, Ok(21));
            /// # drop(handle);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "callback")]
            #[doc(alias = "error_callback")]
            pub fn apply_async_then<A, R, C>(
                &$self,
                args: A,
                f: A::Fn<R>,
                callback: C,
            ) -> Result<crate::Handle<R>, crate::SubmitError>
            where
                A: proc_spawn::Args + Send,
                A::Fn<R>: Send,
                R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
                C: FnOnce(Result<&R, &crate::TaskError>) + Send + 'static,
            {
                crate::calls::apply_async_then($engine, $options, args, f, callback)
            }

            /// Calls `f` with each item in the workers, waits for all, and returns the results in order.
            ///
            /// The items go to the workers in chunks, four for each worker unless
            /// [`Options`](crate::Options) say otherwise. All chunks are done even when one fails.
            ///
            /// # Errors
            ///
            /// The first [`TaskError`](crate::TaskError) in the order of the input. When a worker dies,
            /// its whole chunk fails.
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// let lengths = pool.map(["one", "three"].map(String::from), |s| s.len())?;
            /// assert_eq!(lengths, [3, 5]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn map<I, T, R>(&$self, items: I, f: fn(T) -> R) -> Result<Vec<R>, crate::TaskError>
            where
                I: IntoIterator<Item = T>,
                T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
                R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
            {
                crate::calls::starmap::<_, (T,), R>(
                    $engine,
                    $options,
                    crate::calls::singles(items),
                    f,
                )
            }

            /// Does as [`map`](Self::map), in chunks of the given size.
            ///
            /// Short for a call with [`Options::chunk_size`](crate::Options::chunk_size).
            ///
            /// # Errors
            ///
            /// As [`map`](Self::map); a size of 0 is refused.
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// assert_eq!(pool.map_in_chunks(0..3, 1, |x: i32| -x)?, [0, -1, -2]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "chunksize")]
            pub fn map_in_chunks<I, T, R>(
                &$self,
                items: I,
                chunk_size: usize,
                f: fn(T) -> R,
            ) -> Result<Vec<R>, crate::TaskError>
            where
                I: IntoIterator<Item = T>,
                T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
                R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
            {
                let options = $options.clone().chunk_size(chunk_size);
                crate::calls::starmap::<_, (T,), R>(
                    $engine,
                    &options,
                    crate::calls::singles(items),
                    f,
                )
            }

            /// Calls `f` with each tuple of arguments in the workers, and returns the results in order.
            ///
            /// As [`map`](Self::map) otherwise.
            ///
            /// # Errors
            ///
            /// As [`map`](Self::map).
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// let powers = pool.starmap([(2, 5), (3, 2)], u32::pow)?;
            /// assert_eq!(powers, [32, 9]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn starmap<I, A, R>(&$self, items: I, f: A::Fn<R>) -> Result<Vec<R>, crate::TaskError>
            where
                I: IntoIterator<Item = A>,
                A: proc_spawn::Args + Send,
                A::Fn<R>: Send,
                R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
            {
                let items = items.into_iter().collect();
                crate::calls::starmap($engine, $options, items, f)
            }

            /// Calls `f` with each item in the workers, until the first error.
            ///
            /// As soon as one item fails or returns an error this returns; what waits is not begun any
            /// more, and what runs goes on for nobody.
            ///
            /// # Errors
            ///
            /// The first error that comes in: one that `f` returned, or that of a task that failed.
            ///
            /// ```
            /// use proc_pool::TryMapError;
            ///
            #[doc = concat!("let pool = ", $make, ";")]
            /// let parse = |text: String| text.parse::<u8>().map_err(|error| error.to_string());
            /// assert_eq!(pool.try_map(["1", "2"].map(String::from), parse)?, [1, 2]);
            /// let error = pool.try_map(["1", "x"].map(String::from), parse).unwrap_err();
            /// assert_eq!(error, TryMapError::Returned("invalid digit found in string".to_string()));
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn try_map<I, T, R, E>(
                &$self,
                items: I,
                f: fn(T) -> Result<R, E>,
            ) -> Result<Vec<R>, crate::TryMapError<E>>
            where
                I: IntoIterator<Item = T>,
                T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
                Result<R, E>: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
            {
                crate::calls::try_map($engine, $options, items, f)
            }

            /// Hands all items to the workers, and returns at once with a handle for all results.
            ///
            /// As [`map`](Self::map) otherwise. [`cancel`](crate::Handle::cancel) of the handle cancels
            /// every chunk that is not done.
            ///
            /// # Errors
            ///
            /// As [`apply_async`](Self::apply_async).
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// let squares = pool.map_async(1..=3, |x: i32| x * x)?;
            /// assert_eq!(squares.get()?, [1, 4, 9]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn map_async<I, T, R>(
                &$self,
                items: I,
                f: fn(T) -> R,
            ) -> Result<crate::Handle<Vec<R>>, crate::SubmitError>
            where
                I: IntoIterator<Item = T>,
                T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
                R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
            {
                crate::calls::starmap_async::<_, (T,), R>(
                    $engine,
                    $options,
                    crate::calls::singles(items),
                    f,
                )
            }

            /// Does for [`starmap`](Self::starmap) what [`map_async`](Self::map_async) does for `map`.
            ///
            /// # Errors
            ///
            /// As [`apply_async`](Self::apply_async).
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// let powers = pool.starmap_async([(2, 5), (3, 2)], u32::pow)?;
            /// assert_eq!(powers.get()?, [32, 9]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn starmap_async<I, A, R>(
                &$self,
                items: I,
                f: A::Fn<R>,
            ) -> Result<crate::Handle<Vec<R>>, crate::SubmitError>
            where
                I: IntoIterator<Item = A>,
                A: proc_spawn::Args + Send,
                A::Fn<R>: Send,
                R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
            {
                let items = items.into_iter().collect();
                crate::calls::starmap_async($engine, $options, items, f)
            }

            /// Calls `f` with each item in the workers, and returns the results one by one, in order.
            ///
            /// Begins at once. Draws the input only a few items ahead of what is taken out, so the input
            /// may be endless. An item that fails gives its error in its place, and the rest go on.
            /// Dropping the iterator lets the items that are on their way be done for nobody. What it has not
            /// drawn when the pool is closed is not taken any more: close a pool after the last result.
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// let mut squares = pool.imap(1u64.., |x| x * x);
            /// assert_eq!(squares.nth(9).unwrap()?, 100);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn imap<I, T, R>(
                &$self,
                items: I,
                f: fn(T) -> R,
            ) -> crate::Imap<'_, I::IntoIter, T, R>
            where
                I: IntoIterator<Item = T>,
                T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
                R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
            {
                crate::calls::imap($engine, $options, items, f)
            }

            /// Does as [`imap`](Self::imap), and returns whichever result comes first.
            ///
            /// Let `f` return its argument too where it matters which result it is.
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// let mut sum = 0;
            /// for square in pool.imap_unordered(1..=100u64, |x| x * x) {
            ///     sum += square?;
            /// }
            /// assert_eq!(sum, 338_350);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn imap_unordered<I, T, R>(
                &$self,
                items: I,
                f: fn(T) -> R,
            ) -> crate::ImapUnordered<'_, I::IntoIter, T, R>
            where
                I: IntoIterator<Item = T>,
                T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
                R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
            {
                crate::calls::imap_unordered($engine, $options, items, f)
            }
        }
    };
}

pub(crate) use calls;
