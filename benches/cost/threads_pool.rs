//! Threads that get tasks by one channel and send results by another: the simplest pool.

use crossbeam_channel::{Receiver, Sender, bounded};
use std::thread::JoinHandle;

/// So many threads that do the same with whatever comes.
pub(crate) struct Threads {
    tasks: Option<Sender<(u64, u64)>>,
    results: Receiver<(u64, u64)>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(crate) fn new(count: usize, work: fn(u64) -> u64) -> Self {
        let (tasks, at_tasks) = bounded::<(u64, u64)>(1024);
        let (done, results) = bounded(1024);
        let threads = (0..count)
            .map(|_| {
                let (tasks, done) = (at_tasks.clone(), done.clone());
                std::thread::spawn(move || {
                    for (index, task) in tasks {
                        if done.send((index, work(task))).is_err() {
                            return;
                        }
                    }
                })
            })
            .collect();
        Self { tasks: Some(tasks), results, threads }
    }

    /// Has one task done.
    pub(crate) fn apply(&mut self, task: u64) -> u64 {
        self.tasks.as_ref().unwrap().send((0, task)).unwrap();
        self.results.recv().unwrap().1
    }

    /// Has all tasks done, and returns the results in their order.
    pub(crate) fn map(&mut self, tasks: impl Iterator<Item = u64>) -> Vec<u64> {
        let to = self.tasks.as_ref().unwrap();
        let (mut results, mut done) = (Vec::new(), 0);
        for (index, task) in tasks.enumerate() {
            results.push(0);
            let mut task = (index as u64, task);
            // Whoever only sent would wait for ever once both channels are full.
            while let Err(error) = to.try_send(task) {
                task = error.into_inner();
                self.keep_one(&mut results);
                done += 1;
            }
        }
        (done..results.len()).for_each(|_| self.keep_one(&mut results));
        results
    }

    fn keep_one(&self, results: &mut [u64]) {
        let (index, result) = self.results.recv().unwrap();
        results[usize::try_from(index).unwrap()] = result;
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        drop(self.tasks.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
