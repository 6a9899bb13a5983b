//! What all targets of the probe do: start processes in each way, and look what comes of them.
//!
//! ```
//! matrix_probe::check();
//! ```

use proc_spawn::{Builder, JoinError, SpawnError, StartMethod, spawn};

fn triple(x: u64) -> u64 {
    3 * x
}

/// Panics when anything is not as it should be.
pub fn check() {
    for method in [StartMethod::Spawn, StartMethod::ForkServer] {
        let builder = Builder::new().method(method);
        let process = builder.spawn((14,), triple).unwrap();
        assert_eq!(process.method(), Some(method));
        assert_eq!(process.join().unwrap(), 42);
        let text = builder.spawn(("a".repeat(200_000),), |text| text.len()).unwrap();
        assert_eq!(text.join().unwrap(), 200_000);
        let panicked = builder.spawn((), || -> () { panic!("told") }).unwrap().join().unwrap_err();
        assert_eq!(panicked.panic().unwrap().message(), "told", "{panicked}");
        let exited = builder.spawn((), || -> () { std::process::exit(3) }).unwrap().join();
        assert!(matches!(exited, Err(JoinError::Exited(3))), "{exited:?}");
        let aborted = builder.spawn((), || -> () { std::process::abort() }).unwrap().join();
        assert!(matches!(aborted, Err(JoinError::Signaled { signal: 6, .. })), "{aborted:?}");
        let hungry = builder
            .clone()
            .memory_bytes(400 << 20)
            .spawn((), || std::hint::black_box(vec![1u8; 1 << 30]).len());
        let hungry = hungry.unwrap().join();
        assert!(matches!(hungry, Err(JoinError::OutOfMemory(_))), "{hungry:?}");
        let nested = builder.spawn((5,), |x| spawn((x,), triple).unwrap().join().unwrap());
        assert_eq!(nested.unwrap().join().unwrap(), 15);
        let threads = builder.spawn((), || std::thread::spawn(|| 9).join().unwrap());
        assert_eq!(threads.unwrap().join().unwrap(), 9);
    }
}

/// Forks, in a process that must be allowed to.
pub fn check_fork() {
    let captured = String::from("captured");
    // SAFETY: nothing here is shared or bound to this process.
    let process = unsafe { proc_spawn::fork(|| captured.len()) };
    assert_eq!(process.unwrap().join().unwrap(), 8);
}

/// Says how a start from here is refused: for a program that loads this as a plugin.
#[unsafe(no_mangle)]
pub extern "C" fn refused_as() -> i32 {
    match spawn((14,), triple) {
        Err(SpawnError::NotMainImage) => 1,
        Err(_) => 2,
        Ok(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn in_a_test() {
        super::check();
    }

    #[test]
    fn in_another_beside_it() {
        super::check();
    }
}
