//! A value that is sent to a process and run there.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value that runs in a process of its own: Python's subclass of `Process` with a `run`.
///
/// Its fields are the arguments. [`start`](crate::start()) sends it, the new process calls
/// [`run`](Task::run). Unless it is given a name, the process is named after the type: `Fetch-1`.
///
/// ```
/// use proc_spawn::{Task, start};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Count {
///     loops: u32,
/// }
///
/// impl Task for Count {
///     type Output = Vec<u32>;
///
///     fn run(self) -> Vec<u32> {
///         (0..self.loops).collect()
///     }
/// }
///
/// let process = start(Count { loops: 3 })?;
/// assert_eq!(process.join()?, [0, 1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "run")]
pub trait Task: Serialize + DeserializeOwned + 'static {
    /// What it returns, sent back to whoever joins the process.
    type Output: Serialize + DeserializeOwned + 'static;

    /// Does the work, in the new process.
    fn run(self) -> Self::Output;
}

/// Returns the type's name without path and parameters: `Fetch` of `crate::web::Fetch<u8>`.
pub(crate) fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    let plain = name.split('<').next().unwrap_or(name);
    plain.rsplit(':').next().unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn a_process_is_named_after_the_bare_type() {
        assert_eq!(short_name::<Option<std::path::PathBuf>>(), "Option");
        assert_eq!(short_name::<u8>(), "u8");
    }
}
