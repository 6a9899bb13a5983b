//! A fork server: load once, then start processes that all have it, in a fraction of the time.

use multiproc::{Builder, JoinError, SpawnError, StartMethod, forkserver, set_start_method, spawn};
use std::error::Error;
use std::sync::OnceLock;
use std::time::Instant;

const LIMIT: usize = 2_000_000;

/// What costs a while to make. Only the server makes it; the processes find it in their memory.
static PRIMES: OnceLock<(u32, Vec<bool>)> = OnceLock::new();

fn sieve() {
    let mut prime = vec![true; LIMIT];
    prime[..2].fill(false);
    for n in (2..).take_while(|n| n * n < LIMIT) {
        for multiple in (n * n..LIMIT).step_by(n) {
            prime[multiple] = false;
        }
    }
    let _ = PRIMES.set((std::process::id(), prime));
}

fn count(from: usize, to: usize) {
    if let Some((maker, prime)) = PRIMES.get() {
        let count = prime[from..to].iter().filter(|is_prime| **is_prime).count();
        println!("{count} primes from {from} to {to}, by a table that process {maker} made");
    }
}

/// Starts and joins ten processes that do nothing; returns how long one took, in microseconds.
fn time(method: StartMethod) -> Result<u128, Box<dyn Error>> {
    let begin = Instant::now();
    for _ in 0..10 {
        Builder::new().method(method).spawn((), || ())?.join()?;
    }
    Ok(begin.elapsed().as_micros() / 10)
}

fn main() -> Result<(), Box<dyn Error>> {
    forkserver::preload(sieve)?;
    set_start_method(StartMethod::ForkServer);
    let processes: Vec<_> = (0..4)
        .map(|part| spawn((part * LIMIT / 4, (part + 1) * LIMIT / 4), count))
        .collect::<Result<_, SpawnError>>()?;
    processes.into_iter().try_for_each(|process| -> Result<(), JoinError> { process.join() })?;
    let (copied, executed) = (time(StartMethod::ForkServer)?, time(StartMethod::Spawn)?);
    println!("One process takes {copied} us by the fork server, {executed} us by Spawn");
    Ok(())
}
