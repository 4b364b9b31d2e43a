//! What is kept about a person is found under each of their ids: it can be shown, held back, and erased whole.

use std::collections::BTreeSet;

use bytes::Bytes;
use testkit::eventually;

use crate::support::bodies::{ADDRESS, NUMBER, from};
use crate::support::connect_stack::ConnectStack;
use crate::support::stack::Stack;

const PHONE: &str = "4915550000001";
const OTHER: &str = "4915550000002";
/// The phone number as people write it.
const WRITTEN: &str = "+49 1555 000-0001";

fn whatsapp(value: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"2","changes":[{{"field":"messages","value":{{"metadata":{{"display_phone_number":"4930000000","phone_number_id":"{NUMBER}"}},{value}}}}}]}}]}}"#
    ))
}

/// A message of the person, which names both of their ids: its conversation is named by the user id.
fn with_both_ids(id: &str) -> Bytes {
    whatsapp(&format!(
        r#""contacts":[{{"wa_id":"{PHONE}","user_id":"DE.77"}}],"messages":[{{"from":"{PHONE}","id":"wamid.{id}","timestamp":"1790000000","type":"text","text":{{"body":"{id}"}}}}]"#
    ))
}

/// A message that has only the user id.
fn with_user_id(id: &str) -> Bytes {
    whatsapp(&format!(
        r#""messages":[{{"from_user_id":"DE.77","id":"wamid.{id}","timestamp":"1790000000","type":"text","text":{{"body":"{id}"}}}}]"#
    ))
}

/// A message to a group, in answer to one of the person's.
fn in_group(author: &str, id: &str) -> Bytes {
    whatsapp(&format!(
        r#""messages":[{{"from":"{author}","group_id":"G1","context":{{"from":"{PHONE}","id":"q"}},"id":"wamid.{id}","timestamp":"1790000000","type":"text","text":{{"body":"{id}"}}}}]"#
    ))
}

async fn park(stack: &Stack, bodies: &[Bytes]) {
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(422));
    for body in bodies {
        assert_eq!(stack.processes.post(body.clone()).await, 200);
    }
    eventually("all are parked", async || (stack.dead_letters().await.len() == bodies.len()).then_some(())).await;
}

async fn left(stack: &Stack) -> BTreeSet<String> {
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    stack.dead_letters().await.iter().map(|letter| text(&letter.envelope.body)).collect()
}

fn all_of_one_person() -> [Bytes; 7] {
    [
        with_both_ids("both"),
        with_user_id("user-id"),
        from(NUMBER, PHONE, "phone"),
        in_group(PHONE, "own-in-group"),
        in_group(OTHER, "others-in-group"),
        from(NUMBER, OTHER, "others"),
        Bytes::from(format!(r#"{{"object":"user","number":"+{PHONE}"}}"#)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_erased_by_phone_is_gone_under_every_id_in_groups_and_in_bodies_that_are_no_event() {
    let stack = Stack::start().await;
    park(&stack, &all_of_one_person()).await;
    let contact = format!("{ADDRESS}/{WRITTEN}");

    let dry = stack.ops(&["erase", "--contact", &contact]).await;
    assert!(dry.contains("Would erase: 1 contact, under 2 ids") && dry.contains("Nothing is done yet"), "{dry}");
    assert_eq!(left(&stack).await.len(), 7);
    let output = stack.ops(&["erase", "--contact", &contact, "--yes"]).await;

    assert!(output.contains("4  dead letters of type whatsapp.message"), "{output}");
    assert!(output.contains("1  dead letters of type meta.unrecognized"), "{output}");
    assert!(output.contains("Not known"), "{output}");
    let left = left(&stack).await;
    assert_eq!(left.len(), 2, "{left:?}");
    for kept in ["wamid.others-in-group", "wamid.others"] {
        assert!(left.iter().any(|body| body.contains(kept)), "{kept} is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_channel_or_a_malformed_number_erases_nothing_and_says_what_to_do() {
    let stack = Stack::start().await;
    park(&stack, &[from(NUMBER, PHONE, "phone")]).await;

    for (contact, advice) in [
        (format!("whatsapp:999/{PHONE}"), "`ops channels list` shows the channels"),
        (format!("{ADDRESS}/015550000001"), "country code"),
        (format!("{ADDRESS}/Ada"), "neither a phone number"),
    ] {
        let error = stack.ops_fails(2, &["erase", "--contact", &contact, "--yes"]).await;
        assert!(error.contains(advice), "{contact}: {error}");
    }
    assert!(stack.ops_fails(2, &["erase", "--channel", "whatsapp:999", "--yes"]).await.contains("channels list"));
    assert!(stack.ops_fails(2, &["erase", "--tenant", "nobody", "--yes"]).await.contains("channels list"));
    assert_eq!(left(&stack).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_of_an_erased_contact_under_another_id_or_in_a_group_is_not_delivered() {
    let mut stack = Stack::start().await;
    assert_eq!(stack.processes.dispatchers[0].stop().await, Some(0));
    for body in [with_both_ids("both"), in_group(PHONE, "own-in-group"), in_group(OTHER, "others-in-group")] {
        assert_eq!(stack.processes.post(body).await, 200);
    }

    stack.ops(&["erase", "--contact", &format!("{ADDRESS}/{WRITTEN}"), "--yes"]).await;
    assert_eq!(stack.processes.post(with_both_ids("later")).await, 200);
    stack.processes.add_dispatcher().await;

    stack.processes.delivered(2).await;
    eventually("nothing waits", async || (stack.waiting(event::Class::Messages).await == Some(0)).then_some(())).await;
    let seen = stack.processes.dsk.seen();
    let texts: Vec<String> = seen.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
    let has = |id: &str| texts.iter().any(|text| text.contains(&format!("wamid.{id}\"")));
    assert!(has("others-in-group") && has("later"), "{texts:?}");
    assert!(!has("both") && !has("own-in-group"), "{texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_event_and_waits_while_a_person_in_it_is_erased_is_not_parked() {
    let mut stack = Stack::start().await;
    assert_eq!(stack.processes.dispatchers[0].stop().await, Some(0));
    stack.processes.dispatchers.clear();
    let no_event = |number: &str| Bytes::from(format!(r#"{{"object":"user","to":"{NUMBER}","from":"+{number}"}}"#));
    for number in [PHONE, OTHER] {
        assert_eq!(stack.processes.post(no_event(number)).await, 200);
    }

    stack.ops(&["erase", "--contact", &format!("{ADDRESS}/{WRITTEN}"), "--yes"]).await;
    stack.processes.add_dispatcher().await;

    eventually("one is skipped", async || {
        let skipped = stack.processes.dispatcher_metric(r#"dispatcher_skipped_total{reason="erased"}"#).await;
        (skipped > 0.5).then_some(())
    })
    .await;
    eventually("the other one is parked", async || (stack.dead_letters().await.len() == 1).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_shows_all_that_is_held_about_a_contact_with_its_age_and_nothing_of_anybody_else() {
    let stack = Stack::start().await;
    park(&stack, &all_of_one_person()).await;

    let lines = stack.ops(&["export", "--contact", &format!("{ADDRESS}/{WRITTEN}"), "--json"]).await;
    let channel = stack.ops(&["export", "--channel", ADDRESS]).await;

    let things: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(things.len(), 5, "{lines}");
    assert!(things.iter().all(|thing| thing["held_for"].is_string() && thing["kept_until"].is_string()), "{lines}");
    for own in ["wamid.both", "wamid.user-id", "wamid.phone", "wamid.own-in-group", PHONE] {
        assert!(lines.contains(own), "{own} is missing in\n{lines}");
    }
    assert!(!lines.contains("wamid.others") && !lines.contains(OTHER), "{lines}");
    for part in ["\"dsk_token\": \"sealed\"", "wamid.others", "1 record, 0 holds and 6 parked events", "Not in here"] {
        assert!(channel.contains(part), "{part} is missing in\n{channel}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_channel_shows_the_number_by_which_its_owner_knows_it() {
    let stack = Stack::start().await;
    let prefix = &stack.direct.key_prefix;
    let connect = ConnectStack::on(&stack.direct.channels_url, prefix, &stack.processes.key(), &[]).await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    let address = format!("whatsapp:{}", ops::graph::NUMBER);

    let export = stack.ops(&["export", "--channel", &address]).await;
    let shown = stack.ops(&["channels", "show", &address]).await;

    assert!(export.contains("\"name\": \"+49 30 000000\""), "{export}");
    assert!(!shown.contains("+49 30 000000"), "nobody has asked for it:\n{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_a_held_contact_is_parked_under_every_id_and_delivered_after_their_release() {
    let mut stack = Stack::start().await;
    park(&stack, &[with_both_ids("both")]).await;
    stack.processes.dsk.behave(|dsk| dsk.answer = None);
    let contact = format!("{ADDRESS}/{WRITTEN}");
    let reasons = async || {
        let letters = stack.dead_letters().await;
        letters.into_iter().map(|letter| letter.letter.reason).filter(|reason| reason == "held").count()
    };

    let held = stack.ops(&["hold", "--contact", &contact]).await;
    let bodies = [
        with_user_id("user-id"),
        in_group(PHONE, "own-in-group"),
        from(NUMBER, PHONE, "phone"),
        from(NUMBER, OTHER, "others"),
    ];
    for body in bodies {
        assert_eq!(stack.processes.post(body).await, 200);
    }

    assert!(held.contains("Held: 1 contact, under 2 ids, until 20") && held.contains("after\n14 days"), "{held}");
    eventually("three are parked", async || (reasons().await == 3).then_some(())).await;
    stack.processes.delivered(1).await;
    let figure = stack.processes.dispatcher_metric(r#"dispatcher_dead_letters_total{reason="held"}"#).await;
    assert!((figure - 3.0).abs() < 0.5, "{figure}");
    let shown = stack.ops(&["export", "--contact", &contact, "--json"]).await;
    assert_eq!(shown.matches(r#""kind":"hold""#).count(), 2, "{shown}");

    let released = stack.ops(&["hold", "--contact", &contact, "--release"]).await;
    assert!(released.contains("Released: 2 ids"), "{released}");
    stack.ops(&["dead-letters", "replay", "--reason", "held", "--address", ADDRESS, "--yes"]).await;
    stack.processes.delivered(4).await;
    assert_eq!(left(&stack).await.len(), 1, "what DSK refused stays parked");
    assert!(stack.ops_fails(1, &["hold", "--contact", &contact, "--release"]).await.contains("nothing was held"));
    stack.ops_fails(2, &["hold", "--contact", &format!("whatsapp:999/{PHONE}")]).await;
}
