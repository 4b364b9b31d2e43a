//! Alerts fire when a fault is made for real, and clear after: a real Prometheus with our rules reads running processes.
//! Time runs thirty times as fast for it as our files say (a minute is two seconds); the processes know nothing of that.

use std::time::Duration;

use testkit::{Prometheus, eventually_within};
use url::form_urlencoded::byte_serialize;

use crate::support::bodies::text;
use crate::support::stack::Stack;
use crate::support::workspace::{read, root};

/// How much faster time runs.
const FASTER: u64 = 30;
/// Long enough for an alert on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// Prometheus with our files, pointed at the processes of a test.
struct Watch(Prometheus);

impl Watch {
    /// Watches a stack; and others, by the name of their job and where they show metrics.
    async fn over(stack: &mut Stack, others: &[(&'static str, String)]) -> Self {
        let ingest = stack.processes.ingest.says("Admin port listens on ").await;
        let dispatcher = stack.processes.dispatchers[0].says("Admin port listens on ").await;
        let targets = [&[("ingest", ingest), ("dispatcher", dispatcher)], others].concat();
        let rules = faster(&read(&root().join("ops/prometheus/rules.yml")));
        let settings = faster(&pointed_at(&targets, &read(&root().join("ops/prometheus/prometheus.yml"))));
        let watch = Self(Prometheus::start(&[("prometheus.yml", &settings), ("rules.yml", &rules)]).await);
        let wanted = targets.len().to_string();
        watch.sees(&format!("{wanted} targets answer"), "count(up == 1)", wanted).await;
        watch
    }

    /// The answer to a query, as Prometheus gives it.
    async fn ask(&self, query: &str) -> serde_json::Value {
        let query: String = byte_serialize(query.as_bytes()).collect();
        self.get(&format!("/api/v1/query?query={query}")).await
    }

    async fn get(&self, path: &str) -> serde_json::Value {
        let answer = self.0.get(path).await;
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Every rule can be computed from what is there.
    async fn understands_every_rule(&self) {
        let answer = self.get("/api/v1/rules").await;
        let groups = answer["data"]["groups"].as_array().expect("groups");
        let rules: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
        assert!(rules.len() > 20, "{} rules", rules.len());
        for rule in rules {
            assert_eq!(rule["health"], "ok", "{rule}");
        }
    }

    async fn sees(&self, what: &str, query: &str, value: String) {
        let seen = async || (self.ask(query).await["data"]["result"][0]["value"][1] == value.as_str()).then_some(());
        eventually_within(PATIENCE, what, seen).await;
    }

    async fn fires(&self, alert: &str, severity: &str) -> bool {
        let firing = format!(r#"ALERTS{{alertname="{alert}", severity="{severity}", alertstate="firing"}}"#);
        self.ask(&firing).await["data"]["result"].as_array().is_some_and(|series| !series.is_empty())
    }

    /// Waits until the alert fires, while something is done again and again.
    async fn told_of(&self, alert: &str, severity: &str, meanwhile: impl AsyncFn()) {
        let told = async || {
            meanwhile().await;
            self.fires(alert, severity).await.then_some(())
        };
        eventually_within(PATIENCE, &format!("{alert} ({severity}) fires"), told).await;
    }

    async fn is_clear_of(&self, alert: &str, meanwhile: impl AsyncFn()) {
        let clear = async || {
            meanwhile().await;
            (!self.fires(alert, "page").await && !self.fires(alert, "ticket").await).then_some(())
        };
        eventually_within(PATIENCE, &format!("{alert} clears"), clear).await;
    }
}

/// Every duration in our files, thirty times shorter.
fn faster(text: &str) -> String {
    ["for: ", "[", "offset ", "_interval: "].iter().fold(text.to_owned(), |text, before| {
        let mut parts = text.split(before);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |done, part| format!("{done}{before}{}", shorter(part).unwrap_or_else(|| part.to_owned())))
    })
}

/// A text that begins with a duration, with a shorter one.
fn shorter(text: &str) -> Option<String> {
    let end = text.find(|letter: char| !letter.is_ascii_digit())?;
    let seconds = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let (_, unit) = seconds.into_iter().find(|(letter, _)| text[end..].starts_with(*letter))?;
    let count: u64 = text[..end].parse().ok()?;
    Some(format!("{}ms{}", count * unit * 1_000 / FASTER, &text[end + 1..]))
}

/// Our settings, with addresses instead of the names in compose; of what is not there, with none.
fn pointed_at(targets: &[(&str, String)], settings: &str) -> String {
    let mut job = "";
    let lines = settings.lines().map(|line| {
        job = line.trim_start().strip_prefix("- job_name: ").unwrap_or(job);
        let target = targets.iter().find(|(name, _)| *name == job);
        match (line.trim_start().starts_with("dns_sd_configs:"), target) {
            (false, _) => line.to_owned(),
            (true, Some((_, address))) => format!("    static_configs: [{{ targets: [\"{address}\"] }}]"),
            (true, None) => "    static_configs: []".to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_duration_is_shortened_and_nothing_else() {
    assert_eq!(
        faster("scrape_interval: 15s\nfor: 5m # for 2\nx[1h] offset 10m > 60 [rules.yml]"),
        "scrape_interval: 500ms\nfor: 10000ms # for 2\nx[120000ms] offset 20000ms > 60 [rules.yml]"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_pages_and_is_quiet_again_when_it_is_back() {
    let mut stack = Stack::start().await;
    let watch = Watch::over(&mut stack, &[]).await;
    let post = async || {
        stack.processes.post(text(1)).await;
    };
    assert!(!watch.fires("BrokerAway", "page").await);

    stack.broker_link.cut();
    watch.told_of("BrokerAway", "page", async || {}).await;
    watch.told_of("MetaIsRefused", "page", post).await;

    stack.broker_link.mend();
    watch.is_clear_of("BrokerAway", async || {}).await;
    watch.is_clear_of("MetaIsRefused", post).await;
    watch.understands_every_rule().await;
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

    /// New events, one after the other.
    async fn post(stack: &Stack, serials: &AtomicUsize) {
        stack.processes.post(text(serials.fetch_add(1, Ordering::Relaxed))).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn dsk_down_pages_and_is_quiet_again_when_it_is_up() {
        let mut stack = Stack::start().await;
        let (watch, serials) = (Watch::over(&mut stack, &[]).await, AtomicUsize::new(0));
        let posts = async || post(&stack, &serials).await;

        stack.processes.dsk.behave(|dsk| dsk.answer = Some(503));
        watch.told_of("DestinationUnavailable", "ticket", posts).await;
        watch.told_of("DestinationUnavailable", "page", posts).await;

        stack.processes.dsk.behave(|dsk| dsk.answer = None);
        watch.is_clear_of("DestinationUnavailable", posts).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn dead_letters_are_told_of_and_it_is_quiet_when_no_more_arrive() {
        let mut stack = Stack::start().await;
        let (watch, serials) = (Watch::over(&mut stack, &[]).await, AtomicUsize::new(0));
        let posts = async || post(&stack, &serials).await;
        posts().await;
        stack.processes.delivered(1).await;
        assert!(!watch.fires("DeadLettersArrive", "ticket").await);

        stack.processes.dsk.behave(|dsk| dsk.answer = Some(400));
        watch.told_of("DeadLettersArrive", "ticket", posts).await;
        watch.told_of("DeadLettersArrive", "page", posts).await;

        stack.processes.dsk.behave(|dsk| dsk.answer = None);
        watch.is_clear_of("DeadLettersArrive", posts).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_redis_that_is_away_pages_and_is_quiet_again_when_it_is_back() {
        let mut stack = Stack::start().await;
        let watch = Watch::over(&mut stack, &[]).await;

        stack.redis_link.cut();
        watch.told_of("ChannelStoreAway", "page", async || {}).await;

        stack.redis_link.mend();
        watch.is_clear_of("ChannelStoreAway", async || {}).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn processes_that_are_gone_page() {
        let (mut stack, connect) = (Stack::start().await, ConnectStack::start().await);
        let watch = Watch::over(&mut stack, &[("connect", connect.admin.clone())]).await;

        stack.processes.ingest.kill().await;
        stack.processes.dispatchers[0].kill().await;
        drop(connect);

        watch.told_of("IngestGone", "page", async || {}).await;
        watch.told_of("DispatchersGone", "page", async || {}).await;
        watch.told_of("ConnectGone", "page", async || {}).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_channel_whose_token_is_refused_is_told_of_until_its_token_is_replaced() {
        let mut stack = Stack::start().await;
        let watch = Watch::over(&mut stack, &[]).await;

        let wanted = Secret::new("another-token");
        stack.processes.dsk.behave(|dsk| dsk.token = Some(wanted.clone()));
        stack.processes.post(text(1)).await;
        watch.told_of("DestinationMisconfigured", "ticket", async || {}).await;

        let sealed = key_ring(&[&stack.processes.key()]).seal(&wanted);
        let (channel, store) = (NewChannel::new(Address::new(ADDRESS), "tenant", sealed), stack.store());
        eventually("the new token is stored", async || store.add(&channel, now()).await.ok()).await;
        stack.processes.delivered(1).await;
        watch.is_clear_of("DestinationMisconfigured", async || {}).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_blocked_broker_pages_and_every_panel_shows_something() {
        let broker = RabbitMq::watched().await;
        let mut stack = Stack::on(&broker, broker.vhost().url()).await;
        let connect = ConnectStack::start().await;
        let metrics = broker.metrics_address().expect("it shows metrics").to_string();
        let others = [("rabbitmq", metrics.clone()), ("connect", connect.admin.clone())];
        let (watch, serials) = (Watch::over(&mut stack, &others).await, AtomicUsize::new(0));
        let posts = async || post(&stack, &serials).await;
        let (_, shown) = get(&metrics, "/metrics").await;
        for name in OTHERS.iter().filter(|name| name.starts_with("rabbitmq_")) {
            assert!(shown.contains(&format!("\n{name} ")), "RabbitMQ does not show {name}");
        }

        broker.raise_memory_alarm().await;
        watch.told_of("BrokerBlocked", "page", posts).await;
        for (panel, expression) in DASHBOARDS.iter().flat_map(|dashboard| panels(dashboard)) {
            let what = format!("{panel} shows something: {expression}");
            let something = async || {
                let answer = watch.ask(&expression).await;
                assert_eq!(answer["status"], "success", "{panel}: {answer}");
                answer["data"]["result"].as_array().is_some_and(|series| !series.is_empty()).then_some(())
            };
            eventually_within(PATIENCE, &what, something).await;
        }
        watch.understands_every_rule().await;

        broker.clear_memory_alarm().await;
        watch.is_clear_of("BrokerBlocked", posts).await;
    }
}
