//! Drawings of lines over a logarithmic axis, as SVG. Their colours can be read on white and on black, and nothing is
//! drawn behind them.

use std::fmt::Write;

use holdfast::load::numbers;

/// A drawing of lines with axes of its own; the one for what is measured begins at zero.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) lines: Vec<Line>,
}

pub(crate) struct Line {
    pub(crate) name: String,
    /// How many there are, and what was measured.
    pub(crate) points: Vec<(u64, f64)>,
}

const COLOURS: [&str; 4] = ["#3b82f6", "#e0802f", "#2fa36b", "#b565d8"];
const MARGIN: f64 = 16.0;
const HEAD: f64 = 64.0;
/// Of a panel with its labels.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 230.0;
/// Of what lies within the axes, measured from the panel's edges.
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 30.0;

/// The panels in two columns, with one legend for all.
pub(crate) fn draw(title: &str, panels: &[Panel]) -> String {
    let width = 2.0 * (WIDTH + MARGIN);
    let height = HEAD + panels.len().div_ceil(2) as f64 * HEIGHT;
    let mut drawing = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#808890\">\n<text x=\"{MARGIN}\" y=\"24\" font-size=\"16\">{title}</text>\n"
    );
    draw_legend(&mut drawing, panels);
    for (index, panel) in panels.iter().enumerate() {
        let (x, y) = (MARGIN + (index % 2) as f64 * WIDTH, HEAD + (index / 2) as f64 * HEIGHT);
        put(&mut drawing, format_args!("<g transform=\"translate({x} {y})\">"));
        Axes::of(panel).draw(&mut drawing, panel);
        put(&mut drawing, format_args!("</g>"));
    }
    drawing + "</svg>\n"
}

fn draw_legend(drawing: &mut String, panels: &[Panel]) {
    let longest = panels.iter().max_by_key(|panel| panel.lines.len());
    let mut x = MARGIN;
    for (line, colour) in longest.into_iter().flat_map(|panel| &panel.lines).zip(COLOURS) {
        put(
            drawing,
            format_args!(
                "<path d=\"M{x} 46h18\" stroke=\"{colour}\" stroke-width=\"2.5\"/><text x=\"{}\" y=\"50\">{}</text>",
                x + 24.0,
                line.name
            ),
        );
        x += 44.0 + 7.0 * line.name.chars().count() as f64;
    }
}

/// Where a figure lies in a panel.
struct Axes {
    /// What is marked, in ascending order.
    counts: Vec<u64>,
    step: u64,
    steps: u64,
}

impl Axes {
    fn of(panel: &Panel) -> Self {
        let points = || panel.lines.iter().flat_map(|line| &line.points);
        let mut counts: Vec<_> = points().map(|(count, _)| *count).collect();
        counts.sort_unstable();
        counts.dedup();
        let most = points().map(|(_, figure)| *figure).fold(f64::MIN_POSITIVE, f64::max);
        let mut candidates = (0..18).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
        let step = candidates.find(|step| most <= 4.0 * *step as f64).unwrap_or(u64::MAX);
        let steps = (1..4).find(|steps| most <= (steps * step) as f64).unwrap_or(4);
        Self { counts, step, steps }
    }

    fn x(&self, count: u64) -> f64 {
        let (first, last) =
            (self.counts.first().copied().unwrap_or(1), self.counts.last().copied().unwrap_or(1));
        let log = |count: u64| (count.max(1) as f64).ln();
        let span = log(last) - log(first);
        let share = if span > 0.0 { (log(count) - log(first)) / span } else { 0.5 };
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, figure: f64) -> f64 {
        HEIGHT - BOTTOM - figure / (self.step * self.steps) as f64 * (HEIGHT - TOP - BOTTOM)
    }

    fn draw(&self, drawing: &mut String, panel: &Panel) {
        put(
            drawing,
            format_args!(
                "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>",
                TOP - 12.0,
                panel.title
            ),
        );
        for figure in (0..=self.steps).map(|steps| steps * self.step) {
            let (y, end, label) = (self.y(figure as f64), WIDTH - RIGHT, numbers::count(figure));
            put(
                drawing,
                format_args!("<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"#808890\" stroke-opacity=\"0.3\"/>"),
            );
            put(
                drawing,
                format_args!(
                    "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                    LEFT - 6.0,
                    y + 4.0
                ),
            );
        }
        for count in &self.counts {
            let (x, y, label) = (self.x(*count), HEIGHT - BOTTOM + 18.0, short(*count));
            put(drawing, format_args!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>"));
        }
        panel.lines.iter().zip(COLOURS).for_each(|(line, colour)| self.draw_line(drawing, line, colour));
    }

    fn draw_line(&self, drawing: &mut String, line: &Line, colour: &str) {
        let at = |(count, figure): &(u64, f64)| format!("{:.1},{:.1}", self.x(*count), self.y(*figure));
        let points: Vec<_> = line.points.iter().map(at).collect();
        put(
            drawing,
            format_args!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\" stroke-linejoin=\"round\"/>",
                points.join(" ")
            ),
        );
        for (count, figure) in &line.points {
            let (x, y) = (self.x(*count), self.y(*figure));
            put(drawing, format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"));
        }
    }
}

fn put(drawing: &mut String, line: std::fmt::Arguments<'_>) {
    let _never_fails = writeln!(drawing, "{line}");
}

/// `100`, `10k`, `1M`.
fn short(count: u64) -> String {
    match count {
        1_000_000.. => format!("{}M", count / 1_000_000),
        1_000.. => format!("{}k", count / 1_000),
        _ => count.to_string(),
    }
}
