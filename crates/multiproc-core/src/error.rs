//! The shape of every crate's opaque error, written once.

/// Defines `pub struct Error`: one word wide, with an operation, an object and the cause.
///
/// The type belongs to the crate that calls this; nothing of the floor shows in its signature.
/// `Display` reads "failed to {operation} {object}"; the cause is in `source()` only, so that a
/// report of the whole chain prints it once. `Debug`, which `main` and `unwrap` print, adds it.
#[macro_export]
macro_rules! opaque_error {
    ($(#[$meta:meta])* pub struct Error;) => {
        $(#[$meta])*
        pub struct Error(Box<Failure>);

        struct Failure {
            operation: &'static str,
            object: String,
            source: std::io::Error,
        }

        impl Error {
            pub(crate) fn new(
                operation: &'static str,
                object: impl Into<String>,
                source: impl Into<std::io::Error>,
            ) -> Self {
                Self(Box::new(Failure { operation, object: object.into(), source: source.into() }))
            }

            /// Returns the kind of the cause, to be matched on.
            #[must_use]
            pub fn kind(&self) -> std::io::ErrorKind {
                self.0.source.kind()
            }
        }

        impl std::fmt::Display for Error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "failed to {} {}", self.0.operation, self.0.object)
            }
        }

        impl std::fmt::Debug for Error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{self}: {}", self.0.source)
            }
        }

        impl std::error::Error for Error {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0.source)
            }
        }
    };
}
