//! Sample notifications of every common kind. Each has its own ids, so that any number of them can be sent.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The channels that the samples belong to.
pub const ADDRESSES: [&str; 3] =
    ["whatsapp:100000000000001", "instagram:17840000000000001", "messenger:100000000000301"];

const NUMBER: &str = "100000000000001";
const ACCOUNT: &str = "200000000000001";
const INSTAGRAM: &str = "17840000000000001";
const PAGE: &str = "100000000000301";
/// How many people write: each one is a conversation.
const PEOPLE: u64 = 40;

/// The sample with number `serial`. The same number gives the same notification.
pub fn notification(serial: u64, at: Timestamp) -> Bytes {
    let body = match serial % 8 {
        0 | 1 => whatsapp(&json!({ "contacts": [contact(serial)], "messages": [text(serial, at)] })),
        2 => whatsapp(&json!({ "statuses": statuses(serial, at) })),
        3 => whatsapp(&json!({ "contacts": [contact(serial)], "messages": [image(serial, at), reaction(serial, at)] })),
        4 => messaging("instagram", INSTAGRAM, &[direct(serial, at)], at),
        5 => comment(serial, at),
        6 => messaging("page", PAGE, &[direct(serial, at), postback(serial, at)], at),
        _ => messaging("page", PAGE, &[read(serial, at)], at),
    };
    Bytes::from(body.to_string())
}

fn person(serial: u64) -> u64 {
    serial % PEOPLE
}

fn phone(serial: u64) -> String {
    format!("4915550{:06}", person(serial))
}

fn wamid(serial: u64, part: &str) -> String {
    format!("wamid.SAMPLE{serial:012}{part}")
}

fn seconds(at: Timestamp) -> String {
    at.as_second().to_string()
}

fn contact(serial: u64) -> Value {
    json!({ "profile": { "name": format!("Sample Person {}", person(serial)) }, "wa_id": phone(serial) })
}

fn text(serial: u64, at: Timestamp) -> Value {
    json!({
        "from": phone(serial), "id": wamid(serial, "T"), "timestamp": seconds(at), "type": "text",
        "text": { "body": format!("Is table {serial} still free tonight?") },
    })
}

fn image(serial: u64, at: Timestamp) -> Value {
    json!({
        "from": phone(serial), "id": wamid(serial, "I"), "timestamp": seconds(at), "type": "image",
        "image": { "id": format!("3000{serial:012}"), "mime_type": "image/jpeg", "sha256": "c2FtcGxlIGhhc2ggb2YgYSBzYW1wbGUgcGljdHVyZSE=" },
    })
}

fn reaction(serial: u64, at: Timestamp) -> Value {
    json!({
        "from": phone(serial), "id": wamid(serial, "R"), "timestamp": seconds(at), "type": "reaction",
        "reaction": { "message_id": wamid(serial, "I"), "emoji": "👍" },
    })
}

fn statuses(serial: u64, at: Timestamp) -> Vec<Value> {
    let status = |status: &str| json!({ "id": wamid(serial, "S"), "status": status, "timestamp": seconds(at), "recipient_id": phone(serial) });
    ["sent", "delivered", "read"].map(status).to_vec()
}

fn whatsapp(parts: &Value) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": { "display_phone_number": "4930555000001", "phone_number_id": NUMBER },
    });
    if let (Value::Object(value), Value::Object(parts)) = (&mut value, parts) {
        value.extend(parts.clone());
    }
    let change = json!({ "field": "messages", "value": value });
    json!({ "object": "whatsapp_business_account", "entry": [{ "id": ACCOUNT, "changes": [change] }] })
}

fn messaging(object: &str, account: &str, items: &[Value], at: Timestamp) -> Value {
    json!({ "object": object, "entry": [{ "id": account, "time": at.as_millisecond(), "messaging": items }] })
}

fn between(serial: u64, at: Timestamp) -> Value {
    json!({
        "sender": { "id": format!("7000{:012}", person(serial)) }, "recipient": { "id": INSTAGRAM },
        "timestamp": at.as_millisecond(),
    })
}

fn item(serial: u64, at: Timestamp, key: &str, content: Value) -> Value {
    let mut item = between(serial, at);
    item[key] = content;
    item
}

fn direct(serial: u64, at: Timestamp) -> Value {
    let content =
        json!({ "mid": format!("m_SAMPLE{serial:012}"), "text": format!("Order {serial} has not come yet.") });
    item(serial, at, "message", content)
}

fn postback(serial: u64, at: Timestamp) -> Value {
    let content = json!({ "mid": format!("m_SAMPLE{serial:012}P"), "title": "Track my order", "payload": "TRACK" });
    item(serial, at, "postback", content)
}

/// Only the watermark tells a read from the person's other reads.
fn read(serial: u64, at: Timestamp) -> Value {
    item(serial, at, "read", json!({ "watermark": at.as_millisecond().unsigned_abs() + serial }))
}

fn comment(serial: u64, at: Timestamp) -> Value {
    let value = json!({
        "id": format!("1790{serial:014}"), "text": "What does it cost?",
        "from": { "id": format!("7000{:012}", person(serial)), "username": "sample_person" },
        "media": { "id": "17900000000000001", "media_product_type": "FEED" },
    });
    let change = json!({ "field": "comments", "value": value });
    json!({ "object": "instagram", "entry": [{ "id": INSTAGRAM, "time": at.as_second(), "changes": [change] }] })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_sample_is_understood_and_has_its_own_ids() {
        let at: Timestamp = "2026-11-23T18:00:00Z".parse().unwrap();
        let bodies: Vec<Bytes> = (0..400).map(|serial| notification(serial, at)).collect();

        let events: Vec<_> = bodies.iter().flat_map(|body| event::split(body, at)).collect();

        let ids: BTreeSet<_> = events.iter().map(|event| &event.id).collect();
        assert_eq!(ids.len(), events.len(), "two samples share an id");
        for event in &events {
            assert!(ADDRESSES.contains(&event.address.as_str()), "{}", event.address);
        }
    }
}
