//! What a receiver shows of a conversation, in whichever order its events arrive.

use serde_json::{Value, json};

use crate::support::receivers::{Credentials, Language, Receiver, event};

/// What happens in a conversation, the oldest first. All have the same second, as WhatsApp gives whole seconds.
fn story() -> Vec<Value> {
    let status = |value: &str| json!({ "status": { "message_id": "out", "value": value } });
    let incoming = |message: Value| json!({ "direction": "in", "message": message });
    vec![
        incoming(json!({ "id": "late", "kind": "placeholder" })),
        incoming(json!({ "id": "late", "kind": "unsupported" })),
        json!({ "direction": "in", "message": { "id": "late", "kind": "text", "text": "<b>\u{1f44d}" }, "contact": { "id": "7", "name": "Ada" } }),
        json!({ "direction": "out", "message": { "id": "out", "kind": "image", "text": "No", "reply_to": "late" }, "media": [{ "id": "9" }] }),
        incoming(json!({ "id": "r1", "kind": "reaction", "target": "out", "emoji": "A" })),
        incoming(json!({ "id": "r2", "kind": "reaction", "target": "out", "emoji": "B" })),
        json!({ "direction": "out", "message": { "id": "e1", "kind": "edit", "target": "out", "text": "Yes" } }),
        status("sent"),
        status("delivered"),
        status("read"),
        incoming(json!({ "id": "gone", "kind": "text", "text": "secret" })),
        incoming(json!({ "id": "e2", "kind": "edit", "target": "gone", "text": "secret too" })),
        incoming(json!({ "id": "d1", "kind": "deletion", "target": "gone" })),
        incoming(json!({ "id": "r3", "kind": "reaction", "target": "late", "emoji": "C" })),
        incoming(json!({ "id": "r4", "kind": "reaction", "target": "late" })),
        json!({ "direction": "out", "message": { "id": "fails", "kind": "template" } }),
        json!({ "status": { "message_id": "fails", "value": "failed", "errors": [{ "code": 131_026, "title": "No" }] } }),
        incoming(json!({ "id": "r5", "kind": "reaction", "target": "before our time", "emoji": "D" })),
    ]
}

fn told(key: &str) -> Value {
    let at = "2026-01-01T00:00:00Z";
    json!({
        "conversation": key, "channel": "whatsapp:1065", "contact": { "id": "7", "name": "Ada" }, "group": null,
        "messages": [
            { "id": "late", "kind": "text", "text": "<b>\u{1f44d}", "at": at, "direction": "in", "from": "Ada" },
            { "id": "out", "kind": "image", "text": "Yes", "reply_to": "late", "at": at, "direction": "out", "from": null,
              "media": [{ "id": "9" }], "edited_at": at, "status": "read", "status_at": at,
              "reactions": [{ "from": "Ada", "emoji": "B" }] },
            { "id": "gone", "kind": "text", "at": at, "direction": "in", "from": "Ada", "deleted_at": at },
            { "id": "fails", "kind": "template", "at": at, "direction": "out", "from": null, "status": "failed",
              "status_at": at, "errors": [{ "code": 131_026, "title": "No" }] },
            { "id": "r5", "kind": "reaction", "target": "before our time", "emoji": "D", "at": at, "direction": "in", "from": "Ada" },
        ],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_shows_the_same_conversation_in_whichever_order_its_events_arrive() {
    for language in [Language::Python, Language::TypeScript] {
        let receiver = Receiver::start(language).await;
        let story = story();
        let forwards: Vec<usize> = (0..story.len()).collect();
        let backwards = forwards.iter().rev().copied().collect();
        let orders =
            forwards.iter().map(|first| [&forwards[*first..], &forwards[..*first]].concat()).chain([backwards]);

        for (round, order) in orders.enumerate() {
            let key = format!("cnv_{round}");
            for step in &order {
                // Ids grow in the same order as the times, and decide nothing here.
                let serial = round * story.len() + step;
                let second = u32::try_from(*step).expect("it is small");
                let body = event(serial, &key, second, story[*step].clone());
                assert_eq!(receiver.post(&body, &Credentials::RIGHT).await, 200);
            }
            let page = receiver.page(&format!("/conversations/{key}")).await;
            assert_eq!(page, told(&key), "{language:?}, in the order {order:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_reaches_its_message_by_an_id_or_by_a_time_and_whatever_names_its_person() {
    let earlier = "2025-12-31T23:59:59.999999999Z";
    let steps = [
        ("cnv_phone", json!({ "message_id": "a", "value": "sent" }), "sent"),
        ("cnv_user", json!({ "value": "played", "up_to": earlier }), "sent"),
        ("cnv_user", json!({ "message_id": "a", "value": "delivered", "up_to": earlier }), "delivered"),
        ("cnv_user", json!({ "value": "read" }), "delivered"),
        ("cnv_user", json!({ "value": "read", "up_to": "2026-01-01T00:00:00Z" }), "read"),
    ];
    for language in [Language::Python, Language::TypeScript] {
        let receiver = Receiver::start(language).await;
        let text = json!({ "direction": "out", "message": { "id": "a", "kind": "text", "text": "Hi" } });
        assert_eq!(receiver.post(&event(0, "cnv_user", 0, text), &Credentials::RIGHT).await, 200);

        for (serial, (key, status, shown)) in (1..).zip(&steps) {
            let body = event(serial, key, 0, json!({ "status": status }));
            assert_eq!(receiver.post(&body, &Credentials::RIGHT).await, 200);
            let page = receiver.page("/conversations/cnv_user").await;
            assert_eq!(page["messages"][0]["status"], *shown, "{language:?}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_nobody_is_shown_under_its_channel_and_what_has_no_message_is_not_listed() {
    for language in [Language::Python, Language::TypeScript] {
        let receiver = Receiver::start(language).await;
        let mention = json!({ "direction": "in", "message": { "id": "m", "kind": "mention" } });
        let mut body: Value = serde_json::from_slice(&event(1, "", 0, mention)).expect("JSON");
        for name in ["contact", "conversation"] {
            body["data"].as_object_mut().expect("an object").remove(name);
        }
        let status = event(2, "cnv_1", 1, json!({ "status": { "message_id": "a", "value": "sent" } }));

        assert_eq!(receiver.post(body.to_string().as_bytes(), &Credentials::RIGHT).await, 200);
        assert_eq!(receiver.post(&status, &Credentials::RIGHT).await, 200);

        let list = receiver.page("/conversations").await;
        let keys: Vec<&Value> = list.as_array().expect("a list").iter().map(|one| &one["conversation"]).collect();
        assert_eq!(keys, ["whatsapp:1065"], "{language:?}");
        assert_eq!(receiver.page("/conversations/whatsapp:1065").await["messages"][0]["id"], "m", "{language:?}");
    }
}
