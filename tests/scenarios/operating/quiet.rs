//! An ordinary start, an ordinary event and an ordinary stop log nothing that asks for a person's attention: who reads
//! warnings must be able to believe them.

use testkit::{Process, eventually};

use crate::operating::commands::OperatorFolder;
use crate::operating::standalone::Business;
use crate::support::bodies::text;
use crate::support::connect_stack::ConnectStack;

use crate::support::stack::{Stack, get};

/// The last line that a process logs if it stopped as it should.
const LAST: &str = "Stopped";

/// The lines that ask for a person's attention.
fn complaints(log: &str) -> Vec<&str> {
    let is_level = |word: &str| matches!(word, "WARN" | "ERROR");
    let complains = |line: &&str| line.split_whitespace().take(2).any(is_level) || line.contains("panicked");
    log.lines().filter(complains).collect()
}

/// Waits until the process is ready.
async fn is_ready(process: &mut Process) {
    let admin = process.logs("Admin port listens on ").await;
    eventually("it is ready", async || (get(&admin, "/ready").await.0 == 200).then_some(())).await;
}

/// Stops a process, and checks all that it has logged.
async fn stops_in_silence(name: &str, process: &mut Process) {
    assert_eq!(process.stop().await, Some(0), "{name}");
    process.logs(LAST).await;
    let log = process.logged();
    assert_eq!(complaints(&log), Vec::<&str>::new(), "{name} complained in\n{log}");
}

#[test]
fn a_warning_an_error_and_a_panic_are_complaints_and_their_words_elsewhere_are_not() {
    let warning = "2026-11-29T09:00:00.000000Z  WARN queue: Could not publish";
    let error = "2026-11-29T09:00:00.000000Z ERROR dispatcher::settle: Parked event evt_1";
    let panic = "thread 'main' panicked at src/main.rs:1:1:";
    let silent = "2026-11-29T09:00:00.000000Z  INFO ingest: WARN is a level of the log, and so is ERROR";

    assert_eq!(complaints(&[silent, warning, error, panic, silent].join("\n")), [warning, error, panic]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_dispatcher_and_connect_start_work_and_stop_without_a_complaint() {
    // Its ingest is the first process in a new virtual host: no dispatcher has declared the queues yet.
    let mut stack = Stack::start().await;
    let prefix = stack.direct.key_prefix.clone();
    let mut connect = ConnectStack::on(&stack.direct.channels_url, &prefix, &stack.processes.key(), &[]).await;
    is_ready(&mut stack.processes.ingest).await;
    is_ready(&mut stack.processes.dispatchers[0]).await;
    is_ready(&mut connect.process).await;
    assert_eq!(stack.processes.post(text(1)).await, 200);
    stack.processes.delivered(1).await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    // A second dispatcher takes over and hands back.
    stack.processes.add_dispatcher().await;
    is_ready(&mut stack.processes.dispatchers[1]).await;

    stops_in_silence("connect", &mut connect.process).await;
    let mut ingest = stack.processes.start_second_ingest().await.process;
    is_ready(&mut ingest).await;
    stops_in_silence("ingest", &mut ingest).await;
    assert_eq!(stack.processes.ingest.stop().await, Some(0));
    let first_ingest = stack.processes.ingest.logged();
    let said = complaints(&first_ingest);
    assert!(said.len() == 1 && said[0].contains("start a dispatcher, or run `ops topology`"), "{first_ingest}");
    for dispatcher in &mut stack.processes.dispatchers {
        stops_in_silence("dispatcher", dispatcher).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_service_in_one_process_starts_works_and_stops_without_a_complaint() {
    let mut business = Business::start().await;
    is_ready(&mut business.process).await;
    business.connect().await;
    assert!(business.post(1).await);
    business.delivered(1).await;

    stops_in_silence("standalone", &mut business.process).await;
    // On files that exist.
    business.start_again().await;
    is_ready(&mut business.process).await;
    stops_in_silence("standalone", &mut business.process).await;
}

#[test]
fn the_demonstration_logs_no_complaint_but_the_event_that_dsk_refuses_on_purpose() {
    let folder = OperatorFolder::new();
    let demo = ["demo", "--count", "30", "--rate", "200", "--outage", "0s", "--log", "info"];

    let output = folder.ops(&demo);

    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && log.contains(" INFO "), "{log}");
    let complaints = complaints(&log);
    assert!(complaints.iter().all(|line| line.contains("Parked event")) && complaints.len() == 1, "{log}");
}
