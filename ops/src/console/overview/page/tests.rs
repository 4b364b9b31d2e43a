//! Tests of what the page shows, above all while something is away.

use serde_json::json;

use super::*;
use crate::console::overview::history::Round;
use crate::console::overview::readings::{Process, Reading};
use crate::console::overview::settings::Target;
use crate::console::overview::watch::Watched;
use crate::status::reading::{Report, WaitingQueue};

fn at(seconds: i64) -> Timestamp {
    Timestamp::constant(1_800_000_000 + seconds, 0)
}

/// Time in the form of a report.
fn written(seconds: i64) -> String {
    at(seconds).to_string()
}

fn reports() -> Vec<Report> {
    let load = json!({ "in_flight": 12, "oldest_seconds": 7, "received_at": [written(-1), written(-1), null, null] });
    let idle = json!({ "in_flight": 0, "oldest_seconds": 0, "received_at": [null, null, written(-2), null] });
    let pause = |since, probe| json!({ "reason": "unavailable", "what": "https://dsk.example", "since": written(since), "next_probe_at": written(probe) });
    let answers =
        |answer: &str, count| json!([{ "what": "acme at https://dsk.example/events", "counts": { answer: count } }]);
    let first = json!({
        "instance": "host-a-1", "version": "0.1.0", "started_at": written(-90_000), "classes": { "messages": load },
        "paused": [pause(-120, 4)], "answers": answers("503", 4),
    });
    let second = json!({
        "instance": "host-b-1", "version": "0.1.0", "started_at": written(-60), "classes": { "messages": idle },
        "paused": [pause(-180, 2)], "answers": answers("204", 1_500),
    });
    Report::all([first, second].iter())
}

fn standing() -> Standing {
    let queue = |name, waiting| WaitingQueue { name, waiting, takers: Some(2) };
    let queues = vec![queue(queue::QueueName::Dead, 0), queue(queue::QueueName::Class(event::Class::Messages), 4_321)];
    Standing {
        queues: Ok(queues),
        reports: Ok(reports()),
        channels: Ok([("connected", 3), ("disconnected", 1)].into()),
    }
}

/// A history in which the first figure of the processes was seen just now.
fn seen() -> Seen {
    let mut seen = Seen::default();
    seen.history.push(Round::new(at(0), |_| Some(1.0)));
    let target = Target::parse("ingest=http://127.0.0.1:9401").unwrap();
    let mut process = Process::default();
    process.answered(Reading::of("ingest_bytes_in_flight 0\nprocess_build_info{version=\"0.1.0\"} 1\n"), at(0));
    seen.processes.push(Watched { target, process, trouble: None });
    seen
}

fn shown(seen: &Seen, standing: &Standing) -> String {
    content(&Look { seen, standing, now: at(0) }).into_string()
}

#[test]
fn what_is_wrong_comes_first_and_leads_to_the_entry_of_the_runbook() {
    let page = shown(&seen(), &standing());

    let wrong = page.find("What is wrong").unwrap();
    let entry =
        page.find("<a href=\"/runbook#destinationunavailable\">What to do about DestinationUnavailable</a>").unwrap();
    assert!(wrong < entry && entry < page.find("<svg").unwrap(), "{page}");
}

#[test]
fn pauses_of_several_dispatchers_are_one_with_its_beginning_and_its_next_probe() {
    let page = shown(&seen(), &standing());

    assert_eq!(page.matches("<td data-name=\"What\">https://dsk.example</td>").count(), 1, "{page}");
    assert!(page.contains("(3 min ago)") && page.contains("in 2 s"), "{page}");
    assert!(page.contains("1,500 × 204, 4 × 503"), "{page}");
}

#[test]
fn each_partition_is_shown_with_the_dispatcher_that_has_it() {
    let page = shown(&seen(), &standing());

    let row = |partitions: &str, who: &str| {
        format!("<td data-name=\"Partitions\">{partitions}</td><td data-name=\"Dispatcher that has them\">{who}</td>")
    };
    for (partitions, who) in [("0-1", "host-a-1"), ("2", "host-b-1"), ("3", "nothing came from there yet")] {
        assert!(page.contains(&row(partitions, who)), "{partitions}: {page}");
    }
}

#[test]
fn the_page_says_what_is_away_and_shows_the_rest() {
    let away = || "connection refused".to_owned();
    let mut seen = seen();
    seen.processes[0].trouble = Some(away());
    seen.processes[0].process.was_silent();
    let without_store = Standing { reports: Err(away()), channels: Err(away()), ..standing() };
    let without_queue = Standing { queues: Err(away()), ..standing() };

    let page = shown(&seen, &without_store);
    assert!(page.contains("The channel store does not answer: connection refused"), "{page}");
    assert!(page.contains("#channelstoreaway") && page.contains("4,321"), "{page}");
    assert!(page.contains("No process shows its metrics to the console"), "{page}");
    let page = shown(&seen, &without_queue);
    assert!(page.contains("The queue does not answer: connection refused"), "{page}");
    assert!(page.contains("#brokeraway") && page.contains("host-b-1"), "{page}");
    seen.prometheus_trouble = Some(away());
    assert!(shown(&seen, &standing()).contains("Prometheus does not answer: connection refused"));
}

#[test]
fn what_is_wrong_reads_the_same_as_long_as_the_same_is_wrong() {
    let mut later = standing();
    later.queues.as_mut().unwrap()[1].waiting = 9_999;
    let said = |standing: &Standing, seconds| wrong(&Look { seen: &seen(), standing, now: at(seconds) }).into_string();

    assert_eq!(said(&standing(), 0), said(&later, 30));
}

#[test]
fn before_anything_is_known_the_page_is_there_and_empty() {
    let unknown = || "no answer within 2 s".to_owned();
    let nothing = Standing { queues: Err(unknown()), reports: Err(unknown()), channels: Err(unknown()) };

    let page = shown(&Seen::default(), &nothing);

    assert_eq!(page.matches("<figure").count(), 5, "{page}");
}
