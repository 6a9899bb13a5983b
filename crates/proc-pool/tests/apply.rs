//! One task at a time: results, panics, handles, callbacks.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{Pool, TaskError};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use testkit::watchdog;

const WAIT: Duration = Duration::from_secs(60);

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().unwrap()
}

#[test]
fn results_come_from_other_processes() {
    let _dog = watchdog(WAIT);
    let pool = pool(2);
    assert_ne!(pool.apply((), std::process::id).unwrap(), std::process::id());
    let text = pool.apply(("a".to_owned(), 3usize), |text, count| text.repeat(count)).unwrap();
    assert_eq!(text, "aaa");
}

#[test]
fn a_panic_is_the_tasks_own_with_message_and_place_and_the_worker_lives() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    let before = pool.apply((), std::process::id).unwrap();
    let line = line!() + 1;
    let error = pool.apply((7,), |x: i32| assert_eq!(x, 8, "of {x}")).unwrap_err();
    let panic = error.panic().unwrap();
    assert!(panic.message().contains("of 7"), "{panic}");
    let at = panic.location().unwrap();
    assert_eq!((at.file(), at.line()), (file!(), line));
    assert_eq!(pool.apply((), std::process::id).unwrap(), before);
}

#[test]
fn a_handle_says_whether_it_is_ready_and_gives_its_result_once() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    let sleep = |ms| {
        std::thread::sleep(Duration::from_millis(ms));
        ms
    };
    let start = Instant::now();
    let mut handle = pool.apply_async((60,), sleep).unwrap();
    assert_eq!((handle.ready(), handle.successful()), (false, None));
    assert!(handle.get_timeout(Duration::from_millis(5)).is_none());
    assert!(!handle.wait_timeout(Duration::from_millis(5)));
    handle.wait();
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert_eq!((handle.ready(), handle.successful()), (true, Some(true)));
    assert_eq!(handle.get_timeout(Duration::ZERO), Some(Ok(60)));
    assert_eq!(handle.get(), Err(TaskError::Taken));
    let failing = pool.apply_async((), || -> () { panic!("no") }).unwrap();
    failing.wait();
    assert_eq!(failing.successful(), Some(false));
}

#[test]
fn tasks_beyond_the_workers_wait_their_turn() {
    let _dog = watchdog(WAIT);
    let pool = pool(2);
    let sleep = |ms| std::thread::sleep(Duration::from_millis(ms));
    let start = Instant::now();
    let handles: Vec<_> = (0..4).map(|_| pool.apply_async((40,), sleep).unwrap()).collect();
    for handle in handles {
        handle.get().unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(80), "two at a time");
}

#[test]
fn callbacks_see_result_or_error_before_the_handle_is_ready_and_may_panic() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    let (tell, told) = mpsc::channel();
    let other = tell.clone();
    let good = pool
        .apply_async_then(
            (1,),
            |x: i32| x + 1,
            move |result| tell.send(result.cloned().ok()).unwrap(),
        )
        .unwrap();
    assert_eq!(good.get().unwrap(), 2);
    assert_eq!(told.try_recv().unwrap(), Some(2), "it ran before the handle was ready");
    let bad = pool
        .apply_async_then(
            (),
            || -> i32 { panic!("no") },
            move |result| {
                other.send(result.cloned().ok()).unwrap();
                panic!("in the callback");
            },
        )
        .unwrap();
    assert!(matches!(bad.get(), Err(TaskError::Panicked(_))));
    assert_eq!(told.try_recv().unwrap(), None);
    assert_eq!(pool.apply((3,), |x: i32| x).unwrap(), 3, "the pool goes on");
}

#[test]
fn waiting_for_the_pool_in_its_callback_panics_there_instead_of_for_ever() {
    let _dog = watchdog(WAIT);
    let pool = std::sync::Arc::new(pool(1));
    let (again, (tell, told)) = (std::sync::Arc::clone(&pool), mpsc::channel());
    pool.apply_async_then(
        (),
        || (),
        move |_| {
            let waited =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| again.apply((), || ())));
            tell.send(waited.is_err()).unwrap();
        },
    )
    .unwrap();
    assert!(told.recv().unwrap());
    pool.apply((), || ()).unwrap();
}

#[test]
fn large_arguments_and_results_go_through() {
    let _dog = watchdog(WAIT);
    let pool = pool(2);
    let handles: Vec<_> = (0..6u8)
        .map(|byte| {
            let big = vec![byte; 3 << 20];
            pool.apply_async((big,), |mut big: Vec<u8>| {
                big.reverse();
                big
            })
            .unwrap()
        })
        .collect();
    for (byte, handle) in (0u8..).zip(handles) {
        assert_eq!(handle.get().unwrap(), vec![byte; 3 << 20]);
    }
}

#[test]
fn locks_and_queues_travel_as_arguments() {
    let _dog = watchdog(WAIT);
    let pool = pool(2);
    let total = proc_lock::Mutex::new(0u64).unwrap();
    let (tx, rx) = shm_queue::bounded::<u64>(64).unwrap();
    let handles: Vec<_> = (1..=20u64)
        .map(|n| {
            pool.apply_async((n, total.clone(), tx.clone()), |n, total, tx| {
                *total.lock().unwrap() += n;
                tx.send(n).unwrap();
            })
            .unwrap()
        })
        .collect();
    for handle in handles {
        handle.get().unwrap();
    }
    assert_eq!(*total.lock().unwrap(), 210);
    drop(tx);
    drop(pool);
    assert_eq!(rx.iter().sum::<u64>(), 210);
}

#[test]
fn what_cannot_be_sent_or_decoded_is_that_tasks_error() {
    let _dog = watchdog(WAIT);
    #[derive(serde::Serialize)]
    struct Never;
    impl<'de> serde::Deserialize<'de> for Never {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Err(serde::de::Error::custom("never"))
        }
    }
    let pool = pool(1);
    assert!(matches!(pool.apply((Never,), |_| ()), Err(TaskError::Rejected(_))));
    assert!(matches!(pool.apply((), || Never), Err(TaskError::Result(_))));
    let unsized_map =
        |_: ()| -> std::collections::HashMap<u8, u8> { (0..9).map(|i| (i, i)).collect() };
    assert_eq!(pool.apply(((),), unsized_map).unwrap().len(), 9);
}

#[test]
fn a_pool_without_workers_is_refused() {
    let error = Pool::builder().workers(0).build().unwrap_err();
    assert_eq!(error.to_string(), "failed to make a pool of 0 workers");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn an_initializer_runs_once_in_each_worker_and_one_that_panics_breaks_the_pool() {
    let _dog = watchdog(WAIT);
    static GREETING: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let pool = Pool::builder()
        .workers(2)
        .initializer(("hello".to_owned(),), |text| GREETING.set(text).unwrap())
        .build()
        .unwrap();
    let read = |_: u8| GREETING.get().cloned();
    assert_eq!(pool.map(0..10u8, read).unwrap(), vec![Some("hello".to_owned()); 10]);

    let broken = Pool::builder().workers(2).initializer((), || -> () { panic!("no database") });
    let error = broken.build().unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("no database"), "{why}");
}
