//! Claims about what DSK can show without knowing Meta's JSON; the fixtures hold the rest, member by member.

use std::collections::BTreeSet;

use event::Event;
use serde_json::{Value, json};

use crate::splitting::{body, direct, message, only, whatsapp};

fn data(event: &Event) -> Value {
    body(event)["data"].clone()
}

fn key(event: &Event) -> String {
    data(event)["conversation"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_conversation_has_one_key_whatever_happens_in_it_and_it_shows_no_number() {
    let contacts = json!([{"profile": {"name": "Ada"}, "wa_id": "491", "user_id": "DE.77"}]);
    let status = json!({"id": "wamid.S", "status": "read", "timestamp": "1767225600", "recipient_id": "491",
                        "recipient_user_id": "DE.77"});
    let by_user_id =
        json!({"id": "wamid.B", "from_user_id": "DE.77", "timestamp": "1767225600", "type": "request_welcome"});
    let all = [
        json!({"contacts": contacts, "messages": [message("wamid.A", "491")]}),
        json!({"messages": [by_user_id]}),
        json!({"statuses": [status]}),
    ];

    let keys: BTreeSet<String> = all.iter().map(|value| key(&only(&whatsapp("messages", value)))).collect();

    assert_eq!(keys.len(), 1, "{keys:?}");
    let other = json!({"messages": [message("wamid.A", "4915550000002")]});
    let other = key(&only(&whatsapp("messages", &other)));
    assert!(other.starts_with("cnv_") && !keys.contains(&other) && !other.contains("15550000002"), "{other}");
}

#[test]
fn what_belongs_to_nobody_belongs_to_no_conversation() {
    let news = only(&whatsapp("account_update", &json!({"event": "DISABLED_UPDATE"})));

    assert_eq!(data(&news)["conversation"], Value::Null);
}

#[test]
fn of_a_message_too_large_to_be_shown_only_its_ids_are_given_and_the_payload_has_all() {
    let place = |name: String| {
        json!({"id": "wamid.A", "from": "491", "timestamp": "1767225600", "type": "location",
               "context": {"id": "wamid.Q"}, "location": {"name": name, "address": name, "url": name}})
    };
    let shown = |name: String| {
        let event = only(&whatsapp("messages", &json!({"messages": [place(name)]})));
        data(&event)
    };

    let small = shown("n".repeat(60_000));
    let text_is_left_out = shown("n".repeat(70_000));
    assert_eq!(small["message"]["text"].as_str().map(str::len), Some(60_000));
    assert_eq!(text_is_left_out["message"], json!({"id": "wamid.A", "kind": "location", "reply_to": "wamid.Q"}));
    assert_eq!(text_is_left_out["payload"]["messages"][0]["location"]["name"].as_str().map(str::len), Some(70_000));

    let cards: Vec<Value> = (0..100).map(|_| json!({"name": {"formatted_name": "n".repeat(3_000)}})).collect();
    let cards =
        json!({"id": "wamid.A", "from": "491", "timestamp": "1767225600", "type": "contacts", "contacts": cards});
    let event = only(&whatsapp("messages", &json!({"messages": [cards]})));
    assert_eq!(data(&event)["message"], json!({"id": "wamid.A", "kind": "contacts"}));
}

#[test]
fn files_that_would_double_a_large_body_are_in_the_payload_only() {
    let url = format!("https://cdn.example/{}", "u".repeat(100_000));
    let attachment = json!({"type": "image", "payload": {"url": url}});
    let item = json!({"sender": {"id": "7"}, "recipient": {"id": "17"}, "timestamp": 1_767_225_600_000_u64,
                      "message": {"mid": "m", "attachments": [attachment, attachment, attachment, attachment]}});

    let event = only(&direct("instagram", &item));

    assert_eq!(data(&event)["media"].as_array().map(Vec::len), Some(2));
    assert!(event.body.len() < item.to_string().len() + (512 << 10));
}

#[test]
fn a_message_by_the_business_is_outgoing_wherever_it_stands() {
    let own = json!({"metadata": {"phone_number_id": "1065", "display_phone_number": "+49 30 555"},
                     "messages": [{"id": "wamid.A", "from": "4930555", "to": "491", "timestamp": "1767225600",
                                   "type": "text", "text": {"body": "Hello"}}]});
    let from_account = json!({"sender": {"id": "17"}, "recipient": {"id": "7"}, "timestamp": 1_767_225_600_000_u64,
                              "message": {"mid": "m", "text": "Hello"}});

    assert_eq!(data(&only(&whatsapp("history", &own)))["direction"], "out");
    assert_eq!(data(&only(&direct("page", &from_account)))["direction"], "out");
}
