//! Who listens: `tracing` subscribers and progress bars.

#![cfg(all(feature = "indicatif", feature = "tracing"))]
#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{Options, Pool};
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::watchdog;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps the text of each event.
#[derive(Clone, Default)]
struct Texts(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Texts {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("proc_pool")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn events_tell_of_starts_deaths_and_failures() {
    let _dog = watchdog(Duration::from_secs(60));
    let texts = Texts::default();
    tracing::subscriber::set_global_default(texts.clone()).unwrap();
    let pool = Pool::builder().workers(1).build().unwrap();
    pool.apply((), || -> () { std::process::abort() }).unwrap_err();
    let brief = Options::new().timeout(Duration::from_millis(30));
    pool.with(&brief).apply((), || std::thread::sleep(Duration::from_secs(60))).unwrap_err();
    drop(pool);
    let texts = texts.0.lock().unwrap().join("\n");
    let told = ["worker started", "worker ready", "worker died", "task failed", "SIGABRT"];
    for text in told.into_iter().chain(["ending the worker of a task", "timeout", "worker ended"]) {
        assert!(texts.contains(text), "no {text} in\n{texts}");
    }
}

#[test]
fn a_progress_bar_is_full_at_the_end() {
    let _dog = watchdog(Duration::from_secs(60));
    let pool = Pool::builder().workers(2).build().unwrap();
    let bar = indicatif::ProgressBar::hidden();
    let options = Options::new().progress_bar(bar.clone());
    assert_eq!(pool.with(&options).map(0..40, |x: i32| x).unwrap().len(), 40);
    assert_eq!((bar.position(), bar.length()), (40, Some(40)));
}
