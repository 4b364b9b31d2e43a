//! Claims about the events of a notification: their ids, lanes, classes and bodies.

#![expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]

use std::collections::BTreeSet;

use event::{Class, Effect, Envelope, Event, Field, split};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) fn at() -> Timestamp {
    "2026-11-23T18:10:00Z".parse().unwrap()
}

pub(crate) fn events(notification: &Value) -> Vec<Event> {
    split(notification.to_string().as_bytes(), at())
}

pub(crate) fn only(notification: &Value) -> Event {
    let mut events = events(notification);
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

pub(crate) fn body(event: &Event) -> Value {
    serde_json::from_slice(&event.body).unwrap()
}

pub(crate) fn whatsapp(field: &str, parts: &Value) -> Value {
    let mut value = json!({"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1065"}});
    value.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    json!({"object": "whatsapp_business_account",
           "entry": [{"id": "1028", "changes": [{"field": field, "value": value}]}]})
}

pub(crate) fn account(field: &str, value: &Value) -> Value {
    json!({"object": "whatsapp_business_account",
           "entry": [{"id": "1028", "time": 1_767_225_600, "changes": [{"field": field, "value": value}]}]})
}

pub(crate) fn direct(object: &str, item: &Value) -> Value {
    json!({"object": object, "entry": [{"id": "17", "time": 1_767_225_600_123_u64, "messaging": [item]}]})
}

pub(crate) fn message(id: &str, from: &str) -> Value {
    json!({"id": id, "from": from, "timestamp": "1767225600", "type": "text", "text": {"body": "Hello"}})
}

#[test]
fn a_body_has_exactly_this_form() {
    let notification = r#"{"object":"whatsapp_business_account","entry":[{"id":"1028","changes":[{"field":"messages","value":
        {"messaging_product":"whatsapp","metadata":{"phone_number_id":"1065"},
         "contacts":[{"profile":{"name":"J\u00e4ne"},"wa_id":"4915550000001","user_id":"DE.77"}],
         "messages":[{"from":"4915550000001","id":"wamid.A","timestamp":"1767225600","type":"image",
                      "image":{"id":"900","mime_type":"image\/jpeg","sha256":"q83v","caption":"\ud83e\udd70"},
                      "new":12345678901234567890.10}]}}]}]}"#;

    let events = split(notification.as_bytes(), at());

    let expected = r#"{"type":"whatsapp.message","timestamp":"2026-01-01T00:00:00Z","data":{"id":"ID","platform":"whatsapp","channel":{"id":"1065","account_id":"1028"},"direction":"in","conversation":"cnv_juqtunmzb5p6chlp7f4ahbjj5p","contact":{"id":"DE.77","name":"J\u00e4ne","phone":"4915550000001","user_id":"DE.77"},"received_at":"2026-11-23T18:10:00Z","message":{"id":"wamid.A","kind":"image","text":"\ud83e\udd70"},"media":[{"id":"900","mime_type":"image\/jpeg","sha256":"q83v","caption":"\ud83e\udd70","kind":"image"}],"payload":{"messaging_product":"whatsapp","metadata":{"phone_number_id":"1065"},"contacts":[{"profile":{"name":"J\u00e4ne"},"wa_id":"4915550000001","user_id":"DE.77"}],"messages":[{"from":"4915550000001","id":"wamid.A","timestamp":"1767225600","type":"image",
                      "image":{"id":"900","mime_type":"image\/jpeg","sha256":"q83v","caption":"\ud83e\udd70"},
                      "new":12345678901234567890.10}]}}}"#;
    let expected = expected.replace("\"ID\"", &format!("\"{}\"", events[0].id));
    assert_eq!(std::str::from_utf8(&events[0].body).unwrap(), expected);
}

fn read_back(wire: &event::Wire) -> Envelope {
    let get = |name: &str| wire.headers.iter().find(|(header, _)| *header == name).map(|(_, field)| field.clone());
    Envelope::decode(wire.message_id.as_str(), wire.body.clone(), get).unwrap()
}

#[test]
fn an_envelope_on_the_wire_has_this_form_and_reads_back() {
    let event = only(&whatsapp("messages", &json!({"messages": [message("wamid.A", "4915550000001")]})));
    let envelope = Envelope::first(event, at(), Some("00-1-2-01".into()));

    let wire = envelope.encode();

    let text = |text: &str| Field::Text(text.into());
    let expected = vec![
        ("type", text("whatsapp.message")),
        ("address", text("whatsapp:1065")),
        ("lane", text("whatsapp:1065/4915550000001")),
        ("class", Field::Word("messages")),
        ("received-at", text("2026-11-23T18:10:00Z")),
        ("traceparent", text("00-1-2-01")),
    ];
    assert_eq!((wire.message_id.as_str(), &wire.headers), (envelope.id.as_str(), &expected));
    assert_eq!(read_back(&wire), envelope);

    let later =
        Envelope { queued_at: at() + std::time::Duration::from_mins(1), attempts: 3, visits: 2, copies: 1, ..envelope };
    let added = later.encode().headers.into_iter().filter(|header| !expected.contains(header)).collect::<Vec<_>>();
    assert_eq!(
        added,
        [
            ("queued-at", text("2026-11-23T18:11:00Z")),
            ("attempts", Field::Number(3)),
            ("visits", Field::Number(2)),
            ("copies", Field::Number(1)),
        ]
    );
    assert_eq!(read_back(&later.encode()), later);
}

#[test]
fn every_level_of_a_notification_is_split() {
    let value = |id: &str| {
        json!({"metadata": {"phone_number_id": "1065"}, "messages": [message(id, "1"), message(&format!("{id}b"), "2")],
        "statuses": [{"id": id, "status": "sent"}, {"id": id, "status": "read"}], "errors": [{"code": 130_429}]})
    };
    let entry = |id: &str| {
        json!({"id": "1028", "changes": [
        {"field": "messages", "value": value(id)}, {"field": "messages", "value": value(&format!("{id}c"))}]})
    };

    let events = events(&json!({"object": "whatsapp_business_account", "entry": [entry("x"), entry("y")]}));

    assert_eq!(events.len(), 2 * 2 * 5);
    // Errors have no identity of their own, and all of these are equal.
    let ids: BTreeSet<_> = events.iter().map(|event| &event.id).collect();
    assert_eq!(ids.len(), 2 * 2 * 4 + 1);
}

#[test]
fn a_person_known_by_user_id_and_by_phone_has_one_lane() {
    let contacts = json!([{"wa_id": "4915550000001", "user_id": "DE.77"}]);
    let by_phone =
        only(&whatsapp("messages", &json!({"contacts": contacts, "messages": [message("a", "4915550000001")]})));
    let by_user_id = only(&whatsapp("messages", &json!({"messages": [{"id": "b", "from_user_id": "DE.77"}]})));
    let status = json!({"id": "c", "status": "read", "recipient_id": "4915550000001", "recipient_user_id": "DE.77"});
    let status = only(&whatsapp("messages", &json!({"statuses": [status]})));

    assert_eq!(by_phone.lane.as_str(), "whatsapp:1065/DE.77");
    assert_eq!((&by_phone.lane, &by_phone.lane), (&by_user_id.lane, &status.lane));
}

#[test]
fn a_group_is_one_lane_for_all_its_members() {
    let in_group = |id: &str, from: &str| json!({"id": id, "from": from, "group_id": "G1", "timestamp": "1767225600"});
    let events = events(&whatsapp("messages", &json!({"messages": [in_group("a", "1"), in_group("b", "2")]})));

    assert!(events.iter().all(|event| event.lane.as_str() == "whatsapp:1065/G1"));
}

#[test]
fn each_event_carries_only_the_contacts_that_it_concerns() {
    let contacts = json!([{"wa_id": "1", "profile": {"name": "One"}}, {"wa_id": "2", "profile": {"name": "Two"}}]);
    let events = events(&whatsapp(
        "messages",
        &json!({"contacts": contacts, "messages": [message("a", "1"), message("b", "2")]}),
    ));

    for (event, name) in events.iter().zip(["One", "Two"]) {
        let data = &body(event)["data"];
        assert_eq!(data["payload"]["contacts"].as_array().unwrap().len(), 1);
        assert_eq!(
            (&data["contact"]["name"], &data["payload"]["contacts"][0]["profile"]["name"]),
            (&json!(name), &json!(name))
        );
    }
}

#[test]
fn a_partner_removal_concerns_the_customers_account_and_has_an_effect() {
    let value = json!({"event": "PARTNER_REMOVED", "waba_info": {"waba_id": "9801"}});

    let event = only(&account("account_update", &value));

    assert_eq!(event.address.as_str(), "whatsapp-account:9801");
    assert!(matches!(event.effect, Some(Effect::AccountRemoved { .. })), "{event:?}");
    assert_eq!((event.event_type.as_str(), event.class), ("whatsapp.account_update", Class::Updates));
}

#[test]
fn a_partner_removal_carries_the_time_at_which_it_happened_through_the_queue() {
    let value = json!({"event": "PARTNER_REMOVED", "waba_info": {"waba_id": "9801"}});
    let removed_at = |time: Value| {
        let mut notification = account("account_update", &value);
        notification["entry"][0]["time"] = time;
        let wire = Envelope::first(only(&notification), at(), None).encode();
        (read_back(&wire).effect.unwrap().at().to_string(), wire)
    };

    let (at_metas_time, wire) = removed_at(json!(1_767_225_600));
    assert_eq!(at_metas_time, "2026-01-01T00:00:00Z");
    assert_eq!(
        wire.headers[5..],
        [("effect", Field::Word("account_removed")), ("effect-at", Field::Text("2026-01-01T00:00:00Z".into())),]
    );
    let at_receipt = at().to_string();
    assert_eq!(removed_at(Value::Null).0, at_receipt, "Meta gave no time");
    assert_eq!(removed_at(json!(1_900_000_000)).0, at_receipt, "nothing happens after it was reported");
}

#[test]
fn a_history_is_split_into_messages_and_a_placeholder_is_another_event_than_its_media() {
    let past = |kind: &str| json!({"id": "wamid.P", "from": "2", "timestamp": "1767225600", "type": kind});
    let chunk = json!({"metadata": {"phase": 0, "chunk_order": 1}, "threads": [
        {"id": "1", "messages": [past("media_placeholder"), message("wamid.Q", "1")]}, {"id": "2", "messages": [message("wamid.R", "2")]}]});
    let past_events = events(&whatsapp("history", &json!({"history": [chunk]})));
    let media = only(&whatsapp("history", &json!({"messages": [past("image")]})));

    assert_eq!(
        past_events.iter().map(|event| event.lane.as_str()).collect::<Vec<_>>(),
        ["whatsapp:1065/1", "whatsapp:1065/1", "whatsapp:1065/2"]
    );
    assert_eq!(
        body(&past_events[1])["data"]["payload"]["history"],
        json!([{"metadata": {"phase": 0, "chunk_order": 1},
        "threads": [{"id": "1", "messages": [message("wamid.Q", "1")]}]}])
    );
    assert!(past_events.iter().all(|event| event.event_type == media.event_type && event.id != media.id));
}

#[test]
fn a_message_that_came_as_unavailable_and_later_with_its_content_is_two_events() {
    let unsupported = |code: Value| {
        json!({"id": "wamid.A", "from": "4915550000001", "timestamp": "1767225600", "type": "unsupported",
               "errors": [{"code": code, "title": "unavailable"}]})
    };
    for (field, list) in [("messages", "messages"), ("smb_message_echoes", "message_echoes"), ("history", "messages")] {
        let of = |message: Value| only(&whatsapp(field, &json!({list: [message]})));
        let content = of(message("wamid.A", "4915550000001"));

        for code in [json!(131_060), json!("131060")] {
            let placeholder = of(unsupported(code));
            assert_ne!(placeholder.id, content.id, "{list} of {field}");
            assert_eq!((&placeholder.lane, &placeholder.event_type), (&content.lane, &content.event_type));
        }
        // Meta will never have more to say about it.
        assert_eq!(of(unsupported(json!(131_051))).id, content.id, "{list} of {field}");
    }
}

#[test]
fn different_things_with_one_message_id_have_different_ids() {
    let about = |key: &str, value: Value| {
        direct(
            "instagram",
            &json!({"sender": {"id": "7"}, "recipient": {"id": "17"},
        "timestamp": 1_767_225_600_000_u64, key: value}),
        )
    };
    let standby = json!({"object": "instagram", "entry": [{"id": "17", "standby": [{"sender": {"id": "7"}, "message": {"mid": "m"}}]}]});
    let notifications = [
        about("message", json!({"mid": "m", "text": "a"})),
        about("message", json!({"mid": "m", "is_deleted": true})),
        about("message", json!({"mid": "m", "is_echo": true})),
        about("message_edit", json!({"mid": "m", "num_edit": 1})),
        about("message_edit", json!({"mid": "m", "num_edit": 2})),
        about("reaction", json!({"mid": "m", "action": "react", "emoji": "x"})),
        about("reaction", json!({"mid": "m", "action": "unreact"})),
        about("read", json!({"mid": "m"})),
        standby,
    ];

    let events: Vec<Event> = notifications.iter().map(only).collect();

    assert_eq!(events.iter().map(|event| &event.id).collect::<BTreeSet<_>>().len(), notifications.len());
    let types: Vec<&str> =
        events.iter().map(|event| event.event_type.as_str().strip_prefix("instagram.").unwrap()).collect();
    assert_eq!(types, ["message", "deletion", "echo", "edit", "edit", "reaction", "reaction", "read", "message"]);
    assert_eq!(body(&events[8])["data"]["standby"], json!(true));
}

#[test]
fn the_business_itself_is_never_the_contact() {
    let value = json!({"metadata": {"phone_number_id": "1065", "display_phone_number": "4930"},
        "messages": [{"id": "a", "from": "4930", "to": "4915", "type": "image", "image": {"id": "9"}}]});

    assert_eq!(only(&account("history", &value)).lane.as_str(), "whatsapp:1065/4915");
}
