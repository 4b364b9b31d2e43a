//! Rules, dashboards, runbook and documents name only metrics that the processes really show.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use expect_test::expect_file;
use testkit::eventually;

use crate::support::bodies::text;
use crate::support::connect_stack::ConnectStack;
use crate::support::metrics_page::{Family, MetricsPage, Selector, selectors};
use crate::support::stack::{Stack, get};
use crate::support::workspace::{read, root};

/// Metrics of others that rules and dashboards use: RabbitMQ's (alerts.rs finds them on a real one) and Prometheus'.
pub(crate) const OTHERS: [&str; 6] = [
    "rabbitmq_disk_space_available_bytes",
    "rabbitmq_disk_space_available_limit_bytes",
    "rabbitmq_process_resident_memory_bytes",
    "rabbitmq_resident_memory_limit_bytes",
    "up",
    "ALERTS",
];
/// The parts of docs/metrics.md, and how the names of their metrics begin.
const PARTS: [(&str, &str); 6] = [
    ("Ingest", "ingest_"),
    ("Dispatcher", "dispatcher_"),
    ("Connect", "connect_"),
    ("The queue", "queue_"),
    ("The channel store", "channels_"),
    ("Every process", "process_"),
];
/// Labels that Prometheus adds to every series.
const ADDED: [&str; 2] = ["job", "instance"];
const CASES: [&str; 2] = ["ops/prometheus/rules_test.yml", "ops/prometheus/rules_days_test.yml"];
pub(crate) const DASHBOARDS: [&str; 3] = [
    "ops/grafana/dashboards/acceptance.json",
    "ops/grafana/dashboards/connect.json",
    "ops/grafana/dashboards/delivery.json",
];
const HEAD: &str = include_str!("metrics_head.md");

/// An alert of ops/prometheus/rules.yml.
#[derive(Clone, Debug)]
struct Rule {
    alert: String,
    severity: String,
    expression: String,
    runbook: String,
}

fn yaml(file: &str) -> serde_json::Value {
    serde_saphyr::from_str(&read(&root().join(file))).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn list<'v>(value: &'v serde_json::Value, name: &str) -> impl Iterator<Item = &'v serde_json::Value> {
    value[name].as_array().into_iter().flatten()
}

fn rules() -> Vec<Rule> {
    let file = yaml("ops/prometheus/rules.yml");
    let rules = list(&file, "groups").flat_map(|group| list(group, "rules"));
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    rules
        .map(|rule| Rule {
            alert: text(&rule["alert"]),
            severity: text(&rule["labels"]["severity"]),
            expression: text(&rule["expr"]),
            runbook: text(&rule["annotations"]["runbook"]),
        })
        .collect()
}

/// The expressions of a dashboard, each with the title of its panel. Grafana's variable is replaced by a duration.
pub(crate) fn panels(dashboard: &str) -> Vec<(String, String)> {
    let board: serde_json::Value = serde_json::from_str(&read(&root().join(dashboard))).expect("JSON");
    let mut expressions = Vec::new();
    for panel in board["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            let expression = target["expr"].as_str().expect("an expression");
            expressions.push((panel["title"].to_string(), expression.replace("$__rate_interval", "1m")));
        }
    }
    expressions
}

#[test]
fn everything_that_an_alert_is_made_of_is_on_a_dashboard() {
    let names = |expression: &String| selectors(expression).into_iter().map(|one| one.name).collect::<Vec<_>>();
    let panels = DASHBOARDS.iter().flat_map(|dashboard| panels(dashboard));
    let shown: BTreeSet<String> = panels.flat_map(|(_, expression)| names(&expression)).collect();

    for rule in rules() {
        for name in names(&rule.expression).iter().filter(|name| !OTHERS.contains(&name.as_str())) {
            // A histogram is shown by some of its series.
            let family =
                ["_bucket", "_count", "_sum"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
            assert!(shown.iter().any(|shown| shown.starts_with(family)), "{}: no dashboard shows {name}", rule.alert);
        }
    }
}

/// The pages of metrics of a running ingest and a running dispatcher.
async fn pages(stack: &mut Stack) -> [String; 2] {
    let ingest = stack.processes.ingest.logs("Admin port listens on ").await;
    let dispatcher = stack.processes.dispatchers[0].logs("Admin port listens on ").await;
    [get(&ingest, "/metrics").await.1, get(&dispatcher, "/metrics").await.1]
}

/// The pages of metrics of all three processes, by name.
async fn pages_of_all() -> [(&'static str, String); 3] {
    let [ingest, dispatcher] = pages(&mut Stack::start().await).await;
    [("ingest", ingest), ("dispatcher", dispatcher), ("connect", ConnectStack::start().await.metrics().await)]
}

fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(root().join("ops/prometheus"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool can't be run: {error}; ops/test.sh installs it"));
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_of_metrics_lists_what_running_processes_show() {
    let processes = pages_of_all().await.map(|(name, text)| (name, MetricsPage::parse(&text)));
    let all = together(&processes);

    let mut text = HEAD.to_owned();
    for (title, prefix) in PARTS {
        let by: Vec<&str> = processes.iter().filter(|(_, page)| holds(page, prefix)).map(|(name, _)| *name).collect();
        let by = by.join(" and ");
        write!(
            text,
            "\n## {title}\n\nShown by {by}.\n\n| metric | type | labels | what it says |\n|---|---|---|---|\n"
        )
        .expect("writing to a string cannot fail");
        all.0
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .for_each(|(name, family)| row(&mut text, name, family));
    }

    expect_file!["../../../docs/metrics.md"].assert_eq(&text);
}

/// The metrics that any process shows.
fn together(processes: &[(&str, MetricsPage)]) -> MetricsPage {
    processes.iter().fold(MetricsPage::default(), |all, (_, page)| all.with(page.clone()))
}

fn holds(page: &MetricsPage, prefix: &str) -> bool {
    page.0.keys().any(|name| name.starts_with(prefix))
}

fn row(text: &mut String, name: &str, family: &Family) {
    let label = |(label, values): (&String, &Vec<String>)| match label.as_str() {
        "le" => {
            format!("up to {}", values.iter().filter(|value| *value != "+Inf").cloned().collect::<Vec<_>>().join(", "))
        }
        "version" => "`version`".to_owned(),
        label => format!("`{label}`: {}", values.join(", ")),
    };
    let labels = family.labels.iter().map(label).collect::<Vec<_>>().join("; ");
    writeln!(text, "| `{name}` | {} | {labels} | {} |", family.kind, family.help)
        .expect("writing to a string cannot fail");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_dashboards_and_documents_name_only_what_running_processes_show() {
    let page = together(&pages_of_all().await.map(|(name, text)| (name, MetricsPage::parse(&text))));
    let jobs = jobs();
    let rules = rules().into_iter().map(|rule| (rule.alert, rule.expression));
    let dashboards = DASHBOARDS.iter().flat_map(|dashboard| panels(dashboard));

    for (place, expression) in rules.chain(dashboards).chain(series_of_cases()).chain(named_in_documents()) {
        let (others, ours): (Vec<_>, Vec<_>) =
            selectors(&expression).into_iter().partition(|one| OTHERS.contains(&one.name.as_str()));
        for selector in others.iter().chain(&ours) {
            let named = selector.values.get("job").cloned().unwrap_or_default();
            assert!(named.is_subset(&jobs), "{place}: {selector:?} names a job that is not among {jobs:?}");
        }
        for selector in ours {
            let family =
                page.family(&selector).unwrap_or_else(|| panic!("{place}: no process shows {}", selector.name));
            assert!(is_possible(&selector, family), "{place}: {selector:?} never matches {:?}", family.labels);
        }
    }
}

/// The jobs that Prometheus scrapes.
fn jobs() -> BTreeSet<String> {
    let settings = yaml("ops/prometheus/prometheus.yml");
    list(&settings, "scrape_configs").map(|job| job["job_name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Whether a selector can ever match: every label value exists from the start, so one that is missing stays missing.
fn is_possible(selector: &Selector, family: &Family) -> bool {
    selector.values.iter().filter(|(label, _)| !ADDED.contains(&label.as_str())).all(|(label, values)| {
        let known: BTreeSet<String> = family.labels.get(label).into_iter().flatten().cloned().collect();
        values.is_subset(&known)
    })
}

/// The series that the cases of the rules give, each with the name of its case.
fn series_of_cases() -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let cases = CASES.map(yaml).into_iter().flat_map(|file| file["tests"].as_array().cloned().unwrap_or_default());
    let series = cases.flat_map(|case| {
        list(&case, "input_series").map(|one| (text(&case["name"]), text(&one["series"]))).collect::<Vec<_>>()
    });
    series.collect()
}

/// The metrics that documents name, each with its document. A name that ends in `_` is part of a pattern for grep.
fn named_in_documents() -> Vec<(String, String)> {
    let documents = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "ops/runbook.md"];
    let words = documents.iter().flat_map(|document| {
        let text = read(&root().join(document));
        let words = text.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
        words.map(|word| ((*document).to_owned(), word.to_owned())).collect::<Vec<_>>()
    });
    let is_metric = |word: &str| PARTS.iter().any(|(_, prefix)| word.starts_with(prefix)) && !word.ends_with('_');
    words.filter(|(_, word)| is_metric(word)).collect()
}

/// The alerts that fire in some case, each with its severity.
fn fired_in_cases() -> BTreeSet<(String, String)> {
    let mut fired = BTreeSet::new();
    for file in CASES.map(yaml) {
        for expected in list(&file, "tests").flat_map(|case| list(case, "promql_expr_test")) {
            for sample in list(expected, "exp_samples") {
                let labels = format!("ALERTS{}", sample["labels"].as_str().expect("labels"));
                let mut values = selectors(&labels).remove(0).values;
                let mut value = |label: &str| values.remove(label).unwrap_or_default().pop_first().unwrap_or_default();
                fired.insert((value("alertname"), value("severity")));
            }
        }
    }
    fired
}

#[test]
fn every_alert_fires_in_some_case_and_is_silent_in_the_healthy_case_which_has_all_of_its_series() {
    let rules = rules();
    let alerts: BTreeSet<_> = rules.iter().map(|rule| (rule.alert.clone(), rule.severity.clone())).collect();
    let healthy = &yaml(CASES[0])["tests"][0];
    let given: BTreeSet<String> = list(healthy, "input_series")
        .flat_map(|one| selectors(one["series"].as_str().expect("a series")))
        .map(|one| one.name)
        .collect();

    assert_eq!(fired_in_cases(), alerts);
    assert!(list(healthy, "promql_expr_test").all(|expected| list(expected, "exp_samples").count() == 0));
    for rule in rules {
        let named: BTreeSet<String> = selectors(&rule.expression).into_iter().map(|one| one.name).collect();
        let missing = named.difference(&given);
        assert!(named.is_subset(&given), "{}: the healthy case has no {missing:?}", rule.alert);
    }
}

#[test]
fn every_alert_has_an_entry_in_the_runbook_and_every_entry_an_alert() {
    let runbook = read(&root().join("ops/runbook.md"));
    let (_, alerts) = runbook.split_once("\n## Alerts\n").expect("a part about alerts");
    let alerts = alerts.split("\n## ").next().unwrap_or_default();
    let entries: BTreeMap<&str, &str> =
        alerts.split("\n### ").skip(1).filter_map(|entry| entry.split_once('\n')).collect();
    let rules = rules();

    assert_eq!(
        entries.keys().copied().collect::<BTreeSet<_>>(),
        rules.iter().map(|rule| rule.alert.as_str()).collect()
    );
    for rule in &rules {
        assert_eq!(rule.runbook, format!("ops/runbook.md#{}", rule.alert.to_lowercase()));
        assert!(["page", "ticket"].contains(&rule.severity.as_str()), "{}: {}", rule.alert, rule.severity);
    }
    for (alert, entry) in entries {
        let commands = entry.split("```").nth(1).unwrap_or_default().lines().skip(1).count();
        assert_eq!(commands, 3, "{alert}: its entry begins with three commands");
        assert!(
            entry.contains("\n**Do:** ") && entry.contains("\n**Wake:** "),
            "{alert}: its entry says what to do and whom to wake"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_counted_when_its_notification_is_accepted_and_not_before() {
    let mut stack = Stack::start().await;
    let messages = r#"ingest_events_total{class="messages"}"#;

    stack.broker_link.cut();
    eventually("it is refused", async || (stack.processes.post(text(1)).await == 503).then_some(())).await;
    assert!(pages(&mut stack).await[0].contains(&format!("{messages} 0\n")));

    stack.broker_link.mend();
    stack.processes.post_until_accepted(text(1)).await;
    assert!(pages(&mut stack).await[0].contains(&format!("{messages} 1\n")));
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_has_no_complaint_about_the_metrics() {
    for (process, text) in pages_of_all().await {
        assert_eq!(promtool(&["check", "metrics"], &text), (true, String::new()), "{process}");
    }
}

#[test]
fn promtool_accepts_the_rules_and_their_cases_pass() {
    for arguments in [
        &["check", "config", "prometheus.yml"][..],
        &["check", "rules", "rules.yml"],
        &["test", "rules", "rules_test.yml", "rules_days_test.yml"],
    ] {
        let (is_good, output) = promtool(arguments, "");
        assert!(is_good, "promtool {arguments:?}: {output}");
    }
}
