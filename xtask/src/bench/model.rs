//! What a message costs, as a line: so much for each, and so much for each byte.

use super::run::{Run, best};
use multiproc_benches::{Kind, Unit, amount};

/// `a + b x bytes`, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    pub(crate) each: f64,
    pub(crate) byte: f64,
    /// How far the measured figures lie from this at most, as a share of them.
    pub(crate) off: f64,
}

impl Cost {
    /// Fits a line to points of bytes and nanoseconds, so that the *relative* errors are small: the
    /// cost of a small message counts as much as that of a large one.
    pub(crate) fn fit(points: &[(f64, f64)]) -> Option<Self> {
        if points.len() < 2 {
            return None;
        }
        // Least squares of (a + b x) / y - 1.
        let sum = |f: fn(f64, f64) -> f64| points.iter().map(|&(x, y)| f(x, y)).sum::<f64>();
        let (aa, ab, bb) =
            (sum(|_, y| 1.0 / (y * y)), sum(|x, y| x / (y * y)), sum(|x, y| x * x / (y * y)));
        let (ra, rb) = (sum(|_, y| 1.0 / y), sum(|x, y| x / y));
        let determinant = aa * bb - ab * ab;
        if determinant.abs() < f64::EPSILON * aa * bb {
            return None;
        }
        let (each, byte) = ((ra * bb - rb * ab) / determinant, (rb * aa - ra * ab) / determinant);
        // Neither can be less than nothing; noise can make it look so.
        let (each, byte) = match (each < 0.0, byte < 0.0) {
            (true, _) => (0.0, rb / bb),
            (_, true) => (ra / aa, 0.0),
            _ => (each, byte),
        };
        let off = points.iter().map(|&(x, y)| ((each + byte * x) / y - 1.0).abs());
        Some(Self { each, byte, off: off.fold(0.0, f64::max) })
    }

    /// Returns it as a formula.
    pub(crate) fn formula(&self) -> String {
        let each = amount(self.each, Unit::Nanos);
        if self.byte <= 0.0 {
            return each;
        }
        // A nanosecond per byte is a gigabyte in a second.
        let rate = 1.0 / self.byte;
        let rate = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
        format!("{each} + bytes / ({rate} GB/s)")
    }
}

/// One who moves bytes, and what it costs.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) what: &'static str,
    pub(crate) who: String,
    pub(crate) kind: Kind,
    pub(crate) cost: Cost,
    /// From which payload on it costs a tenth more than threads.
    pub(crate) dearer: Option<Dearer>,
}

/// From which payload on something costs a tenth more than threads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Dearer {
    Always,
    From(f64),
    /// Only below that payload.
    Below(f64),
    Never,
}

impl Dearer {
    /// Looks where ratios by payload cross one and a tenth for the last time.
    fn of(ratios: &[(f64, f64)]) -> Option<Self> {
        const A_TENTH: f64 = 1.1;
        let last = ratios.last()?;
        let is_dear = |&&(_, ratio): &&(f64, f64)| ratio > A_TENTH;
        if ratios.iter().all(|point| is_dear(&point)) {
            return Some(Self::Always);
        }
        if !ratios.iter().any(|point| is_dear(&point)) {
            return Some(Self::Never);
        }
        let mut crossings =
            ratios.windows(2).filter(|pair| is_dear(&&pair[0]) != is_dear(&&pair[1]));
        let pair = crossings.next_back()?;
        // Between the two by the logarithms, as both grow by factors.
        let ((x0, r0), (x1, r1)) = (pair[0], pair[1]);
        let share = (A_TENTH.ln() - r0.ln()) / (r1.ln() - r0.ln());
        let at = (x0.ln() + share * (x1.ln() - x0.ln())).exp();
        Some(if is_dear(&last) { Self::From(at) } else { Self::Below(at) })
    }
}

impl std::fmt::Display for Dearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Always => f.write_str("at every payload"),
            Self::From(bytes) => write!(f, "from {} on", amount(*bytes, Unit::Bytes)),
            Self::Below(bytes) => write!(f, "below {}", amount(*bytes, Unit::Bytes)),
            Self::Never => f.write_str("at no payload"),
        }
    }
}

/// The rows that have payloads, and what they are called.
const PAYLOADS: [(&str, &str, &str); 4] = [
    ("queue", "one to one", "queue, a message"),
    ("pipe", "one way", "pipe, a message"),
    ("pipe", "round trip", "pipe, there and back"),
    ("pool", "bytes there and back", "pool, a task with its result"),
];

/// Returns what everybody's messages cost, as lines.
pub(crate) fn models(run: &Run) -> Vec<Model> {
    let mut models = Vec::new();
    for (group, what, title) in PAYLOADS {
        let rows = run.series(group, what);
        let mut names: Vec<(&str, Kind)> = Vec::new();
        for entry in rows.iter().flat_map(|row| &row.entries) {
            if !names.iter().any(|(who, _)| *who == entry.who) {
                names.push((&entry.who, entry.kind));
            }
        }
        for (who, kind) in names {
            let points: Vec<(f64, f64)> = rows
                .iter()
                .filter_map(|row| Some((row.x as f64, super::run::median(row, who)?)))
                .collect();
            // Two points lie on every line.
            if points.len() < 3 || kind == Kind::Limit {
                continue;
            }
            let ratios: Vec<(f64, f64)> = rows
                .iter()
                .filter_map(|row| {
                    let (threads, _) = best(row, Kind::Threads)?;
                    Some((row.x as f64, row.entry(who)?.times(threads)?.median))
                })
                .collect();
            let dearer = (kind == Kind::Ours).then(|| Dearer::of(&ratios)).flatten();
            if let Some(cost) = Cost::fit(&points) {
                models.push(Model { what: title, who: who.to_owned(), kind, cost, dearer });
            }
        }
    }
    models
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::tests::small;

    #[test]
    fn a_line_is_found_again() {
        let points = [8.0, 64.0, 1024.0, 65536.0].map(|x| (x, 150.0 + 0.05 * x));
        let cost = Cost::fit(&points).unwrap();
        assert!((cost.each - 150.0).abs() < 1e-6 && (cost.byte - 0.05).abs() < 1e-9, "{cost:?}");
        assert!(cost.off < 1e-9);
        assert_eq!(cost.formula(), "150 ns + bytes / (20 GB/s)");
        assert_eq!(Cost::fit(&points[..1]), None);
    }

    #[test]
    fn nothing_costs_less_than_nothing() {
        let cost = Cost::fit(&[(8.0, 10.0), (64.0, 9.0), (1024.0, 8.0)]).unwrap();
        assert!(cost.each > 0.0 && cost.byte == 0.0, "{cost:?}");
    }

    #[test]
    fn where_processes_become_dearer() {
        let of = |ratios: &[f64]| {
            let at = [8.0, 64.0, 512.0, 4096.0].into_iter();
            Dearer::of(&at.zip(ratios.iter().copied()).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(of(&[0.5, 0.9, 1.0, 1.05]), Dearer::Never);
        assert_eq!(of(&[1.5, 1.2, 1.3, 2.0]), Dearer::Always);
        assert!(
            matches!(of(&[0.5, 0.9, 1.0, 1.21]), Dearer::From(at) if at > 512.0 && at < 4096.0)
        );
        assert!(matches!(of(&[2.0, 1.5, 1.0, 0.5]), Dearer::Below(at) if at > 64.0 && at < 512.0));
    }

    #[test]
    fn a_run_has_models() {
        let models = models(&small(1.0));
        let ours = models.iter().find(|model| model.kind == Kind::Ours).unwrap();
        assert!((ours.cost.each - 100.0).abs() < 1e-6, "{ours:?}");
        // Threads cost half of it everywhere.
        assert_eq!(ours.dearer, Some(Dearer::Always));
        assert!(models.iter().all(|model| model.who != "gone"));
    }
}
