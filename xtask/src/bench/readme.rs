//! The part of README.md that is written by `cargo xtask bench --readme`.

use super::charts;
use super::cores;
use super::run::Run;
use super::tables::summary_markdown;
use crate::Failure;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- cargo xtask bench --readme: begin -->";
const END: &str = "<!-- cargo xtask bench --readme: end -->";
const PLOT: &str = "benches/ipc-cost.svg";

/// Writes the summary and a plot between the marks.
pub(crate) fn write(run: &Run, root: &Path) -> Result<(), Failure> {
    let path = root.join("README.md");
    let plot = charts::ladder(run)?.ok_or("no figures for the plot: too few rows were measured")?;
    let text = fs::read_to_string(&path)?;
    let text = replaced(&text, &section(run)).map_err(|why| format!("README.md: {why}"))?;
    fs::write(root.join(PLOT), plot.standalone())?;
    fs::write(path, text)?;
    println!("README.md and {PLOT} are written");
    Ok(())
}

fn section(run: &Run) -> String {
    let quick = if run.machine.quick { " A quick look, not figures to quote." } else { "" };
    format!(
        "{}\n![What it takes to reach another process]({PLOT})\n\n\
         Medians. 2x: takes twice as much as these crates, turn by turn in one run. {}.{quick} {}\n",
        summary_markdown(run),
        run.machine,
        cores::text(run)
    )
}

/// Returns the text with this section between its marks.
fn replaced(text: &str, section: &str) -> Result<String, String> {
    let missing = |mark: &str| format!("no line {mark}");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(|| missing(BEGIN))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| missing(END))?;
    Ok(format!("{before}{BEGIN}\n{section}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::tests::small;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("# A\n{BEGIN}\nold\n{END}\nB\n");
        let new = replaced(&text, "new\n").unwrap();
        assert_eq!(new, format!("# A\n{BEGIN}\nnew\n{END}\nB\n"));
        assert_eq!(replaced(&new, "new\n").unwrap(), new);
        assert!(replaced("# A\n", "new\n").is_err());
    }

    #[test]
    fn the_section_says_where_and_when() {
        let section = section(&small(1.0));
        assert!(section.contains("Linux 6.18") && section.contains(PLOT), "{section}");
    }
}
