//! What the programs of this crate share: notifications to measure with, of the sizes that Meta sends, and settings.

use bytes::Bytes;
use serde_json::{Value, json};

/// A setting that `bench` has given to a bare process.
#[expect(clippy::disallowed_methods, reason = "a bare process has as little as possible, and no settings of its own")]
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: bench starts this program"))
}

/// A notification of about 1 KiB: a WhatsApp text, its contact, and the advertisement that it answers.
pub fn message() -> Bytes {
    let referral = json!({
        "source_url": "https://fb.me/example-advertisement", "source_id": "120210000000000001", "source_type": "ad",
        "headline": "Fresh bread every morning", "body": "Order until ten, at the door by noon.",
        "media_type": "image", "image_url": "https://scontent.example/v/t45.1600-4/bread.jpg?ccb=1-7&oh=00_AfExample",
        "ctwa_clid": "AfExampleClickIdThatIsAboutAsLongAsTheRealOnesAre-0123456789abcdef",
    });
    let message = json!({
        "from": "4915550000001", "from_user_id": "DE.13491208655302741918", "id": "wamid.HBgNNDkxNTU1MDAwMDAwMRUCABIYFDNBRXhhbXBsZQA=",
        "timestamp": "1767225600", "type": "text", "referral": referral,
        "text": { "body": "Guten Tag, ich hätte gern zwei Roggenbrote und sechs Brezeln für morgen früh. Geht das noch? Vielen Dank!" },
    });
    let contact = json!({ "profile": { "name": "Sample Person" }, "wa_id": "4915550000001", "user_id": "DE.13491208655302741918" });
    notification(&json!({ "contacts": [contact], "messages": [message] }))
}

/// A notification with a batch of statuses, of about 450 bytes each.
pub fn statuses(count: usize) -> Bytes {
    let status = |serial: usize| {
        json!({
            "id": format!("wamid.HBgNNDkxNTU1MDAwMDAwMRUCABEYEjEwRXhhbXBsZQ{serial:06}"), "status": "delivered",
            "timestamp": (1_767_225_600 + serial).to_string(), "recipient_id": format!("4915550{:06}", serial % 500),
            "recipient_user_id": format!("DE.134912086553027{:05}", serial % 500),
            "conversation": { "id": format!("a75d17ad06104c51166f94{serial:010}"), "origin": { "type": "marketing" } },
            "pricing": { "billable": true, "pricing_model": "PMP", "type": "regular", "category": "marketing" },
            "biz_opaque_callback_data": format!("campaign-autumn-sale-{serial:012}"),
        })
    };
    notification(&json!({ "statuses": (0..count).map(status).collect::<Vec<_>>() }))
}

fn notification(parts: &Value) -> Bytes {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": { "display_phone_number": "4930555000001", "phone_number_id": "106540352242922" },
    });
    if let (Value::Object(value), Value::Object(parts)) = (&mut value, parts) {
        value.extend(parts.clone());
    }
    let change = json!({ "field": "messages", "value": value });
    let entry = json!({ "id": "102290129340398", "changes": [change] });
    Bytes::from(json!({ "object": "whatsapp_business_account", "entry": [entry] }).to_string())
}
