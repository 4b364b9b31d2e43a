//! Draws tables that have an axis: a figure for each row's name, over the axis.

use std::path::Path;

use plotters::prelude::{
    BLUE, ChartBuilder, Circle, Color as _, IntoDrawingArea as _, IntoLogRange as _, LineSeries, MAGENTA, PathElement,
    RED, RGBColor, SVGBackend, WHITE,
};

use crate::results::Table;

const SIZE: (u32, u32) = (760, 360);
const COLOURS: [RGBColor; 5] = [BLUE, RED, RGBColor(0, 130, 60), MAGENTA, RGBColor(200, 120, 0)];
/// The least that a logarithmic axis shows.
const LEAST: f64 = 0.5;

/// A line of the plot.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

/// Draws the first figure of each table that has an axis. Returns whether there was one.
pub(crate) fn draw(path: &Path, tables: &[Table]) -> bool {
    let tables: Vec<&Table> = tables.iter().filter(|table| table.axis.is_some()).collect();
    if tables.is_empty() {
        return false;
    }
    let height = SIZE.1 * u32::try_from(tables.len()).unwrap_or(1);
    let backend = SVGBackend::new(path, (SIZE.0, height));
    let area = backend.into_drawing_area();
    area.fill(&WHITE).expect("a drawing in memory");
    for (part, table) in area.split_evenly((tables.len(), 1)).iter().zip(tables) {
        draw_one(part, table);
    }
    area.present().expect("docs can be written");
    true
}

fn draw_one(area: &plotters::prelude::DrawingArea<SVGBackend<'_>, plotters::coord::Shift>, table: &Table) {
    let lines = lines(table);
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let most = |values: Vec<f64>| values.into_iter().fold(1.0, f64::max) * 1.15;
    let least_x = points().map(|(x, _)| x).fold(f64::INFINITY, f64::min).max(LEAST) / 1.15;
    let most_x = most(points().map(|(x, _)| x).collect());
    let most_y = most(points().map(|(_, y)| y).collect());
    let mut chart = ChartBuilder::on(area)
        .caption(&table.title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(34)
        .y_label_area_size(60)
        .build_cartesian_2d((least_x..most_x).log_scale(), (LEAST..most_y).log_scale())
        .expect("a drawing in memory");
    let figure = figures(table).into_iter().next().unwrap_or_default();
    let axis = table.axis.clone().unwrap_or_default();
    chart.configure_mesh().x_desc(axis).y_desc(figure).light_line_style(WHITE).draw().expect("a drawing in memory");
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let shown = line.points.iter().map(|(x, y)| (x.max(LEAST), y.max(LEAST)));
        let series = chart.draw_series(LineSeries::new(shown.clone(), colour.stroke_width(2)));
        let labelled = series.expect("a drawing in memory").label(line.name.clone());
        let colour = *colour;
        labelled.legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2)));
        let dots = shown.map(|point| Circle::new(point, 3, colour.filled()));
        chart.draw_series(dots).expect("a drawing in memory");
    }
    let mut labels = chart.configure_series_labels();
    labels.background_style(WHITE).border_style(WHITE).draw().expect("a drawing in memory");
}

/// The names of the figures, in their order.
fn figures(table: &Table) -> Vec<String> {
    table.rows.first().map(|row| row.figures.iter().map(|figure| figure.name.clone()).collect()).unwrap_or_default()
}

/// A line for each name of rows, or for each figure if the rows have no names.
fn lines(table: &Table) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in &table.rows {
        let Some(at) = row.at else { continue };
        let shown = if row.name.is_empty() { row.figures.len() } else { 1 };
        for figure in row.figures.iter().take(shown) {
            let name = if row.name.is_empty() { &figure.name } else { &row.name };
            match lines.iter_mut().find(|line| &line.name == name) {
                Some(line) => line.points.push((at, figure.median())),
                None => lines.push(Line { name: name.clone(), points: vec![(at, figure.median())] }),
            }
        }
    }
    lines
}
