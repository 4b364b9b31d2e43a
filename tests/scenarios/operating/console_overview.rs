//! The console's page Overview beside the real service: what is wrong appears and goes, and the page is there whatever is
//! away.

use testkit::{Process, Prometheus, Redis, eventually, with_rights};

use crate::support::bodies::text;
use crate::support::browser::{Browser, Page};
use crate::support::console::Console;
use crate::support::page_checks::look;
use crate::support::stack::Stack;

/// The page on which the console opens.
const OVERVIEW: &str = "/overview";
const WELL: &str = "Nothing is wrong";
/// What the page shows of an outage of DSK.
const OUTAGE: &str = "/runbook#destinationunavailable";

/// The console beside the stack, with the admin ports of its processes.
async fn console(stack: &mut Stack, extra: &[(&str, &str)]) -> Console {
    let [ingest, dispatcher] = admin_ports(stack).await;
    let scrape = format!("ingest=http://{ingest},dispatcher=http://{dispatcher}");
    Console::start_with(stack, &[&[("CONSOLE_SCRAPE", scrape.as_str())], extra].concat()).await
}

async fn admin_ports(stack: &mut Stack) -> [String; 2] {
    let port = async |process: &mut Process| process.logs("Admin port listens on ").await;
    [port(&mut stack.processes.ingest).await, port(&mut stack.processes.dispatchers[0]).await]
}

/// Loads the page until it is as it should be.
async fn shows(browser: &mut Browser, what: &str, is_right: impl Fn(&str) -> bool) -> Page {
    let look = async || {
        let page = browser.get(OVERVIEW).await;
        assert_eq!(page.status, 200, "{page:?}");
        is_right(&page.body).then_some(page)
    };
    eventually(&format!("the page shows {what}"), look).await
}

/// DSK begins to fail, and ten people write.
async fn begin_outage(stack: &Stack) {
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(503));
    for serial in 1..=10 {
        assert_eq!(stack.processes.post(text(serial)).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_dsk_shows_while_it_lasts_and_without_personal_data() {
    let mut stack = Stack::start().await;
    stack.processes.post_until_accepted(text(0)).await;
    stack.processes.delivered(1).await;
    let console = console(&mut stack, &[]).await;
    let mut browser = console.browser().await;
    let well = shows(&mut browser, "that all is well", |page| page.contains(WELL)).await;
    assert!(well.body.contains("Nothing is paused") && !well.body.contains(OUTAGE), "{}", well.body);

    begin_outage(&stack).await;
    shows(&mut browser, "the outage", |page| page.contains(OUTAGE)).await;
    let paused =
        shows(&mut browser, "what is paused", |page| page.contains("<span class=\"state bad\">unavailable</span>"))
            .await;
    let origin = stack.processes.dsk.url().trim_end_matches("/events").to_owned();
    assert!(paused.body.contains(&format!("<td data-name=\"What\">{origin}</td>")), "{origin}: {}", paused.body);
    let answered = shows(&mut browser, "DSK's answers", |page| page.contains("× 503")).await;
    for personal in ["hello", "Ada Sample", "49155500000"] {
        assert!(!paused.body.contains(personal) && !answered.body.contains(personal), "{personal:?} is on the page");
    }

    stack.processes.dsk.behave(|dsk| dsk.answer = None);
    stack.processes.delivered(11).await;
    let over = shows(&mut browser, "that the outage is over", |page| {
        !page.contains(OUTAGE) && page.contains("Nothing is paused")
    })
    .await;
    assert!(over.body.contains("× 200") && over.body.contains("× 503"), "{}", over.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn dispatchers_partitions_queues_and_channels_are_shown_as_ops_status_shows_them() {
    let mut stack = Stack::start().await;
    for serial in 0..20 {
        stack.processes.post_until_accepted(text(serial)).await;
    }
    stack.processes.delivered(20).await;
    let console = console(&mut stack, &[]).await;
    let mut browser = console.browser().await;

    let page = shows(&mut browser, "a dispatcher with partitions", |page| {
        page.contains("data-name=\"Dispatcher that has them\"")
    })
    .await;

    let status = stack.ops_json(&["status", "--json"]).await;
    let instance = status["dispatchers"][0]["instance"].as_str().expect("a dispatcher reports").to_owned();
    for part in
        [&instance, "meta.messages.v2", "meta.dead.v1", "<td data-name=\"State\">connected</td>", "ops status --watch"]
    {
        assert!(page.body.contains(part), "no {part:?} in {}", page.body);
    }
    let runbook = browser.get("/runbook").await;
    assert!(runbook.body.contains("<h3 id=\"destinationunavailable\">"), "{}", runbook.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_there_while_redis_is_away_and_says_so() {
    let mut stack = Stack::start().await;
    let through = [("CHANNELS_URL", Redis::shared().await.url_through(&stack.redis_link))];
    let through = with_rights("ops", &through);
    stack.redis_link.cut();
    let console = console(&mut stack, &[("CHANNELS_URL", through[0].1.as_str())]).await;
    let mut browser = console.browser().await;

    let away = shows(&mut browser, "that Redis is away", |page| page.contains("/runbook#channelstoreaway")).await;
    assert!(away.body.contains("The channel store does not answer"), "{}", away.body);
    assert!(away.body.contains("meta.messages.v2") && away.body.contains("<svg"), "the rest is there: {}", away.body);

    stack.redis_link.mend();
    let back = |page: &str| !page.contains("The channel store does not answer") && page.contains("data-name=\"State\"");
    shows(&mut browser, "that Redis is back", back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_there_while_rabbitmq_and_a_process_are_away_and_says_so() {
    let mut stack = Stack::start().await;
    let through = stack
        .direct
        .queue_url
        .replace(&testkit::RabbitMq::shared().await.address().to_string(), &stack.broker_link.address().to_string());
    let through = with_rights("ops", &[("QUEUE_URL", through)]);
    let console = console(&mut stack, &[("QUEUE_URL", through[0].1.as_str())]).await;
    let mut browser = console.browser().await;
    shows(&mut browser, "the queues", |page| page.contains("meta.messages.v2")).await;

    stack.broker_link.cut();
    stack.processes.ingest.kill().await;
    let away = |page: &str| page.contains("/runbook#brokeraway") && page.contains("/runbook#ingestgone");
    let page = shows(&mut browser, "that RabbitMQ and ingest are away", away).await;
    assert!(page.body.contains("<span class=\"state bad\">no</span>"), "the process does not answer: {}", page.body);

    stack.broker_link.mend();
    let back = |page: &str| !page.contains("/runbook#brokeraway") && page.contains("/runbook#ingestgone");
    shows(&mut browser, "that RabbitMQ is back, and ingest is not", back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_prometheus_the_plots_are_there_at_once() {
    let mut stack = Stack::start().await;
    let [ingest, dispatcher] = admin_ports(&mut stack).await;
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: all\n    static_configs: [{{ targets: [\"{ingest}\", \"{dispatcher}\"] }}]\n"
    );
    let prometheus = Prometheus::start(&[("prometheus.yml", &config)]).await;
    let mut serial = 0;
    eventually("Prometheus knows a rate for the last step", async || {
        serial += 1;
        stack.processes.post_until_accepted(text(serial)).await;
        let step = chassis::now().as_second() / 15 * 15;
        let query = format!("/api/v1/query?query=sum(rate(ingest_events_total%5B1m%5D))%20%3E%200&time={step}");
        prometheus.get(&query).await.contains("\"value\"").then_some(())
    })
    .await;

    let console = Console::start_with(&stack, &[("CONSOLE_PROMETHEUS", &prometheus.url())]).await;
    let mut browser = console.browser().await;

    let has_rate = |page: &str| {
        let described = page.split("<desc id=\"accepted-description\">").nth(1).unwrap_or_default();
        described.starts_with("messages: now ") && !described.starts_with("messages: now –")
    };
    shows(&mut browser, "a rate", has_rate).await;
    let wrong = browser.get(OVERVIEW).await.body;
    assert!(!wrong.contains("#ingestgone") && !wrong.contains("#dispatchersgone"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_page_shows_an_outage_by_itself_and_looks_right() {
    let mut stack = Stack::start().await;
    stack.processes.post_until_accepted(text(0)).await;
    let console = console(&mut stack, &[]).await;
    let window = console.window().await;
    window.goto(OVERVIEW).await;
    window.is_at("Overview").await;
    eventually("all is well", async || window.text().await.contains(WELL).then_some(())).await;
    look(&window, "console-overview-well").await;
    window.run("document.body.dataset.mark = 'never loaded again'").await;

    begin_outage(&stack).await;
    let link = "What to do about DestinationUnavailable";
    eventually("the open page shows it", async || window.text().await.contains(link).then_some(())).await;
    assert_eq!(window.run("return document.body.dataset.mark").await, "never loaded again");
    look(&window, "console-overview-outage").await;
    window.press(link).await;
    window.is_at("Runbook").await;
    look(&window, "console-runbook").await;
    assert!(window.url().await.ends_with(OUTAGE), "{}", window.url().await);
    assert_eq!(window.complaints().await, Vec::<String>::new());

    window.goto(OVERVIEW).await;
    stack.processes.dsk.behave(|dsk| dsk.answer = None);
    eventually("it is over", async || (!window.text().await.contains(link)).then_some(())).await;
}
