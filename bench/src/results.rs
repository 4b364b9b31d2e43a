//! What was measured: figures of several rounds, kept in `target/bench` until `bench report` writes them into documents.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::machine;

/// Where the results of each command are kept.
const FOLDER: &str = "target/bench";

/// All that one command has measured.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Results {
    /// The command and its arguments, as it can be repeated.
    pub(crate) command: String,
    /// Which commit was measured.
    pub(crate) commit: String,
    /// What it was measured on.
    pub(crate) machine: String,
    pub(crate) tables: Vec<Table>,
}

/// Rows that are compared with each other.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// What the rows differ in, if that is a number.
    pub(crate) axis: Option<String>,
    pub(crate) rows: Vec<Row>,
}

/// What was measured of one thing.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Where it stands on the table's axis.
    pub(crate) at: Option<f64>,
    pub(crate) figures: Vec<Figure>,
}

/// A figure, once for each round.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Figure {
    /// What it is, with its unit.
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
}

impl Results {
    /// Notes what is about to be measured, and on what.
    pub(crate) fn begin() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let profile = match machine::profile().as_str() {
            "release" => "--release".to_owned(),
            profile => format!("--profile {profile}"),
        };
        let command = format!("cargo run {profile} -p bench -- {}", arguments.join(" "));
        Self { command, commit: machine::commit(), machine: machine::describe(), tables: Vec::new() }
    }

    /// The table with this title. Adds an empty one if there is none.
    pub(crate) fn table(&mut self, title: &str, axis: &str) -> &mut Table {
        let found = self.tables.iter().position(|table| table.title == title);
        let index = found.unwrap_or_else(|| {
            self.tables.push(Table::by(title, axis));
            self.tables.len() - 1
        });
        &mut self.tables[index]
    }

    /// Keeps them for `bench report`.
    pub(crate) fn keep(&self, name: &str) {
        std::fs::create_dir_all(FOLDER).expect("target can be written");
        let text = serde_json::to_string_pretty(self).expect("figures can be written");
        std::fs::write(path(name), text).expect("target can be written");
    }

    /// What a command has measured last; `None` if it was not run.
    pub(crate) fn load(name: &str) -> Option<Self> {
        let text = std::fs::read_to_string(path(name)).ok()?;
        serde_json::from_str(&text).ok()
    }
}

impl Table {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), ..Self::default() }
    }

    pub(crate) fn by(title: &str, axis: &str) -> Self {
        Self { axis: Some(axis.to_owned()), ..Self::new(title) }
    }

    /// Adds a figure to the row with this name, and prints it, so that a long measurement can be followed.
    pub(crate) fn add(&mut self, row: &str, figure: &str, value: f64) {
        self.row(row, None).add(figure, value);
    }

    /// The row with this name at this place. Adds an empty one if there is none.
    pub(crate) fn row(&mut self, name: &str, at: Option<f64>) -> &mut Row {
        let found = self.rows.iter().position(|row| row.name == name && row.at == at);
        let index = found.unwrap_or_else(|| {
            self.rows.push(Row { name: name.to_owned(), at, figures: Vec::new() });
            self.rows.len() - 1
        });
        &mut self.rows[index]
    }
}

impl Row {
    pub(crate) fn add(&mut self, name: &str, value: f64) {
        println!("{} {}: {name} {value:.1}", self.name, self.at.map(|at| at.to_string()).unwrap_or_default());
        match self.figures.iter_mut().find(|figure| figure.name == name) {
            Some(figure) => figure.values.push(value),
            None => self.figures.push(Figure { name: name.to_owned(), values: vec![value] }),
        }
    }

    pub(crate) fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}

impl Figure {
    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    /// All values, the least first.
    pub(crate) fn sorted(&self) -> Vec<f64> {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        values
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name).with_extension("json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_of_three_rounds_has_their_median() {
        let mut table = Table::new("how fast");
        for value in [3.0, 1.0, 2.0] {
            table.add("ours", "events/s", value);
        }

        let row = table.row("ours", None);
        assert_eq!(row.figure("events/s").map(Figure::median), Some(2.0));
        assert!(row.figure("another").is_none());
    }
}
