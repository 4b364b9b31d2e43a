//! Alerts fire on real faults and clear afterwards: a real Prometheus with our rules watches running processes. For it
//! time runs thirty times as fast as our files say (a minute takes two seconds); the processes run as always.

use std::time::Duration;

use testkit::{Prometheus, eventually_within};
use url::form_urlencoded::byte_serialize;

use crate::support::bodies::text;
use crate::support::stack::Stack;
use crate::support::workspace::{read, root};

/// How much faster time runs for Prometheus.
const FASTER: u64 = 30;
/// How long an alert may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// A Prometheus with our files that watches the processes of a test.
struct AlertWatch(Prometheus);

impl AlertWatch {
    /// Watches a stack, and other processes by their job and the address of their metrics.
    async fn over(stack: &mut Stack, others: &[(&'static str, String)]) -> Self {
        let ingest = stack.processes.ingest.logs("Admin port listens on ").await;
        let dispatcher = stack.processes.dispatchers[0].logs("Admin port listens on ").await;
        let targets = [&[("ingest", ingest), ("dispatcher", dispatcher)], others].concat();
        let rules = faster(&read(&root().join("ops/prometheus/rules.yml")));
        let settings = faster(&pointed_at(&targets, &read(&root().join("ops/prometheus/prometheus.yml"))));
        let watch = Self(Prometheus::start(&[("prometheus.yml", &settings), ("rules.yml", &rules)]).await);
        let count = targets.len().to_string();
        watch.waits_for_value(&format!("{count} targets answer"), "count(up == 1)", &count).await;
        watch
    }

    /// Sends a query and returns Prometheus' answer.
    async fn ask(&self, query: &str) -> serde_json::Value {
        let query: String = byte_serialize(query.as_bytes()).collect();
        self.get(&format!("/api/v1/query?query={query}")).await
    }

    async fn get(&self, path: &str) -> serde_json::Value {
        let answer = self.0.get(path).await;
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Checks that Prometheus evaluates every rule without an error.
    async fn evaluates_every_rule(&self) {
        let answer = self.get("/api/v1/rules").await;
        let groups = answer["data"]["groups"].as_array().expect("groups");
        let rules: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
        assert!(rules.len() > 20, "{} rules", rules.len());
        for rule in rules {
            assert_eq!(rule["health"], "ok", "{rule}");
        }
    }

    async fn waits_for_value(&self, what: &str, query: &str, value: &str) {
        let is_shown = async || (self.ask(query).await["data"]["result"][0]["value"][1] == value).then_some(());
        eventually_within(PATIENCE, what, is_shown).await;
    }

    async fn fires(&self, alert: &str, severity: &str) -> bool {
        let firing = format!(r#"ALERTS{{alertname="{alert}", severity="{severity}", alertstate="firing"}}"#);
        self.ask(&firing).await["data"]["result"].as_array().is_some_and(|series| !series.is_empty())
    }

    /// Waits until the alert fires, and calls `meanwhile` before each look.
    async fn waits_for(&self, alert: &str, severity: &str, meanwhile: impl AsyncFn()) {
        let is_firing = async || {
            meanwhile().await;
            self.fires(alert, severity).await.then_some(())
        };
        eventually_within(PATIENCE, &format!("{alert} ({severity}) fires"), is_firing).await;
    }

    /// Waits until the alert fires no longer, and calls `meanwhile` before each look.
    async fn waits_until_clear(&self, alert: &str, meanwhile: impl AsyncFn()) {
        let is_clear = async || {
            meanwhile().await;
            (!self.fires(alert, "page").await && !self.fires(alert, "ticket").await).then_some(())
        };
        eventually_within(PATIENCE, &format!("{alert} clears"), is_clear).await;
    }
}

/// A file of ours with every duration thirty times shorter.
fn faster(text: &str) -> String {
    ["for: ", "[", "offset ", "_interval: "].iter().fold(text.to_owned(), |text, before| {
        let mut parts = text.split(before);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |done, part| format!("{done}{before}{}", shorter(part).unwrap_or_else(|| part.to_owned())))
    })
}

/// A text that begins with a duration, with that duration shortened.
fn shorter(text: &str) -> Option<String> {
    let end = text.find(|letter: char| !letter.is_ascii_digit())?;
    let seconds = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let (_, unit) = seconds.into_iter().find(|(letter, _)| text[end..].starts_with(*letter))?;
    let count: u64 = text[..end].parse().ok()?;
    Some(format!("{}ms{}", count * unit * 1_000 / FASTER, &text[end + 1..]))
}

/// Our settings with the addresses of the test's processes. A job without a process has no targets.
fn pointed_at(targets: &[(&str, String)], settings: &str) -> String {
    let mut job = "";
    let lines = settings.lines().map(|line| {
        job = line.trim_start().strip_prefix("- job_name: ").unwrap_or(job);
        let target = targets.iter().find(|(name, _)| *name == job);
        let finds_targets =
            ["dns_sd_configs:", "file_sd_configs:"].iter().any(|way| line.trim_start().starts_with(way));
        match (finds_targets, target) {
            (false, _) => line.to_owned(),
            (true, Some((_, address))) => format!("    static_configs: [{{ targets: [\"{address}\"] }}]"),
            (true, None) => "    static_configs: []".to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_duration_is_shortened_and_nothing_else_changes() {
    assert_eq!(
        faster("scrape_interval: 15s\nfor: 5m # for 2\nx[1h] offset 10m > 60 [rules.yml]"),
        "scrape_interval: 500ms\nfor: 10000ms # for 2\nx[120000ms] offset 20000ms > 60 [rules.yml]"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_pages_until_it_is_back() {
    let mut stack = Stack::start().await;
    let watch = AlertWatch::over(&mut stack, &[]).await;
    let post = async || {
        stack.processes.post(text(1)).await;
    };
    assert!(!watch.fires("BrokerAway", "page").await);

    stack.broker_link.cut();
    watch.waits_for("BrokerAway", "page", async || {}).await;
    watch.waits_for("MetaIsRefused", "page", post).await;

    stack.broker_link.mend();
    watch.waits_until_clear("BrokerAway", async || {}).await;
    watch.waits_until_clear("MetaIsRefused", post).await;
    watch.evaluates_every_rule().await;
}

#[cfg(feature = "long")]
mod long {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use channels::NewChannel;
    use chassis::{Secret, now};
    use event::Address;
    use testkit::{RabbitMq, eventually};

    use super::*;
    use crate::documents::monitoring::{DASHBOARDS, OTHERS, panels};
    use crate::support::bodies::ADDRESS;
    use crate::support::connect_stack::ConnectStack;
    use crate::support::stack::{get, key_ring};

    /// Posts the next event.
    async fn post(stack: &Stack, serials: &AtomicUsize) {
        stack.processes.post(text(serials.fetch_add(1, Ordering::Relaxed))).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_dsk_that_is_down_pages_until_it_is_up() {
        let mut stack = Stack::start().await;
        let watch = AlertWatch::over(&mut stack, &[]).await;
        let serials = AtomicUsize::new(0);
        let posts = async || post(&stack, &serials).await;

        stack.processes.dsk.behave(|dsk| dsk.answer = Some(503));
        watch.waits_for("DestinationUnavailable", "ticket", posts).await;
        watch.waits_for("DestinationUnavailable", "page", posts).await;

        stack.processes.dsk.behave(|dsk| dsk.answer = None);
        watch.waits_until_clear("DestinationUnavailable", posts).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn arriving_dead_letters_page_until_no_more_arrive() {
        let mut stack = Stack::start().await;
        let watch = AlertWatch::over(&mut stack, &[]).await;
        let serials = AtomicUsize::new(0);
        let posts = async || post(&stack, &serials).await;
        posts().await;
        stack.processes.delivered(1).await;
        assert!(!watch.fires("DeadLettersArrive", "ticket").await);

        stack.processes.dsk.behave(|dsk| dsk.answer = Some(400));
        watch.waits_for("DeadLettersArrive", "ticket", posts).await;
        watch.waits_for("DeadLettersArrive", "page", posts).await;

        stack.processes.dsk.behave(|dsk| dsk.answer = None);
        watch.waits_until_clear("DeadLettersArrive", posts).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_redis_that_is_away_pages_until_it_is_back() {
        let mut stack = Stack::start().await;
        let watch = AlertWatch::over(&mut stack, &[]).await;

        stack.redis_link.cut();
        watch.waits_for("ChannelStoreAway", "page", async || {}).await;

        stack.redis_link.mend();
        watch.waits_until_clear("ChannelStoreAway", async || {}).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn processes_that_are_gone_page() {
        let mut stack = Stack::start().await;
        let connect = ConnectStack::start().await;
        let watch = AlertWatch::over(&mut stack, &[("connect", connect.admin.clone())]).await;

        stack.processes.ingest.kill().await;
        stack.processes.dispatchers[0].kill().await;
        drop(connect);

        watch.waits_for("IngestGone", "page", async || {}).await;
        watch.waits_for("DispatchersGone", "page", async || {}).await;
        watch.waits_for("ConnectGone", "page", async || {}).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refused_token_raises_a_ticket_until_it_is_replaced() {
        let mut stack = Stack::start().await;
        let watch = AlertWatch::over(&mut stack, &[]).await;

        let token = Secret::new("another-token");
        stack.processes.dsk.behave(|dsk| dsk.token = Some(token.clone()));
        stack.processes.post(text(1)).await;
        watch.waits_for("DestinationMisconfigured", "ticket", async || {}).await;

        let sealed = key_ring(&[&stack.processes.key()]).seal(&token);
        let channel = NewChannel::new(Address::new(ADDRESS), "tenant", sealed);
        let store = stack.store();
        eventually("the new token is stored", async || store.add(&channel, now()).await.ok()).await;
        stack.processes.delivered(1).await;
        watch.waits_until_clear("DestinationMisconfigured", async || {}).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_blocked_broker_pages_and_every_panel_shows_something() {
        let broker = RabbitMq::watched().await;
        let mut stack = Stack::on(&broker, broker.vhost().url()).await;
        let connect = ConnectStack::start().await;
        let metrics = broker.metrics_address().expect("its plugin is enabled").to_string();
        let others = [("rabbitmq", metrics.clone()), ("connect", connect.admin.clone())];
        let watch = AlertWatch::over(&mut stack, &others).await;
        let serials = AtomicUsize::new(0);
        let posts = async || post(&stack, &serials).await;
        let (_, page) = get(&metrics, "/metrics").await;
        for name in OTHERS.iter().filter(|name| name.starts_with("rabbitmq_")) {
            assert!(page.contains(&format!("\n{name} ")), "RabbitMQ does not show {name}");
        }

        broker.raise_memory_alarm().await;
        watch.waits_for("BrokerBlocked", "page", posts).await;
        for (panel, expression) in DASHBOARDS.iter().flat_map(|dashboard| panels(dashboard)) {
            let what = format!("{panel} shows something: {expression}");
            let is_shown = async || {
                let answer = watch.ask(&expression).await;
                assert_eq!(answer["status"], "success", "{panel}: {answer}");
                answer["data"]["result"].as_array().is_some_and(|series| !series.is_empty()).then_some(())
            };
            eventually_within(PATIENCE, &what, is_shown).await;
        }
        watch.evaluates_every_rule().await;

        broker.clear_memory_alarm().await;
        watch.waits_until_clear("BrokerBlocked", posts).await;
    }
}
