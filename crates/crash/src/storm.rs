//! Kills at random, all the time, and what was done is counted to the last message.

mod counters;
mod inside;
mod leased;
mod messages;
mod shared;
mod signals;
mod weather;

use crate::Failure;
use crate::fault::Fault;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
pub(crate) use weather::Random;
use weather::{Station, Weather};

/// What the command takes.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Only stations with one of these in their name
    names: Vec<String>,
    /// How long the storm lasts
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// After how long a pause, in seconds, in which nothing got done in a station, it has failed
    #[arg(long, default_value_t = 5.0)]
    longest_pause: f64,
    /// Names the stations and does nothing
    #[arg(long)]
    list: bool,
}

/// One kind of work in the storm.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What share of the time it gets, compared with the others.
    pub(crate) share: u32,
    pub(crate) open: fn() -> Box<dyn Station>,
}

/// How long a round is: a station is opened, works in the storm, and everything is counted.
const ROUND: Duration = Duration::from_secs(4);

/// What the rounds of one kind came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// What was done for sure.
    pub(crate) done: u64,
    /// Committed, and gone with somebody who was killed as he received it.
    pub(crate) lost: u64,
    /// How much of it may be, after so many kills.
    pub(crate) may_be_lost: u64,
    pub(crate) twice: u64,
    pub(crate) corrupt: u64,
    pub(crate) out_of_order: u64,
}

impl Account {
    fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.lost += other.lost;
        self.may_be_lost += other.may_be_lost;
        self.twice += other.twice;
        self.corrupt += other.corrupt;
        self.out_of_order += other.out_of_order;
    }

    fn fault(&self) -> Option<Fault> {
        if self.corrupt + self.out_of_order > 0 {
            Some(Fault::Corrupt)
        } else if self.twice > 0 {
            Some(Fault::Twice)
        } else if self.lost > self.may_be_lost {
            Some(Fault::Lost)
        } else {
            None
        }
    }
}

/// All rounds of one kind.
#[derive(Debug, Default)]
struct Total {
    account: Account,
    weather: Weather,
    fault: Option<(Fault, String)>,
}

/// Lets the storm rage over each kind in turn, and prints what came of it.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let words = &arguments.names;
    let kinds = [
        messages::KINDS,
        counters::KINDS,
        inside::KINDS,
        signals::KINDS,
        shared::KINDS,
        leased::KINDS,
    ];
    let is_meant = |kind: &&Kind| {
        words.is_empty() || words.iter().any(|word| kind.name.contains(word.as_str()))
    };
    let kinds: Vec<&Kind> = kinds.into_iter().flatten().filter(is_meant).collect();
    if kinds.is_empty() {
        return Err("no station has such a name: see `--list`".into());
    }
    if arguments.list {
        kinds.iter().for_each(|kind| println!("{}", kind.name));
        return Ok(());
    }
    multiproc_core::deadline::without_slices();
    let shares: u32 = kinds.iter().map(|kind| kind.share).sum();
    let mut totals: Vec<Total> = kinds.iter().map(|_| Total::default()).collect();
    let start = Instant::now();
    for (kind, total) in kinds.iter().zip(&mut totals) {
        let share = arguments.seconds * f64::from(kind.share) / f64::from(shares);
        let began = Instant::now();
        while total.fault.is_none() {
            let left = Duration::from_secs_f64(share).saturating_sub(began.elapsed());
            if left < Duration::from_millis(50) {
                break;
            }
            round(kind, left.min(ROUND), total);
            let pause = total.weather.longest_pause.as_secs_f64();
            if total.fault.is_none() && pause > arguments.longest_pause {
                total.fault = Some((Fault::Hangs, format!("nothing got done for {pause:.1} s")));
            }
        }
        let Total { account, weather, fault } = total;
        eprintln!(
            "{:7.1} s  {}: {} kills, {} done{}",
            start.elapsed().as_secs_f64(),
            kind.name,
            weather.kills,
            account.done,
            fault.as_ref().map_or(String::new(), |(_, text)| format!(": {text}"))
        );
    }
    print(&kinds, &totals, start.elapsed());
    match totals.iter().filter(|total| total.fault.is_some()).count() {
        0 => Ok(()),
        bad => Err(format!("{bad} of {} stations did not stand the storm", kinds.len()).into()),
    }
}

fn round(kind: &Kind, lasts: Duration, total: &mut Total) {
    let done = catch_unwind(AssertUnwindSafe(|| {
        let station = (kind.open)();
        let kills = total.weather.rage(&*station, lasts);
        station.account(&kills)
    }));
    match done {
        Ok(account) => {
            total.account.add(&account);
            total.fault = total.account.fault().map(|fault| (fault, format!("{account:?}")));
        }
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned().unwrap_or_default();
            total.fault = Some((Fault::of(&text), text));
        }
    }
}

fn print(kinds: &[&Kind], totals: &[Total], took: Duration) {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "under the storm",
        "s",
        "kills",
        "done",
        "lost",
        "may be",
        "twice",
        "corrupt",
        "order",
        "longest pause, ms",
        "verdict",
    ]);
    let mut sum = (0, 0);
    for (kind, Total { account, weather, fault }) in kinds.iter().zip(totals) {
        sum = (sum.0 + weather.kills, sum.1 + account.done);
        table.add_row([
            kind.name.to_owned(),
            format!("{:.0}", weather.seconds),
            weather.kills.to_string(),
            account.done.to_string(),
            account.lost.to_string(),
            account.may_be_lost.to_string(),
            account.twice.to_string(),
            account.corrupt.to_string(),
            account.out_of_order.to_string(),
            format!("{:.1}", weather.longest_pause.as_secs_f64() * 1e3),
            fault
                .as_ref()
                .map_or("holds".to_owned(), |(fault, _)| fault.to_string().to_uppercase()),
        ]);
    }
    for column in table.column_iter_mut().filter(|column| (1..10).contains(&column.index)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    println!("{} kills, {} operations, {:.0} s", sum.0, sum.1, took.as_secs_f64());
}
