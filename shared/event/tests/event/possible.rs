//! The ids that events about a message can have are those that they get when they come.

use std::collections::{BTreeMap, BTreeSet};

use event::{Address, possible_events, split};

use crate::fixtures::fixtures;
use crate::splitting::{at, body};

/// The types of which each event is found by its message's id.
const FOUND: [&str; 14] = [
    "whatsapp.message",
    "whatsapp.status",
    "whatsapp.echo",
    "whatsapp.history",
    "whatsapp.call",
    "instagram.message",
    "instagram.echo",
    "instagram.edit",
    "instagram.deletion",
    "instagram.comment",
    "instagram.live_comment",
    "messenger.message",
    "messenger.edit",
    "messenger.deletion",
];

#[test]
fn every_event_about_a_message_is_among_those_that_its_message_may_have() {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for fixture in fixtures() {
        let event = split(fixture.notification().as_bytes(), at()).remove(0);
        let data = &body(&event)["data"];
        let item: serde_json::Value = serde_json::from_str(&fixture.item).expect("an item is JSON");
        let named = [&data["message"]["id"], &data["status"]["message_id"], &item["id"]];
        let Some(message_id) = named.into_iter().find_map(|id| id.as_str()) else { continue };

        let possible = possible_events(&event.address, message_id);

        if let Some(one) = possible.iter().find(|one| one.id == event.id) {
            assert_eq!(one.event_type, event.event_type, "{} at {}", fixture.what, fixture.at);
            *found.entry(event.event_type.to_string()).or_default() += 1;
        } else {
            let is_promised = FOUND.contains(&event.event_type.as_str());
            // What another id takes part in can't be known from the message's own.
            let names_others = ["group", "payment", "participant"].iter().any(|word| fixture.item.contains(word));
            let names_others = names_others || fixture.what.ends_with("an id that nobody knows yet");
            assert!(!is_promised || names_others, "{} at {}: {}", fixture.what, fixture.at, event.id);
        }
    }

    for event_type in FOUND {
        assert!(found.contains_key(event_type), "{event_type} in {found:?}");
    }
}

#[test]
fn no_two_events_about_a_message_have_one_id_and_an_account_has_none() {
    for address in ["whatsapp:1065", "instagram:17", "messenger:17"] {
        let possible = possible_events(&Address::new(address), "m\"1\\");
        let ids: BTreeSet<&str> = possible.iter().map(|event| event.id.as_str()).collect();

        assert!(ids.len() == possible.len() && possible.len() >= 30, "{address}: {} of {}", ids.len(), possible.len());
    }
    assert!(possible_events(&Address::new("whatsapp-account:1028"), "m1").is_empty());
}
