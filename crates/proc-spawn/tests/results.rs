//! Functions of several arities and types return their results from processes of their own.

use proc_spawn::{Task, current_process, spawn, start};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

fn named(a: String, b: u8) -> (String, u8) {
    (a, b)
}

fn generic<T: Serialize + DeserializeOwned + 'static>(items: Vec<T>) -> Option<T> {
    items.into_iter().next_back()
}

#[test]
fn arities_from_zero_to_twelve() {
    assert_eq!(spawn((), || 7u8).unwrap().join().unwrap(), 7);
    assert_eq!(spawn((1,), |a| a + 1).unwrap().join().unwrap(), 2);
    assert_eq!(spawn((1, 2), |a, b| a + b).unwrap().join().unwrap(), 3);
    let sum =
        spawn((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), |a, b, c, d, e, f, g, h, i, j, k, l| {
            a + b + c + d + e + f + g + h + i + j + k + l
        });
    assert_eq!(sum.unwrap().join().unwrap(), 78);
}

#[test]
fn named_and_generic_functions_and_tables_of_them() {
    assert_eq!(spawn(("x".to_string(), 3), named).unwrap().join().unwrap(), ("x".to_string(), 3));
    assert_eq!(spawn((vec![1.5, 2.5],), generic::<f64>).unwrap().join().unwrap(), Some(2.5));
    let empty: Vec<String> = Vec::new();
    assert_eq!(spawn((empty,), generic::<String>).unwrap().join().unwrap(), None);
    let table: [fn(i32) -> i32; 2] = [|x| x + 1, |x| x * 10];
    let results: Vec<i32> =
        table.into_iter().map(|f| spawn((4,), f).unwrap().join().unwrap()).collect();
    assert_eq!(results, [5, 40]);
}

#[test]
fn structured_values_and_results_that_are_errors() {
    let map: BTreeMap<String, Vec<Option<char>>> =
        [("a".to_string(), vec![Some('ü'), None]), (String::new(), vec![])].into();
    assert_eq!(spawn((map.clone(),), |map| map).unwrap().join().unwrap(), map);
    let parsed = spawn(("no number".to_string(),), |text| -> Result<u32, String> {
        text.parse::<u32>().map_err(|error| error.to_string())
    });
    assert!(parsed.unwrap().join().unwrap().unwrap_err().contains("invalid digit"));
}

#[test]
fn it_is_another_process() {
    let (child, parent) = (spawn((), std::process::id).unwrap(), std::process::id());
    let pid = child.pid();
    let own = child.join().unwrap();
    assert_eq!(own, pid);
    assert_ne!(own, parent);
}

#[derive(Serialize, Deserialize)]
struct Repeat {
    word: String,
    times: usize,
}

impl Task for Repeat {
    type Output = (String, String);

    fn run(self) -> (String, String) {
        (self.word.repeat(self.times), current_process().name().to_owned())
    }
}

#[test]
fn a_task_runs_with_its_fields_and_is_named_after_its_type() {
    let process = start(Repeat { word: "ab".into(), times: 3 }).unwrap();
    assert!(process.name().starts_with("Repeat-"), "{}", process.name());
    let name = process.name().to_owned();
    assert_eq!(process.join().unwrap(), ("ababab".to_string(), name));
}

#[test]
fn handles_may_be_moved_and_shared_between_threads() {
    fn is_send_and_sync<T: Send + Sync + 'static>(_: &T) {}
    // Whatever the result is: it is not in the handle.
    let process = spawn((), || std::cell::Cell::new(7u8)).unwrap();
    is_send_and_sync(&process);
    assert_eq!(std::thread::spawn(|| process.join().unwrap().into_inner()).join().unwrap(), 7);
}
