//! Small plots of the last hour, drawn as SVG. They say in words what they show; lines differ in their dashes and not only
//! in their colours, which are those of the text.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::words;

/// The drawing's own units. The style sheet gives it its size on the screen.
const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 60.0;
/// Room for the thickness of a line at the top and the bottom.
const MARGIN: f64 = 2.0;
/// How each line is dashed; the first is not.
const DASHES: [&str; 3] = ["none", "5 3", "1.5 2.5"];

/// What a plot measures.
#[derive(Clone, Copy, Debug)]
pub(super) enum Measure {
    PerSecond,
    Seconds,
    Count,
}

/// A plot of some lines of the same measure.
pub(super) struct Plot {
    /// Names it within the page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) measure: Measure,
    pub(super) lines: Vec<Line>,
}

/// One line: a value for each step of the hour, `None` where nothing is known.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<Option<f64>>,
}

impl Measure {
    fn text(self, value: f64) -> String {
        match self {
            Self::PerSecond => words::per_second(value),
            Self::Seconds => words::seconds(value),
            Self::Count => words::count(value),
        }
    }
}

impl Line {
    fn highest(&self) -> Option<f64> {
        self.points.iter().flatten().copied().reduce(f64::max)
    }

    /// The latest value, if it is not older than the last two steps.
    fn latest(&self) -> Option<f64> {
        self.points.iter().rev().take(2).find_map(|point| *point)
    }

    /// The line as the commands of a path. Nothing is drawn where nothing is known, and a value alone is a dot.
    fn path(&self, highest: f64) -> String {
        let steps = f64::from(u32::try_from(self.points.len().max(2) - 1).unwrap_or(u32::MAX));
        let mut path = String::new();
        let mut is_drawing = false;
        for (step, point) in (0_u32..).zip(&self.points) {
            let Some(value) = point else {
                is_drawing = false;
                continue;
            };
            let x = f64::from(step) / steps * WIDTH;
            let y = HEIGHT - MARGIN - value / highest * (HEIGHT - 2.0 * MARGIN);
            // A move followed by a line of no length, so that round ends show a dot.
            let command = if is_drawing { format!("L{x:.1} {y:.1}") } else { format!("M{x:.1} {y:.1}h0") };
            write!(path, "{command}").expect("writing to a string cannot fail");
            is_drawing = true;
        }
        path
    }
}

impl Plot {
    /// The plot with its legend.
    pub(super) fn draw(&self) -> Markup {
        let highest = self.lines.iter().filter_map(Line::highest).reduce(f64::max);
        let title_id = format!("{}-title", self.id);
        let description_id = format!("{}-description", self.id);
        html! {
            figure class="plot" {
                figcaption {
                    strong { (self.title) }
                    ul {
                        @for (line, dashes) in self.lines.iter().zip(DASHES) {
                            li { (sample(dashes)) " " (line.name) ": " b { (self.latest(line)) } }
                        }
                    }
                }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img"
                    aria-labelledby=(format!("{title_id} {description_id}")) {
                    title id=(title_id) { (self.title) ", the last hour" }
                    desc id=(description_id) { (self.describe()) }
                    path class="ground" d=(format!("M0 {HEIGHT}H{WIDTH}")) {}
                    @for (line, dashes) in self.lines.iter().zip(DASHES) {
                        (stroke(&line.path(highest.filter(|highest| *highest > 0.0).unwrap_or(1.0)), dashes))
                    }
                }
                div class="axis quiet" aria-hidden="true" {
                    span { "an hour ago" }
                    span { "highest " (self.text(highest)) }
                    span { "now" }
                }
            }
        }
    }

    /// What the plot shows, in words.
    fn describe(&self) -> String {
        let describe = |line: &Line| match line.highest() {
            None => format!("{}: nothing is known", line.name),
            Some(highest) => {
                format!("{}: now {}, at most {}", line.name, self.latest(line), self.measure.text(highest))
            }
        };
        self.lines.iter().map(describe).collect::<Vec<_>>().join("; ")
    }

    fn latest(&self, line: &Line) -> String {
        self.text(line.latest())
    }

    fn text(&self, value: Option<f64>) -> String {
        value.map_or_else(|| "–".to_owned(), |value| self.measure.text(value))
    }
}

fn stroke(path: &str, dashes: &str) -> Markup {
    html! {
        path d=(path) fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"
            stroke-dasharray=(dashes) vector-effect="non-scaling-stroke" {}
    }
}

/// A piece of the line, for the legend.
fn sample(dashes: &str) -> Markup {
    html! { svg class="sample" viewBox="0 0 24 8" aria-hidden="true" { (stroke("M1 4H23", dashes)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[Option<f64>]) -> Line {
        Line { name: "messages", points: points.to_vec() }
    }

    #[test]
    fn a_line_is_drawn_from_left_to_right_with_gaps_where_nothing_is_known() {
        let line = line(&[Some(0.0), Some(10.0), None, Some(5.0), None]);

        assert_eq!(line.path(10.0), "M0.0 58.0h0L60.0 2.0M180.0 30.0h0");
        assert_eq!(Line { name: "", points: vec![None; 120] }.path(1.0), "");
    }

    #[test]
    fn a_plot_says_in_words_what_it_shows() {
        let lines = vec![line(&[Some(12.0), Some(40.0), Some(3.5)]), Line { name: "updates", points: vec![None; 3] }];
        let plot = Plot { id: "accepted", title: "Accepted", measure: Measure::PerSecond, lines };

        let drawn = plot.draw().into_string();

        let described = "messages: now 3.5/s, at most 40/s; updates: nothing is known";
        assert!(drawn.contains(&format!("<desc id=\"accepted-description\">{described}</desc>")), "{drawn}");
        assert!(drawn.contains("aria-labelledby=\"accepted-title accepted-description\""), "{drawn}");
        assert!(drawn.contains("updates: <b>–</b>") && !drawn.contains("style="), "{drawn}");
    }

    #[test]
    fn the_legend_shows_no_value_that_is_old() {
        let stopped = line(&[Some(12.0), None, None]);

        assert_eq!(stopped.latest(), None);
        assert_eq!(line(&[Some(12.0), None]).latest(), Some(12.0));
    }

    #[test]
    fn an_hour_of_zeros_is_a_line_at_the_bottom() {
        assert_eq!(line(&[Some(0.0), Some(0.0)]).path(1.0), "M0.0 58.0h0L240.0 58.0");
    }
}
