//! What a figure needs: crews of workers, turns, a look at the machine, and records of what came of it.
//!
//! A [`Suite`] measures rows, one [`Contest`] each: several do the same work in turns, again and again, so
//! that whatever the machine does in the meantime is done to all of them. The distance of the cores is
//! [probed](probe) around each turn, and only turns of one [state](distance) count. Most of those that take part are [crews](Crew): workers in
//! processes or threads, at the same places, that play the same [parts](Part).

pub mod contest;
pub mod crew;
pub mod distance;
pub mod machine;
pub mod place;
pub mod probe;
pub mod record;
pub mod rounds;
pub mod stats;
pub mod subject;
pub mod suite;
mod worker;

pub use contest::Contest;
pub use crew::{Crew, Part};
pub use machine::Machine;
pub use place::Place;
pub use record::{Axis, End, Entry, Kind, Line, Row, Unit};
pub use rounds::{Rounds, Told};
pub use stats::{Spread, quantile};
pub use subject::{Amount, Subject, Turn, called, measuring};
pub use suite::{Effort, Options, Suite, amount};
