//! The page that a process shows at `/metrics`, and the metrics that an expression of Prometheus asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::str::FromStr;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{self, Expr, MatrixSelector, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};

/// A metric: its type, its help text, and the values of each label.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    /// The values of each label, in the order of the page.
    pub(crate) labels: BTreeMap<String, Vec<String>>,
}

/// All metrics of a process, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetricsPage(pub(crate) BTreeMap<String, Family>);

impl MetricsPage {
    /// Reads Prometheus' text format.
    pub(crate) fn parse(text: &str) -> Self {
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        for line in text.lines() {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                families.entry(name.to_owned()).or_default().help.push_str(help);
            } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                families.entry(name.to_owned()).or_default().kind.push_str(kind);
            } else if let Some((series, _)) = line.rsplit_once(' ') {
                let selector = selectors(series).remove(0);
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

    /// The metrics of both pages.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The metric that a selector asks for, if the page shows it.
    pub(crate) fn family(&self, selector: &Selector) -> Option<&Family> {
        self.0.get(family_name(&selector.name, &|name| self.0.contains_key(name)))
    }
}

/// The value of the first series on a page of metrics that begins like this.
pub(crate) fn figure<N: FromStr>(page: &str, series: &str) -> N {
    let line = page.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("no {series} in\n{page}"));
    let value = line.rsplit(' ').next().and_then(|value| value.parse().ok());
    value.unwrap_or_else(|| panic!("{line} has another kind of value"))
}

/// A histogram's series have longer names than the histogram itself.
fn family_name<'n>(name: &'n str, is_known: &dyn Fn(&str) -> bool) -> &'n str {
    let shorter = ["_bucket", "_sum", "_count"].iter().find_map(|ending| name.strip_suffix(ending));
    shorter.filter(|shorter| is_known(shorter)).unwrap_or(name)
}

/// A metric that an expression asks for, and the values that it names of each label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) name: String,
    pub(crate) values: BTreeMap<String, BTreeSet<String>>,
}

impl Selector {
    fn new(selector: &VectorSelector) -> Self {
        let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for matcher in &selector.matchers.matchers {
            values.entry(matcher.name.clone()).or_default().extend(alternatives(matcher));
        }
        Self { name: selector.name.clone().unwrap_or_default(), values }
    }
}

/// The values in `label="a"` or `label=~"b|c"`.
fn alternatives(matcher: &Matcher) -> Vec<String> {
    match matcher.op {
        MatchOp::Equal | MatchOp::NotEqual => vec![matcher.value.clone()],
        MatchOp::Re(_) | MatchOp::NotRe(_) => matcher.value.split('|').map(str::to_owned).collect(),
    }
}

/// Every metric that an expression names.
pub(crate) fn selectors(expression: &str) -> Vec<Selector> {
    struct Collector(Vec<Selector>);
    impl ExprVisitor for Collector {
        type Error = Infallible;

        fn pre_visit(&mut self, expression: &Expr) -> Result<bool, Infallible> {
            if let Expr::VectorSelector(selector) | Expr::MatrixSelector(MatrixSelector { vs: selector, .. }) =
                expression
            {
                self.0.push(Selector::new(selector));
            }
            Ok(true)
        }
    }

    let parsed = parser::parse(expression).unwrap_or_else(|error| panic!("{error}: {expression}"));
    let mut collector = Collector(Vec::new());
    let Ok(_) = walk_expr(&mut collector, &parsed);
    collector.0
}

#[test]
fn the_metrics_and_label_values_of_an_expression_are_listed() {
    let expression = r#"1 - sum by (le) (rate(a_bucket{le="1"}[5m])) / on (job) max(max_over_time(b{c=~"d|e", f!="g"}[10m] offset 10m)) > 2 * 3600 or h"#;

    let listed: Vec<String> =
        selectors(expression).iter().map(|one| format!("{} {:?}", one.name, one.values)).collect();

    assert_eq!(listed, [r#"a_bucket {"le": {"1"}}"#, r#"b {"c": {"d", "e"}, "f": {"g"}}"#, "h {}"]);
}
