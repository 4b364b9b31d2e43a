//! What processes show at `/metrics`, read back; and what a query asks for.

use std::collections::{BTreeMap, BTreeSet};

/// A metric: its type, what it says, and the values of each label.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    /// In the order shown.
    pub(crate) labels: BTreeMap<String, Vec<String>>,
}

/// All metrics of a process, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown(pub(crate) BTreeMap<String, Family>);

impl Shown {
    /// Reads Prometheus' text format.
    pub(crate) fn read(text: &str) -> Self {
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        for line in text.lines() {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                families.entry(name.to_owned()).or_default().help.push_str(help);
            } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                families.entry(name.to_owned()).or_default().kind.push_str(kind);
            } else if let Some(selector) = selectors(line).first() {
                let name = family_name(&selector.name, &|name| families.contains_key(name)).to_owned();
                let family = families.get_mut(&name).unwrap_or_else(|| panic!("no HELP before {line}"));
                for (label, values) in &selector.values {
                    let known = family.labels.entry(label.clone()).or_default();
                    known.extend(values.iter().filter(|value| !known.contains(value)).cloned().collect::<Vec<_>>());
                }
            }
        }
        Self(families)
    }

    /// What both show.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The metric that a selector asks for, if it is shown.
    pub(crate) fn family(&self, selector: &Selector) -> Option<&Family> {
        self.0.get(family_name(&selector.name, &|name| self.0.contains_key(name)))
    }
}

/// A histogram's series have longer names than itself.
fn family_name<'n>(name: &'n str, is_known: &dyn Fn(&str) -> bool) -> &'n str {
    let shorter = ["_bucket", "_sum", "_count"].iter().find_map(|ending| name.strip_suffix(ending));
    shorter.filter(|shorter| is_known(shorter)).unwrap_or(name)
}

/// A metric that an expression asks for, and the values it names of each label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) name: String,
    pub(crate) values: BTreeMap<String, BTreeSet<String>>,
}

/// Words of a query that stand where a metric could; functions are known by their parenthesis.
const WORDS: [&str; 5] = ["and", "or", "unless", "offset", "bool"];
/// Words before a list of labels; aggregations stand before them.
const GROUPINGS: [&str; 5] = ["by", "on", "without", "ignoring", "group_left"];

/// Every metric that an expression names. Knows as much of the language as our rules and dashboards use.
pub(crate) fn selectors(expression: &str) -> Vec<Selector> {
    let (mut found, mut rest) = (Vec::new(), expression);
    while let Some(letter) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix('[') {
            rest = behind.split_once(']').map_or("", |(_, behind)| behind);
        } else if letter.is_ascii_digit() {
            rest = rest.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '.');
        } else if letter.is_ascii_alphabetic() || letter == '_' {
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            let next = behind.trim_start();
            rest = behind;
            if GROUPINGS.contains(&word) {
                rest = next.split_once(')').map_or("", |(_, behind)| behind);
            } else if !WORDS.contains(&word) && !next.starts_with('(') && !starts_with_grouping(next) {
                let matchers = behind.strip_prefix('{').and_then(|behind| behind.split_once('}'));
                let values = matchers.map(|(matchers, _)| values(matchers)).unwrap_or_default();
                rest = matchers.map_or(behind, |(_, behind)| behind);
                found.push(Selector { name: word.to_owned(), values });
            }
        } else {
            rest = &rest[letter.len_utf8()..];
        }
    }
    found
}

/// `sum by (le) (…)`: what stands before is an aggregation.
fn starts_with_grouping(text: &str) -> bool {
    ["by (", "without ("].iter().any(|grouping| text.starts_with(grouping))
}

/// The values in `label="a", other=~"b|c"`.
fn values(matchers: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut parts = matchers.split('"');
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while let (Some(label), Some(value)) = (parts.next(), parts.next()) {
        let label = label.trim_matches(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        values.entry(label.to_owned()).or_default().extend(value.split('|').map(str::to_owned));
    }
    values
}

#[test]
fn an_expression_tells_the_metrics_and_label_values_it_asks_for() {
    let expression = r#"1 - sum by (le) (rate(a_bucket{le="1"}[5m])) / on (job) max(max_over_time(b{c=~"d|e", f!="g"}[10m] offset 10m)) > 2 * 3600 or h"#;

    let told: Vec<String> = selectors(expression).iter().map(|one| format!("{} {:?}", one.name, one.values)).collect();

    assert_eq!(told, [r#"a_bucket {"le": {"1"}}"#, r#"b {"c": {"d", "e"}, "f": {"g"}}"#, "h {}"]);
}
