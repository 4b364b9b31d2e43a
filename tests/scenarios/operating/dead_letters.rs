//! An operator lists dead letters without anybody's data, and replays and discards them without losing any.

use chassis::now;
use event::Address;
use queue::DeadLetter;
use testkit::{Process, eventually};

use crate::support::bodies::{ADDRESS, text};
use crate::support::stack::{Stack, program};

/// Posts messages that DSK refuses, and waits until all are parked.
async fn parked(stack: &Stack, serials: std::ops::Range<usize>) -> Vec<DeadLetter> {
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(400));
    let count = serials.len();
    for serial in serials {
        assert_eq!(stack.processes.post(text(serial)).await, 200);
    }
    let letters = eventually("all are parked", async || {
        let letters = stack.dead_letters().await;
        (letters.len() == count).then_some(letters)
    });
    let letters = letters.await;
    stack.processes.dsk.behave(|dsk| dsk.answer = None);
    letters
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_listed_twenty_five_times_are_still_there() {
    let stack = Stack::start().await;
    let letters = parked(&stack, 0..3).await;

    for _ in 0..25 {
        let listed = stack.ops(&["dead-letters", "list", "--json"]).await;
        assert_eq!(listed.lines().count(), 3, "{listed}");
        assert!(letters.iter().all(|dead| listed.contains(dead.envelope.id.as_str())), "{listed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_explained_without_a_persons_data_unless_asked_for() {
    let stack = Stack::start().await;
    let id = parked(&stack, 7..8).await[0].envelope.id.to_string();

    let explained = stack.ops(&["dead-letters", "show", &id]).await;
    for part in ["rejected: DSK refused the event itself", "DSK answered 400", "phone_number_id", ADDRESS, &id] {
        assert!(explained.contains(part), "no {part:?} in\n{explained}");
    }
    for personal in ["hello 7", "4915550000007", "Ada Sample"] {
        assert!(!explained.contains(personal), "{personal:?} in\n{explained}");
        let revealed = stack.ops(&["dead-letters", "show", &id, "--reveal"]).await;
        assert!(revealed.contains(personal), "no {personal:?} in\n{revealed}");
    }
    let listed = stack.ops(&["dead-letters", "list"]).await;
    assert!(listed.contains("rejected") && !listed.contains("491555"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_replayed_or_discarded_without_a_selection_and_yes() {
    let stack = Stack::start().await;
    let letters = parked(&stack, 0..4).await;
    let id = letters[2].envelope.id.as_str();

    assert!(stack.ops_fails(2, &["dead-letters", "discard", "--yes"]).await.contains("--all"));
    assert!(stack.ops_fails(2, &["dead-letters", "replay", "--reason", "nonsense"]).await.contains("unknown_channel"));
    assert!(stack.ops(&["dead-letters", "replay", "--all"]).await.contains("Would replay 4"));
    assert!(stack.ops(&["dead-letters", "discard", "--reason", "expired"]).await.contains("Would discard 0"));
    assert_eq!(stack.dead_letters().await.len(), 4);

    assert!(stack.ops(&["dead-letters", "discard", id, "--yes"]).await.contains("Discarded 1"));
    assert_eq!(stack.dead_letters().await.len(), 3);
    let rest = ["dead-letters", "replay", "--address", ADDRESS, "--type", "whatsapp.message", "--newer-than", "1h"];
    assert!(stack.ops(&[&rest[..], &["--yes"]].concat()).await.contains("Replayed 3"));
    let delivered = stack.processes.delivered(3).await;
    assert!(!delivered.contains(id), "a discarded event was delivered");
    assert_eq!(stack.dead_letters().await.len(), 0);
    assert!(stack.ops_fails(1, &["dead-letters", "show", id]).await.contains("ops dead-letters list"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_dead_letters_replayed_with_a_kill_and_a_stop_arrive_once_or_twice_and_none_is_lost() {
    const COUNT: usize = 1_000;
    let stack = Stack::start().await;
    parked(&stack, 0..COUNT).await;
    let before = stack.processes.dsk.requests();

    let replay = ["dead-letters", "replay", "--all", "--yes", "--rate", "400"];
    let settings = stack.ops_settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut killed = Process::start(&program("ops"), &replay, &settings);
    eventually("half are delivered", async || (stack.processes.dsk.events() >= COUNT / 2).then_some(())).await;
    killed.kill().await;
    let mut stopped = Process::start(&program("ops"), &replay, &settings);
    eventually("some more are delivered", async || (stack.processes.dsk.events() >= COUNT * 3 / 5).then_some(())).await;
    stopped.signal("INT").await;
    assert_eq!(stopped.ends().await.code(), Some(1));
    assert!(stopped.logged().contains("run it again for the rest"), "{}", stopped.logged());
    stack.ops(&replay).await;

    stack.processes.delivered(COUNT).await;
    eventually("no dead letter is left", async || stack.dead_letters().await.is_empty().then_some(())).await;
    let requests = stack.processes.dsk.requests() - before;
    println!("{COUNT} replayed, with a kill and a stop on the way: {requests} requests");
    assert!(requests <= 2 * COUNT, "{requests} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_leaves_out_what_can_not_be_delivered() {
    let stack = Stack::start().await;
    assert_eq!(stack.processes.post(r#"{"object":"page"}"#.into()).await, 200);
    eventually("it is parked", async || (stack.dead_letters().await.len() == 1).then_some(())).await;

    let output = stack.ops(&["dead-letters", "replay", "--all", "--yes"]).await;

    assert!(output.contains("left out") && output.contains("Replayed 0"), "{output}");
    assert_eq!(stack.dead_letters().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_delivers_no_event_of_a_removed_channel() {
    let stack = Stack::start().await;
    parked(&stack, 0..2).await;
    let before = stack.processes.dsk.requests();
    stack.store().remove(&Address::new(ADDRESS), now()).await.expect("the store answers");

    stack.ops(&["dead-letters", "replay", "--all", "--yes"]).await;

    eventually("both are skipped", async || {
        stack.processes.logged().matches("needs no delivery").count().ge(&2).then_some(())
    })
    .await;
    assert_eq!(stack.processes.dsk.requests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_byte_limit_of_the_dead_letters_none_is_lost_and_other_events_are_delivered() {
    let broker = testkit::RabbitMq::shared().await;
    let vhost = broker.vhost();
    let url = vhost.url();
    let name = url.rsplit('/').next().expect("a URL ends with its virtual host").to_owned();
    let stack = Stack::on(broker, url).await;
    let limit = ["--vhost", &name, "set_policy", "limit", r"^meta\.dead\.", r#"{"max-length-bytes":1}"#];
    broker.control(&limit).await;

    stack.processes.dsk.behave(|dsk| dsk.answer = Some(400));
    let refused = std::sync::atomic::AtomicUsize::new(0);
    eventually("the queue is full", async || {
        let serial = refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(stack.processes.post(text(serial)).await, 200);
        stack.processes.logged().contains("Could not publish a copy").then_some(())
    })
    .await;
    let refused = refused.into_inner();
    assert!(stack.dead_letters().await.len() < refused, "all were parked");
    stack.processes.dsk.behave(|dsk| dsk.answer = None);
    let other = crate::support::bodies::from(crate::support::bodies::NUMBER, "4915550009999", "other");
    assert_eq!(stack.processes.post(other).await, 200);
    eventually("another person's event is delivered", async || {
        stack
            .processes
            .dsk
            .seen()
            .iter()
            .any(|seen| seen.body.windows(11).any(|text| text == b"wamid.other"))
            .then_some(())
    })
    .await;

    broker.control(&["--vhost", &name, "clear_policy", "limit"]).await;
    eventually("none is lost", async || {
        (stack.dead_letters().await.len() + stack.processes.dsk.events() == refused + 1).then_some(())
    })
    .await;
}
