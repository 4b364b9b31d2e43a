//! Tables of figures as Markdown: the median of each, and its spread over the rounds.

use std::collections::BTreeSet;

use crate::results::{Figure, Results, Row, Table};

/// The name of the row that a table's other rows are measured against.
pub(crate) const BARE: &str = "bare";
pub(crate) const OURS: &str = "ours";

impl Results {
    /// Prints the tables, and keeps them for `bench report`.
    pub(crate) fn finish(self, name: &str) {
        for shown in &self.tables {
            println!("\n{}\n\n{}", shown.title, table(shown));
        }
        self.keep(name);
    }
}

/// A table, with a last row that says how many times the bare figure ours is, if both are in it.
pub(crate) fn table(table: &Table) -> String {
    let columns = columns(table);
    let first = table.axis.as_deref().unwrap_or_default();
    let mut lines = vec![line(first, columns.iter().cloned())];
    lines.push(line("---", columns.iter().map(|_| "---:".to_owned())));
    for row in &table.rows {
        let cells = columns.iter().map(|column| row.figure(column).map(cell).unwrap_or_default());
        lines.push(line(&head(row), cells));
    }
    let find = |name: &str| table.rows.iter().find(|row| row.name == name && row.at.is_none());
    if let (Some(ours), Some(bare)) = (find(OURS), find(BARE)) {
        let ratio = |column: &String| {
            let ratio = ours.figure(column)?.median() / bare.figure(column)?.median();
            ratio.is_finite().then(|| format!("{ratio:.2}"))
        };
        lines.push(line("ours ÷ bare", columns.iter().map(|column| ratio(column).unwrap_or_default())));
    }
    lines.join("\n")
}

/// The names of all figures, in the order in which they were first added.
fn columns(table: &Table) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let names = table.rows.iter().flat_map(|row| &row.figures).map(|figure| figure.name.clone());
    names.filter(|name| seen.insert(name.clone())).collect()
}

fn head(row: &Row) -> String {
    match row.at {
        Some(at) if row.name.is_empty() => number(at),
        Some(at) => format!("{} ({})", number(at), row.name),
        None => row.name.clone(),
    }
}

fn line(first: &str, cells: impl Iterator<Item = String>) -> String {
    format!("| {first} | {} |", cells.collect::<Vec<_>>().join(" | "))
}

fn cell(figure: &Figure) -> String {
    let sorted = figure.sorted();
    let median = number(figure.median());
    match (sorted.first(), sorted.last()) {
        (Some(least), Some(most)) if sorted.len() > 1 => format!("{median} ({}–{})", number(*least), number(*most)),
        _ => median,
    }
}

/// A number as people write it: three digits that matter, and thousands apart.
pub(crate) fn number(value: f64) -> String {
    if value.abs() < 10.0 && value.fract() != 0.0 {
        return format!("{value:.2}");
    }
    if value.abs() < 100.0 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_medians_their_spread_and_the_ratio() {
        let mut shown = Table::new("accept");
        for value in [5_000.0, 4_000.0, 4_500.0] {
            shown.add(BARE, "events/s", value * 2.0);
            shown.add(OURS, "events/s", value);
        }

        assert_eq!(
            table(&shown),
            "|  | events/s |\n| --- | ---: |\n| bare | 9,000 (8,000–10,000) |\n| ours | 4,500 (4,000–5,000) |\n\
             | ours ÷ bare | 0.50 |"
        );
    }

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!([0.0, 1.234, 12.34, 123.4, 1_234_567.0].map(number), ["0", "1.23", "12.3", "123", "1,234,567"]);
    }
}
