//! Claims about the shapes that Meta added in 2026, and about what no row knows: who the contact is, what DSK gets.

use std::collections::BTreeSet;

use event::{Class, Event};
use serde_json::{Value, json};

use crate::splitting::{account, body, direct, events, message, only, whatsapp};

fn data(event: &Event) -> Value {
    body(event)["data"].clone()
}

fn contact(event: &Event) -> Value {
    data(event)["contact"].clone()
}

fn lane(event: &Event) -> &str {
    event.lane.as_str().split_once('/').map_or("", |(_, contact)| contact)
}

fn change(object: &str, field: &str, value: &Value) -> Value {
    json!({"object": object, "entry": [{"id": "17", "time": 1_767_225_600, "changes": [{"field": field, "value": value}]}]})
}

fn group_status(participant: &str, id: &str) -> Value {
    json!({"id": "wamid.G", "status": "read", "timestamp": "1767225600", "recipient_id": "G1",
           "recipient_type": "group", participant: id})
}

const SPELLINGS: [&str; 4] = [
    "recipient_participant_user_id",
    "participant_recipient_user_id",
    "recipient_participant_id",
    "participant_recipient_id",
];

#[test]
fn each_person_of_a_group_has_a_status_of_their_own_in_either_spelling() {
    for spelling in SPELLINGS.into_iter().chain(["a_spelling_of_tomorrow_id"]) {
        let statuses = json!({"statuses": [group_status(spelling, "1"), group_status(spelling, "2")]});
        let ids: BTreeSet<_> = events(&whatsapp("messages", &statuses)).into_iter().map(|event| event.id).collect();

        assert_eq!(ids.len(), 2, "{spelling}");
    }
    let ids = |spellings: [&str; 2]| {
        spellings.map(|spelling| only(&whatsapp("messages", &json!({"statuses": [group_status(spelling, "1")]}))).id)
    };
    let [one, other] = ids(["recipient_participant_id", "participant_recipient_id"]);
    assert_eq!(one, other, "Meta may spell the same status in both ways");
}

#[test]
fn the_contact_of_a_groups_status_is_the_person_while_its_lane_is_the_groups() {
    let nia = json!({"id": "DE.37", "name": "Nia", "phone": "491", "user_id": "DE.37", "is_group_participant": true});
    for spelling in SPELLINGS {
        let contacts = json!([{"profile": {"name": "Nia"}, "wa_id": "491", "user_id": "DE.37"}]);
        let named = if spelling.contains("user") { "DE.37" } else { "491" };
        let value = json!({"contacts": contacts, "statuses": [group_status(spelling, named)]});

        let event = only(&whatsapp("messages", &value));

        assert_eq!((contact(&event), lane(&event)), (nia.clone(), "G1"), "{spelling}");
    }
    let status = json!({"id": "wamid.G", "status": "sent", "recipient_id": "G1", "recipient_type": "group"});
    assert_eq!(contact(&only(&whatsapp("messages", &json!({"statuses": [status]})))), Value::Null, "a group is nobody");
}

#[test]
fn what_another_app_answers_on_whatsapp_is_one_event_an_item_with_an_id_of_its_own() {
    let echo = json!({"id": "wamid.E", "timestamp": "1767225600", "type": "text", "message": {"recipient": "491"}});
    let status = json!({"id": "wamid.E", "status": "read", "timestamp": "1767225600", "recipient_id": "491"});
    let contacts = json!([{"profile": {"name": "Ada"}, "wa_id": "491", "user_id": "DE.77"}]);
    let lists = json!({"contacts": contacts, "messages": [message("wamid.A", "491"), message("wamid.B", "491")],
                       "message_echoes": [echo], "statuses": [status]});

    let copies = events(&whatsapp("standby", &json!({"standby": lists.clone()})));

    let live: BTreeSet<_> = events(&whatsapp("messages", &lists)).into_iter().map(|event| event.id).collect();
    let types: Vec<&str> = copies.iter().map(|event| event.event_type.as_str()).collect();
    let mut expected = vec!["whatsapp.echo", "whatsapp.message", "whatsapp.message", "whatsapp.status"];
    let mut sorted = types.clone();
    sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    let ada = json!({"id": "DE.77", "name": "Ada", "phone": "491", "user_id": "DE.77"});
    for event in &copies {
        assert!(!live.contains(&event.id), "{event:?}");
        assert_eq!(data(event)["standby"], json!(true));
        assert_eq!((contact(event), lane(event)), (ada.clone(), "DE.77"));
        assert_eq!(event.timestamp.to_string(), "2026-01-01T00:00:00Z");
        let is_status = event.event_type.as_str() == "whatsapp.status";
        assert_eq!(event.class, if is_status { Class::Updates } else { Class::Messages });
        assert_eq!(data(event)["payload"]["metadata"]["phone_number_id"], json!("1065"));
    }
    let items: usize =
        copies.iter().map(|event| data(event)["payload"]["standby"].as_object().map_or(0, |all| all.len() - 1)).sum();
    assert_eq!(items, 4, "each copy has its own list and the contacts");
}

#[test]
fn a_file_in_a_conversation_that_another_app_answers_can_be_fetched() {
    let image = json!({"type": "image", "image": {"id": "900", "mime_type": "image/jpeg"}});
    let mut of_person = message("wamid.A", "491");
    let of_app = json!({"id": "wamid.E", "timestamp": "1767225600", "message": image});
    of_person.as_object_mut().expect("it is an object").extend(image.as_object().expect("it is one").clone());
    for (list, item) in [("messages", of_person), ("message_echoes", of_app)] {
        let event = only(&whatsapp("standby", &json!({"standby": {list: [item]}})));

        assert_eq!(data(&event)["media"], json!([{"id": "900", "mime_type": "image/jpeg", "kind": "image"}]), "{list}");
    }
}

#[test]
fn the_files_that_a_person_added_to_a_flow_can_be_fetched() {
    let answers = json!({"flow_token": "t", "name": "a", "photo_picker": [{"id": "900", "mime_type": "image/jpeg", "sha256": "q\u{e4}", "file_name": "a"}],
                         "screen": {"document_picker": [{"id": 901, "mime_type": "application/pdf"}, {"id": "902"}]}});
    let flow = |response: String| {
        let mut item = message("wamid.A", "491");
        item["type"] = json!("interactive");
        item["interactive"] = json!({"type": "nfm_reply", "nfm_reply": {"name": "flow", "response_json": response}});
        data(&only(&whatsapp("messages", &json!({"messages": [item]}))))["media"].clone()
    };

    assert_eq!(
        flow(answers.to_string()),
        json!([{"id": "900", "mime_type": "image/jpeg", "sha256": "q\u{e4}", "filename": "a"}, {"id": "901", "mime_type": "application/pdf"}])
    );
    assert_eq!(flow("{".to_owned()), Value::Null, "answers that are not JSON hold no files");
}

#[test]
fn the_only_contact_is_the_person_of_an_item_that_names_nobody_or_somebody_unknown() {
    let contacts = json!([{"profile": {"name": "Ada"}, "wa_id": "491", "user_id": "DE.77"}]);
    let nobody = json!({"id": "wamid.A", "timestamp": "1767225600", "type": "contacts"});
    let persons = |items: Value| -> Vec<String> {
        let events = events(&whatsapp("messages", &json!({"contacts": contacts, "messages": items})));
        events.iter().map(|event| contact(event)["id"].as_str().unwrap_or("").to_owned()).collect()
    };

    assert_eq!(persons(json!([nobody])), ["DE.77"]);
    assert_eq!(persons(json!([message("wamid.B", "4900")])), ["DE.77"]);
    assert_eq!(persons(json!([nobody, message("wamid.B", "4900")])), ["DE.77", "DE.77"]);
    assert_eq!(persons(json!([message("wamid.A", "491"), message("wamid.B", "4900")])), ["DE.77", "4900"]);
    assert_eq!(persons(json!([message("wamid.A", "4901"), message("wamid.B", "4900")])), ["4901", "4900"]);
}

#[test]
fn a_name_comes_with_a_contact_whose_number_is_spelled_in_another_way() {
    let value = json!({"contacts": [{"profile": {"name": "Rui"}, "wa_id": "551187654321"}],
                       "messages": [message("wamid.A", "5511987654321")]});

    let rui = json!({"id": "5511987654321", "name": "Rui", "phone": "551187654321"});
    assert_eq!(contact(&only(&whatsapp("messages", &value))), rui);
}

#[test]
fn a_contact_of_the_phones_address_book_has_its_full_name() {
    let state = json!({"type": "contact", "contact": {"full_name": "Pia Sand", "phone_number": "491"}, "action": "add",
                       "metadata": {"timestamp": "1767225600"}});
    let event = only(&whatsapp("smb_app_state_sync", &json!({"state_sync": [state]})));

    assert_eq!(contact(&event), json!({"id": "491", "name": "Pia Sand", "phone": "491"}));
}

#[test]
fn a_value_that_names_a_number_belongs_to_that_number() {
    for (field, value) in [
        ("account_settings_update", json!({"phone_number_settings": {"phone_number_id": "1065"}})),
        ("messaging_handovers", json!({"recipient": {"phone_number_id": "1065"}, "sender": {"phone_number": "491"}})),
        ("a_field_of_tomorrow", json!({"phone_number_id": 1065})),
    ] {
        assert_eq!(only(&account(field, &value)).address.as_str(), "whatsapp:1065", "{field}");
    }
}

#[test]
fn the_account_itself_is_never_the_contact() {
    for (object, field, value) in [
        (
            "page",
            "feed",
            json!({"item": "status", "verb": "add", "post_id": "17_1", "sender_id": 17, "sender_name": "Shop"}),
        ),
        (
            "page",
            "feed",
            json!({"item": "comment", "verb": "add", "comment_id": "c", "from": {"id": "17", "name": "Shop"}}),
        ),
        ("page", "a_field_of_tomorrow", json!({"from": {"id": "17", "name": "Shop"}})),
        ("instagram", "comments", json!({"id": "c", "from": {"id": "17", "username": "shop"}})),
        (
            "instagram",
            "comments",
            json!({"id": "c", "from": {"id": "70", "username": "shop", "self_ig_scoped_id": "70"}}),
        ),
    ] {
        let event = only(&change(object, field, &value));

        assert_eq!((contact(&event), lane(&event)), (Value::Null, ""), "{value}");
    }
    let metadata = json!({"phone_number_id": "1065", "display_phone_number": "+49 (30) 55-1"});
    let own = json!({"metadata": metadata, "messages": [message("wamid.A", "4930551")]});
    assert_eq!(contact(&only(&account("messages", &own))), Value::Null);
}

#[test]
fn the_person_of_what_no_row_knows_is_found_with_name_and_time() {
    for who in [
        json!({"sender": {"id": "7", "name": "Ada"}}),
        json!({"user": {"id": 7, "name": "Ada"}}),
        json!({"from": {"id": "7", "name": "Ada"}}),
        json!({"recipient_id": 7, "user": {"name": "Ada"}, "sender": {"id": "17"}}),
        json!({"reviewer_id": 7, "reviewer_name": "Ada"}),
    ] {
        let mut value = who.clone();
        value["timestamp"] = json!(1_767_225_660);

        let event = only(&change("page", "a_field_of_tomorrow", &value));

        assert_eq!((contact(&event), lane(&event)), (json!({"id": "7", "name": "Ada"}), "7"), "{who}");
        assert_eq!(event.timestamp.to_string(), "2026-01-01T00:01:00Z", "{who}");
    }
    let item = json!({"from": "491", "timestamp": "1767225660"});
    let event = only(&whatsapp("messages", &json!({"novelties": [item]})));
    assert_eq!((lane(&event), event.timestamp.to_string().as_str()), ("491", "2026-01-01T00:01:00Z"));
    let by_reference = only(&direct("page", &json!({"sender": {"user_ref": "u7"}, "message": {"mid": "m"}})));
    assert_eq!(lane(&by_reference), "u7");
}

#[test]
fn calls_of_one_entry_are_events_of_their_own() {
    let call =
        |id: &str, event: &str| json!({"id": id, "event": event, "from": "7", "to": "17", "timestamp": 1_767_225_660});
    let calls = json!([call("c1", "connect"), call("c1", "terminate"), call("c2", "connect")]);

    let events = events(&json!({"object": "page", "entry": [{"id": "17", "time": 1_767_225_600, "calls": calls}]}));

    assert_eq!(events.iter().map(|event| &event.id).collect::<BTreeSet<_>>().len(), 3);
    for event in &events {
        assert_eq!((event.event_type.as_str(), event.class, lane(event)), ("messenger.call", Class::Messages, "7"));
        assert_eq!(event.timestamp.to_string(), "2026-01-01T00:01:00Z");
    }
}

#[test]
fn an_item_that_stands_directly_in_an_entry_is_one_event_of_its_channel() {
    let reply = json!({"sender": {"id": "7"}, "recipient": {"id": "17"}, "timestamp": 1_767_225_600,
                       "call_permission_reply": {"response": "approve"}});

    let event = only(&json!({"object": "page", "entry": [reply]}));

    assert_eq!((event.address.as_str(), lane(&event)), ("messenger:17", "7"));
    assert_eq!((event.event_type.as_str(), event.class), ("messenger.call_permission_reply", Class::Messages));
    assert_eq!(data(&event)["payload"], reply);
}

#[test]
fn what_the_test_button_sends_has_the_form_of_a_live_item() {
    let item = json!({"sender": {"id": "7"}, "recipient": {"id": "17"}, "timestamp": "1767225600",
                      "message": {"mid": "m", "text": "test"}});
    for object in ["page", "instagram"] {
        let tested = only(&change(object, "messages", &item));

        let live = only(&direct(object, &item));
        assert_eq!(body(&tested), body(&live));
    }
}

#[test]
fn two_surveys_without_a_time_are_two_events() {
    let survey = |time: u64| {
        let mut notification = direct("page", &json!({"sender": {"id": "7"}, "messaging_feedback": {"score": "5"}}));
        notification["entry"][0]["time"] = json!(time);
        only(&notification).id
    };

    assert_ne!(survey(1_767_225_600_000), survey(1_767_229_200_000));
    assert_eq!(survey(1_767_225_600_000), survey(1_767_225_600_000));
}
