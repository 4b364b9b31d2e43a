//! The receivers from which DSK's engineers start: each gets the fixtures from a real dispatcher, and shows them.

use std::collections::BTreeSet;

use channels::NewChannel;
use chassis::{Secret, now};
use event::{Address, Event, split};
use serde_json::Value;
use testkit::eventually;

use crate::support::dsk::DSK_TOKEN;
use crate::support::fixtures::{Fixture, fixtures};
use crate::support::receivers::{Credentials, Language, Receiver};
use crate::support::stack::{Stack, key_ring};

/// The channels of the fixtures. Another account of theirs leaves us, and is no channel of ours.
const ADDRESSES: [&str; 4] = ["whatsapp:1065", "whatsapp-account:1028", "instagram:17", "messenger:17"];
/// What becomes of messages that the business sent.
const STATUSES: [(&str, &str, &str); 3] =
    [("whatsapp:1065", "wamid.sby2", "read"), ("instagram:17", "m2", "read"), ("messenger:17", "m2", "delivered")];
/// Kinds whose effect is shown at another message, if we have that.
const EFFECTS: [&str; 3] = ["reaction", "edit", "deletion"];

#[tokio::test(flavor = "multi_thread")]
async fn the_python_receiver_shows_every_message_of_the_fixtures_once() {
    every_message_is_shown_once(Language::Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_receiver_shows_every_message_of_the_fixtures_once() {
    every_message_is_shown_once(Language::TypeScript).await;
}

async fn every_message_is_shown_once(language: Language) {
    let stack = Stack::start().await;
    let mut receiver = Receiver::start(language).await;
    for address in ADDRESSES {
        let token = key_ring(&[&stack.processes.key()]).seal(&Secret::new(DSK_TOKEN));
        let mut channel = NewChannel::new(Address::new(address), "tenant", token);
        channel.dsk_url = Some(receiver.url());
        channel.account_id = (address == "whatsapp:1065").then(|| "1028".to_owned());
        stack.store().add(&channel, now()).await.expect("the store answers");
    }

    let mut events: Vec<Event> = Vec::new();
    for Fixture { name, notification, .. } in fixtures() {
        let of_fixture = split(&notification, now());
        if of_fixture.iter().all(|event| ADDRESSES.contains(&event.address.as_str())) {
            assert_eq!(stack.processes.post(notification).await, 200, "{name}");
            events.extend(of_fixture);
        }
    }
    let ids: BTreeSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    eventually("the receiver has every event", async || {
        let logged = receiver.process.logged();
        assert!(!logged.lines().any(|line| line.starts_with('4') || line.starts_with('5')), "{logged}");
        ids.iter().all(|id| logged.contains(id)).then_some(())
    })
    .await;

    let threads = receiver.threads().await;
    let bodies: Vec<Value> = events.iter().map(|event| parsed(&event.body)).collect();
    let messages: Vec<&Value> =
        bodies.iter().map(|body| &body["data"]).filter(|data| data.get("message").is_some()).collect();
    assert!(messages.len() > 80, "only {} of the fixtures' events are messages", messages.len());
    for data in &messages {
        is_shown_once(data, &messages, &threads);
    }
    for (channel, id, status) in STATUSES {
        assert_eq!(shown(&threads, channel, id)["status"], status, "{channel}: {id}");
    }

    let first = &events[0];
    assert_eq!(receiver.post(&first.body, &Credentials::RIGHT).await, 200, "a duplicate");
    receiver.kill_and_start_again().await;
    assert_eq!(receiver.post(&first.body, &Credentials::RIGHT).await, 200, "a duplicate after a restart");
    assert_eq!(receiver.threads().await, threads, "what a kill and duplicates changed");
}

fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("a body is JSON")
}

/// The message with that id in a conversation of that channel.
fn shown<'t>(threads: &'t [Value], channel: &str, id: &str) -> &'t Value {
    let of_channel = threads.iter().filter(|thread| thread["channel"] == channel);
    let mut messages = of_channel.flat_map(|thread| thread["messages"].as_array().expect("a list"));
    messages.find(|message| message["id"] == id).unwrap_or_else(|| panic!("{channel} has no message {id}"))
}

/// Panics unless a message is shown once in its conversation, or applied to its target there.
fn is_shown_once(data: &Value, messages: &[&Value], threads: &[Value]) {
    let message = &data["message"];
    let channel = format!("{}:{}", text(&data["platform"]), text(&data["channel"]["id"]));
    let key = data["conversation"].as_str().unwrap_or(&channel);
    let thread = threads.iter().find(|thread| thread["conversation"] == key);
    let thread = thread.unwrap_or_else(|| panic!("no conversation {key} for {data}"));
    let with_id = |id: &Value| -> Vec<&Value> {
        thread["messages"].as_array().expect("a list").iter().filter(|shown| shown["id"] == *id).collect()
    };
    let is_effect = EFFECTS.contains(&text(&message["kind"])) && !with_id(&message["target"]).is_empty();
    let own = if message["id"].is_null() { &data["id"] } else { &message["id"] };
    let id = if is_effect { &message["target"] } else { own };
    let [shown] = with_id(id)[..] else { panic!("{data} is not once in {thread}") };

    // An event with the same id may have replaced what it says, and an edit is about that id.
    let said =
        messages.iter().map(|data| &data["message"]).filter(|other| other["id"] == *id || other["target"] == *id);
    let texts: Vec<&Value> = said.chain([message]).map(|other| &other["text"]).collect();
    assert!(shown.get("deleted_at").is_some() || texts.contains(&&shown["text"]), "{shown}: {texts:?}");
    let has_name = shown["direction"] == "in" && data.get("contact").is_some();
    assert!(!has_name || shown["from"].is_string(), "nobody said {shown}: {data}");
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is text")
}
