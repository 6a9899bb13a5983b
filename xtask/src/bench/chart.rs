//! Drawing: bars and lines on logarithmic axes, in a wide form and one for narrow screens.

use super::scale::Scale;
use super::style::{GREY, GRID, INK, colour, hex, night};
use crate::Failure;
use multiproc_benches::Kind;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A plot in its two forms.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// Its file's name.
    pub(crate) name: &'static str,
    /// What it shows, as a sentence.
    pub(crate) title: String,
    pub(crate) wide: String,
    pub(crate) narrow: String,
}

impl Chart {
    /// Draws both forms.
    pub(crate) fn draw(
        name: &'static str,
        title: impl Into<String>,
        heights: (u32, u32),
        draw: impl Fn(&Pen<'_, '_>) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let title = title.into();
        let form = |width, height| -> Result<String, Failure> {
            let mut svg = String::new();
            {
                let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
                draw(&Pen { area: &area, width: of(width), height: of(height) })?;
                area.present().map_err(|error| error.to_string())?;
            }
            Ok(finished(&svg, &title))
        };
        Ok(Self { name, wide: form(WIDE, heights.0)?, narrow: form(NARROW, heights.1)?, title })
    }

    /// Returns the wide form as a file of its own, with its own background and style.
    pub(crate) fn standalone(&self) -> String {
        let style = format!(
            "<style>svg{{background:#fff;font-family:system-ui,sans-serif}}{}\
             @media (prefers-color-scheme: dark){{svg{{background:#12161c}}}}</style>",
            night()
        );
        let body = self.wide.find('>').map_or(0, |end| end + 1);
        format!("{}{style}{}", &self.wide[..body], &self.wide[body..])
    }
}

const WIDE: u32 = 860;
const NARROW: u32 = 360;

fn of(size: u32) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}

/// Makes the plot as wide as its place, and names it for those who do not see it.
fn finished(svg: &str, title: &str) -> String {
    let start = svg.find("viewBox").unwrap_or(0);
    let title = title.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    // Limits are dashed; plotters would put each dash at whole pixels, which makes steps of a slope.
    let limit = format!("stroke=\"{}\"", hex(colour(Kind::Limit)));
    let body = svg[start..].replace(&limit, &format!("{limit} stroke-dasharray=\"6 4\""));
    format!("<svg role=\"img\" aria-label=\"{title}\" {body}")
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws on one form of a plot.
pub(crate) struct Pen<'a, 'b> {
    area: &'a Area<'b>,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

/// A bar: who, what it took and in words.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) value: f64,
    pub(crate) text: String,
}

/// A line: who, and its points.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) points: Vec<(f64, f64)>,
}

const TEXT: i32 = 13;
/// How high a bar is, with the space to the next.
pub(crate) const BAR: i32 = 24;
/// In the narrow form the name stands above its bar.
pub(crate) const NARROW_BAR: i32 = 36;
const BOTTOM: i32 = 34;
const TOP: i32 = 10;

impl Pen<'_, '_> {
    pub(crate) fn is_narrow(&self) -> bool {
        self.width < 500
    }

    fn text(
        &self,
        text: &str,
        at: (i32, i32),
        h: HPos,
        v: VPos,
        colour: RGBColor,
    ) -> Result<(), Failure> {
        let style = ("system-ui, sans-serif", TEXT).into_text_style(self.area).color(&colour);
        let style = style.pos(Pos::new(h, v));
        self.area.draw_text(text, &style, at).map_err(|error| error.to_string().into())
    }

    fn line(&self, from: (i32, i32), to: (i32, i32), style: ShapeStyle) -> Result<(), Failure> {
        let path = PathElement::new(vec![from, to], style);
        self.area.draw(&path).map_err(|error| error.to_string().into())
    }

    fn rect(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Result<(), Failure> {
        let shape = Rectangle::new([from, to], colour.filled());
        self.area.draw(&shape).map_err(|error| error.to_string().into())
    }

    /// Draws bars below each other, on an axis of this scale.
    pub(crate) fn bars(
        &self,
        bars: &[Bar],
        scale: Scale,
        tick: impl Fn(f64) -> String,
    ) -> Result<(), Failure> {
        let narrow = self.is_narrow();
        let (left, right) = if narrow { (6, self.width - 74) } else { (330, self.width - 84) };
        let bottom = self.height - BOTTOM;
        let x = |value: f64| left + pixels(scale.at(value) * f64::from(right - left));
        for value in scale.lines(if narrow { 4 } else { 8 }) {
            self.line((x(value), TOP), (x(value), bottom), GRID.stroke_width(1))?;
            self.text(
                &tick(value),
                (x(value), bottom + 6),
                middle(x(value), self.width),
                VPos::Top,
                GREY,
            )?;
        }
        for (index, bar) in bars.iter().enumerate() {
            let index = i32::try_from(index)?;
            let colour = colour(bar.kind);
            let (name, top, end) = if narrow {
                let top = TOP + index * NARROW_BAR;
                self.text(&bar.name, (left, top), HPos::Left, VPos::Top, INK)?;
                (None, top + 17, x(bar.value))
            } else {
                (Some(&bar.name), TOP + index * BAR + 4, x(bar.value))
            };
            if let Some(name) = name {
                self.text(name, (left - 10, top + 8), HPos::Right, VPos::Center, INK)?;
            }
            self.rect((left, top), (end.max(left + 2), top + BAR - 10), colour)?;
            self.text(&bar.text, (end.max(left + 2) + 6, top + 7), HPos::Left, VPos::Center, INK)?;
        }
        Ok(())
    }

    /// Draws lines, with their names at their ends or, on a narrow screen, below.
    pub(crate) fn lines(&self, lines: &[Line], axes: &Axes<'_>) -> Result<(), Failure> {
        let narrow = self.is_narrow();
        let below = if narrow { legend_height(lines) } else { 0 };
        let (left, right) = (64, if narrow { self.width - 12 } else { self.width - 236 });
        let (top, bottom) = (TOP + 20, self.height - BOTTOM - 16 - below);
        let x = |value: f64| left + pixels(axes.x.at(value) * f64::from(right - left));
        let y = |value: f64| bottom - pixels(axes.y.at(value) * f64::from(bottom - top));
        self.text(axes.y_title, (6, 4), HPos::Left, VPos::Top, GREY)?;
        self.text(axes.x_title, (right, bottom + 24), HPos::Right, VPos::Top, GREY)?;
        for value in axes.y.lines(8) {
            self.line((left, y(value)), (right, y(value)), GRID.stroke_width(1))?;
            self.text(
                &(axes.y_tick)(value),
                (left - 8, y(value)),
                HPos::Right,
                VPos::Center,
                GREY,
            )?;
        }
        let ticks = axes.ticks(if narrow { 5 } else { 9 });
        for value in ticks {
            self.line((x(value), top), (x(value), bottom), GRID.stroke_width(1))?;
            self.text(
                &(axes.x_tick)(value),
                (x(value), bottom + 6),
                middle(x(value), self.width),
                VPos::Top,
                GREY,
            )?;
        }
        let mut ends = Vec::new();
        // Ours come last: above the others.
        let (ours, others): (Vec<usize>, Vec<usize>) =
            (0..lines.len()).partition(|&index| lines[index].kind == Kind::Ours);
        for index in others.into_iter().chain(ours) {
            let line = &lines[index];
            let points: Vec<(i32, i32)> = line.points.iter().map(|&(a, b)| (x(a), y(b))).collect();
            self.curve(line.kind, nth(lines, index), &points)?;
            ends.extend(points.last().map(|&(_, y)| (y, index)));
        }
        if narrow {
            return self.legend(lines, self.height - below);
        }
        for (y, from, index) in apart(ends, top, bottom) {
            let line = &lines[index];
            let (at, colour) = (right + 26, colour(line.kind));
            // One that ends before the border is found by its mark.
            if line.points.last().is_some_and(|&(a, _)| x(a) == right) {
                self.line((right + 5, from), (at - 8, y), colour.mix(0.5).stroke_width(1))?;
            }
            match line.kind {
                Kind::Limit => self.line((at - 8, y), (at + 8, y), colour.stroke_width(2))?,
                kind => self.mark(kind, nth(lines, index), (at, y))?,
            }
            self.text(&line.name, (at + 14, y), HPos::Left, VPos::Center, colour)?;
        }
        Ok(())
    }

    fn curve(&self, kind: Kind, nth: usize, points: &[(i32, i32)]) -> Result<(), Failure> {
        let colour = colour(kind);
        let style = colour.stroke_width(if kind == Kind::Ours { 3 } else { 2 });
        let draw = |result: Result<(), _>| {
            result.map_err(|error: DrawingAreaErrorKind<_>| error.to_string())
        };
        draw(self.area.draw(&PathElement::new(points.to_vec(), style)))?;
        for &point in points {
            self.mark(kind, nth, point)?;
        }
        Ok(())
    }

    /// A mark of its own for each line of a kind, for those who do not tell colours apart. Limits have
    /// none: they are dashed.
    fn mark(&self, kind: Kind, nth: usize, (x, y): (i32, i32)) -> Result<(), Failure> {
        let colour = colour(kind);
        let draw = |result: Result<(), _>| {
            result.map_err(|error: DrawingAreaErrorKind<_>| error.to_string())
        };
        match nth % 6 {
            _ if kind == Kind::Limit => {}
            0 => draw(self.area.draw(&Circle::new((x, y), 4, colour.filled())))?,
            1 => self.rect((x - 4, y - 4), (x + 4, y + 4), colour)?,
            2 => draw(self.area.draw(&TriangleMarker::new((x, y), 6, colour.filled())))?,
            3 => {
                let corners = vec![(x - 5, y), (x, y - 5), (x + 5, y), (x, y + 5)];
                draw(self.area.draw(&Polygon::new(corners, colour.filled())))?;
            }
            4 => draw(self.area.draw(&Circle::new((x, y), 4, colour.stroke_width(2))))?,
            _ => {
                let corners = [(x - 4, y - 4), (x + 4, y + 4)];
                draw(self.area.draw(&Rectangle::new(corners, colour.stroke_width(2))))?;
            }
        }
        Ok(())
    }

    fn legend(&self, lines: &[Line], top: i32) -> Result<(), Failure> {
        for (index, line) in lines.iter().enumerate() {
            let y = top + 10 + i32::try_from(index)? * LEGEND;
            self.curve(line.kind, nth(lines, index), &[(10, y), (34, y)])?;
            self.text(&line.name, (46, y), HPos::Left, VPos::Center, INK)?;
        }
        Ok(())
    }
}

const LEGEND: i32 = 19;

/// Returns how much height the names of these lines take below a narrow plot.
pub(crate) fn legend_height(lines: &[Line]) -> i32 {
    i32::try_from(lines.len()).unwrap_or(0) * LEGEND + 8
}

/// Returns which of its kind a line is.
fn nth(lines: &[Line], index: usize) -> usize {
    lines[..index].iter().filter(|line| line.kind == lines[index].kind).count()
}

/// The axes of a plot with lines.
pub(crate) struct Axes<'a> {
    pub(crate) x: Scale,
    pub(crate) y: Scale,
    pub(crate) x_title: &'a str,
    pub(crate) y_title: &'a str,
    pub(crate) x_tick: &'a dyn Fn(f64) -> String,
    pub(crate) y_tick: &'a dyn Fn(f64) -> String,
    /// The lines along the horizontal axis, where it is not the scale that says.
    pub(crate) at: &'a [f64],
}

impl Axes<'_> {
    fn ticks(&self, most: usize) -> Vec<f64> {
        if self.at.is_empty() { self.x.lines(most) } else { self.at.to_vec() }
    }
}

/// Centred, but for what would leave the picture.
fn middle(x: i32, width: i32) -> HPos {
    match x {
        ..20 => HPos::Left,
        _ if x > width - 24 => HPos::Right,
        _ => HPos::Center,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most as far as the picture is wide")]
fn pixels(value: f64) -> i32 {
    value.round() as i32
}

/// Moves names apart that would be written over each other; gives where each goes and where it came from.
fn apart(mut ends: Vec<(i32, usize)>, top: i32, bottom: i32) -> Vec<(i32, i32, usize)> {
    const LEAST: i32 = 16;
    ends.sort_unstable();
    let mut placed: Vec<(i32, i32, usize)> = Vec::new();
    for (y, index) in ends {
        let free = placed.last().map_or(top, |(last, ..)| last + LEAST);
        placed.push((y.max(free), y, index));
    }
    // What was pushed out below pushes back.
    let mut free = bottom + LEAST / 2;
    for (y, ..) in placed.iter_mut().rev() {
        *y = (*y).min(free);
        free = *y - LEAST;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_overlap() {
        let placed = apart(vec![(100, 0), (101, 1), (102, 2), (300, 3), (301, 4)], 0, 300);
        assert!(placed.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 16), "{placed:?}");
        assert!(placed.iter().all(|(y, ..)| (0..=308).contains(y)), "{placed:?}");
        let order: Vec<usize> = placed.iter().map(|(.., index)| *index).collect();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn both_forms_are_drawn_and_named() {
        let bar =
            Bar { name: "a <b>".into(), kind: Kind::Ours, value: 100.0, text: "100 ns".into() };
        let scale = Scale::tens([10.0, 1000.0].into_iter()).unwrap();
        let chart = Chart::draw("test", "A & B", (100, 120), |pen| {
            pen.bars(std::slice::from_ref(&bar), scale, |value| value.to_string())
        })
        .unwrap();
        for form in [&chart.wide, &chart.narrow] {
            assert!(
                form.starts_with("<svg role=\"img\" aria-label=\"A &amp; B\" viewBox"),
                "{form}"
            );
            assert!(form.contains("a &lt;b&gt;") && form.contains(&hex(colour(Kind::Ours))));
        }
        assert!(chart.standalone().contains("prefers-color-scheme: dark"));
    }
}
