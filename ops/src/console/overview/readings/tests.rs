//! Tests of what pages of metrics say together.

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::constant(1_800_000_000 + seconds, 0)
}

/// A process that shows these pages, five seconds apart.
fn process(pages: &[&str]) -> Process {
    let mut process = Process::default();
    for (serial, page) in (0..).zip(pages) {
        process.answered(Reading::of(page), at(5 * serial));
    }
    process
}

fn accepted(count: u32) -> String {
    format!(
        "ingest_bytes_in_flight 0\ningest_events_total{{class=\"messages\"}} {count}\ningest_events_total{{class=\"updates\"}} 9\n"
    )
}

#[test]
fn a_rate_is_the_growth_of_all_processes_together() {
    let one = process(&[&accepted(100), &accepted(110), &accepted(150)]);
    let other = process(&[&accepted(7), &accepted(7), &accepted(27)]);

    assert_eq!(together(&[&one, &other], Figure::AcceptedMessages), Some(5.0 + 2.0));
    assert_eq!(together(&[&one, &other], Figure::AcceptedUpdates), Some(0.0));
    assert_eq!(together(&[&one, &other], Figure::Ingests), Some(2.0));
    assert_eq!(together(&[&one, &other], Figure::Dispatchers), None);
}

#[test]
fn a_process_that_starts_again_adds_what_it_has_counted_since() {
    let restarted = process(&[&accepted(1_000), &accepted(1_010), &accepted(4)]);

    assert_eq!(together(&[&restarted], Figure::AcceptedMessages), Some(1.4));
}

#[test]
fn two_processes_behind_one_address_are_not_taken_for_one_that_starts_again_and_again() {
    let page = |started_at: i64, count| {
        format!("{}process_start_time_seconds {}\n", accepted(count), 1_800_000_000 + started_at)
    };

    let balanced = process(&[&page(-900, 5_000), &page(-800, 7_000), &page(-900, 5_010), &page(-900, 5_020)]);
    let restarted = process(&[&page(-900, 5_000), &page(2, 6_000)]);

    assert_eq!(together(&[&balanced], Figure::AcceptedMessages), Some(10.0 / 15.0));
    assert_eq!(together(&[&restarted], Figure::AcceptedMessages), Some(1_200.0));
}

#[test]
fn what_was_counted_before_the_first_look_is_no_growth_and_silence_is_no_zero() {
    let mut process = process(&[&accepted(1_000)]);
    assert_eq!(together(&[&process], Figure::AcceptedMessages), None);

    process.answered(Reading::of(&accepted(1_050)), at(5));
    assert_eq!(together(&[&process], Figure::AcceptedMessages), Some(10.0));
    process.was_silent();
    assert_eq!(together(&[&process], Figure::AcceptedMessages), None);
    assert_eq!(together(&[&process], Figure::Ingests), None);
    assert_eq!(process.last_known().map(|(_, at)| at), Some(at(5)));
}

#[test]
fn only_a_minute_of_readings_is_kept() {
    let pages: Vec<String> = (0..100).map(|serial| accepted(serial * 5)).collect();
    let process = process(&pages.iter().map(String::as_str).collect::<Vec<_>>());

    assert!(process.readings.len() <= READINGS_MAX);
    assert_eq!(together(&[&process], Figure::AcceptedMessages), Some(1.0));
}

/// A page with a histogram: so many events below 0.1 s, 1 s, and all.
fn ages(soon: u32, later: u32, all: u32) -> String {
    let bucket = |bound: &str, count| {
        format!("dispatcher_event_age_seconds_bucket{{class=\"messages\",le=\"{bound}\"}} {count}\n")
    };
    [
        bucket("0.1", soon),
        bucket("1", later),
        bucket("+Inf", all),
        format!("dispatcher_event_age_seconds_bucket{{class=\"updates\",le=\"+Inf\"}} {all}\n"),
        "dispatcher_event_age_seconds_sum{class=\"messages\"} 5\n".to_owned(),
        format!("dispatcher_event_age_seconds_count{{class=\"messages\"}} {all}\n"),
    ]
    .concat()
}

#[test]
fn ages_are_those_of_the_last_minute_and_not_those_since_the_process_started() {
    // Ten thousand early events were slow; since then half of 200 took up to 0.1 s, and the others up to 1 s.
    let one = process(&[&ages(0, 0, 10_000), &ages(50, 100, 10_100)]);
    let other = process(&[&ages(0, 0, 10_000), &ages(50, 100, 10_100)]);

    assert_eq!(together(&[&one, &other], Figure::AgeMedianMessages), Some(0.1));
    let slowest = together(&[&one, &other], Figure::AgeSlowestMessages).unwrap();
    assert!((0.9..1.0).contains(&slowest), "{slowest}");
}

#[test]
fn an_age_beyond_the_last_bound_is_at_least_that_bound_and_without_events_there_is_none() {
    let slow = process(&[&ages(0, 0, 0), &ages(0, 0, 7)]);
    let idle = process(&[&ages(5, 5, 5), &ages(5, 5, 5)]);

    assert_eq!(together(&[&slow], Figure::AgeMedianMessages), Some(1.0));
    assert_eq!(together(&[&idle], Figure::AgeMedianMessages), None);
}

#[test]
fn depths_are_the_largest_that_any_process_shows_and_retry_queues_are_added_up() {
    let depths = |ten_seconds, one_minute| {
        format!(
            "queue_depth{{queue=\"meta.messages.v2\"}} {ten_seconds}\nqueue_depth{{queue=\"meta.messages.retry.10s.v2\"}} \
             {ten_seconds}\nqueue_depth{{queue=\"meta.updates.retry.1m.v2\"}} {one_minute}\nqueue_depth{{queue=\"meta.dead.v1\"}} 99\n\
             queue_depth_unreadable{{queue=\"meta.messages.v2\"}} 1\nqueue_connected{{side=\"publish\"}} 1\n\
             queue_connected{{side=\"take\"}} {one_minute}\n"
        )
    };
    let one = process(&[&depths(5, 1)]);
    let other = process(&[&depths(3, 0)]);

    assert_eq!(together(&[&one, &other], Figure::WaitingMessages), Some(5.0));
    assert_eq!(together(&[&one, &other], Figure::WaitingForRetry), Some(6.0));
    assert_eq!(together(&[&one, &other], Figure::DeadLetters), Some(99.0));
    assert_eq!(together(&[&one, &other], Figure::QueueConnected), Some(0.0));
}

#[test]
fn a_page_tells_which_parts_of_the_service_a_process_is() {
    let standalone = "ingest_bytes_in_flight 0\ndispatcher_unmarked_total 0\nconnect_tokens_expiring 0\n\
                      process_build_info{version=\"0.1.0\"} 1\nprocess_start_time_seconds 1800000000\n";

    let reading = Reading::of(standalone);

    assert_eq!(reading.parts, ["ingest", "dispatcher", "connect"]);
    assert_eq!(reading.version.as_deref(), Some("0.1.0"));
    assert_eq!(reading.started_at, Some(1_800_000_000.0));
    assert!(!Reading::of("<html>Grafana</html>").is_ours());
}
