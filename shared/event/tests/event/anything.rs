//! Claims about what no rule expects: unknown, damaged, doubled, misplaced, too many items. Each gives an event; none
//! causes a panic or is dropped.

use event::{UnrecognizedReason, split};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::splitting::{account, at, body, direct, events, message, only, whatsapp};

#[test]
fn an_item_that_no_rule_knows_is_still_an_event() {
    for (notification, event_type) in [
        (account("new_field", &json!({"a": 1})), "whatsapp.new_field"),
        (account("messages", &json!({"messages": []})), "whatsapp.messages"),
        (account("messages", &json!({"messages": [null]})), "whatsapp.message"),
        (account("messages", &json!({"novelties": [{"a": 1}]})), "whatsapp.novelties"),
        (account("a b+", &json!(7)), "whatsapp.a_b_"),
        (direct("instagram", &json!({"sender": {"id": "7"}, "novelty": {}})), "instagram.novelty"),
        (direct("page", &json!([])), "messenger.messaging"),
        (json!({"object": "page", "entry": [{"id": "17", "novelties": [1]}]}), "messenger.novelties"),
        (json!({"object": "page", "entry": [{"id": "17"}]}), "messenger.entry"),
        (json!({"object": "page", "entry": [7]}), "messenger.entry"),
        (
            json!({"object": "instagram", "entry": [{"id": "17", "field": "comments", "value": {"id": "c"}}]}),
            "instagram.comment",
        ),
        (json!({"object": "page", "entry": []}), "meta.unrecognized"),
        (json!({"object": "user", "entry": [{"id": "1"}]}), "meta.unrecognized"),
        (json!("text"), "meta.unrecognized"),
    ] {
        assert_eq!(only(&notification).event_type.as_str(), event_type, "{notification}");
    }
}

#[test]
fn a_body_that_is_not_json_is_kept_whole() {
    for bytes in [&b"not json"[..], b"", b"{\"object\":\"page\",\"entry\":[{\"id\":\"\xff\"}]}"] {
        let events = split(bytes, at());

        assert!(events.len() == 1 && events[0].is_unrecognized());
        assert_eq!(body(&events[0])["data"]["payload"]["encoding"], json!("base64"));
    }
}

#[test]
fn a_key_that_comes_twice_hides_nothing() {
    let text = r#"{"object":"instagram","entry":[{"id":"1","messaging":[{"message":{"mid":"a"}}]}],
                   "entry":[{"id":"1","messaging":[{"message":{"mid":"b"}}],"messaging":[{"message":{"mid":"c"}}]}]}"#;

    assert_eq!(split(text.as_bytes(), at()).len(), 3);
}

#[test]
fn nothing_is_dropped_if_a_key_comes_twice_or_has_another_form() {
    let metadata = r#""metadata":{"phone_number_id":"1065"}"#;
    let message = r#""messages":[{"id":"a","from":"1"}]"#;
    for (change, kept) in [
        (
            format!(
                r#"{{"field":"messages","value":{{{metadata},{message},"contacts":[{{"wa_id":"1","n":"L1"}}],"contacts":[{{"wa_id":"2","n":"L2"}}]}}}}"#
            ),
            ["L1", "L2"].as_slice(),
        ),
        (
            format!(
                r#"{{"field":"messages","value":{{{metadata},{message},"x":"L1"}},"value":{{{metadata},{message},"x":"L2"}}}}"#
            ),
            &["L1", "L2"],
        ),
        (format!(r#"{{"field":"messages","value":{{{metadata},{message}}},"novelty":{{"x":"L1"}}}}"#), &["L1"]),
        (
            format!(
                r#"{{"field":"messages","value":{{{metadata},{message},"contacts":"L1","statuses":{{"x":"L2"}}}}}}"#
            ),
            &["L1", "L2"],
        ),
        (
            format!(r#"{{"field":"messages","value":{{{metadata},{message},"contacts":[null,"L1",{{"n":"L2"}}]}}}}"#),
            &["L1", "L2"],
        ),
        (
            format!(
                r#"{{"field":"history","value":{{{metadata},"history":[{{"threads":["L1",{{"id":"L2"}}],"threads":[{{"messages":"L3"}}]}}]}}}}"#
            ),
            &["L1", "L2", "L3"],
        ),
        (r#"{"field":"messages","value":"L1"}"#.to_owned(), &["L1"]),
        (r#"{"field":"messages","messages":[{"x":"L1"}]}"#.to_owned(), &["L1"]),
        (r#""L1""#.to_owned(), &["L1"]),
    ] {
        let text =
            format!(r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1028","changes":[{change}]}}]}}"#);

        let bodies: Vec<u8> = split(text.as_bytes(), at()).iter().flat_map(|event| event.body.to_vec()).collect();

        let bodies = String::from_utf8(bodies).unwrap();
        for leaf in kept {
            assert!(bodies.contains(leaf), "{leaf} of {text} is not in {bodies}");
        }
    }
}

#[test]
fn events_take_no_more_than_a_small_multiple_of_their_body() {
    let large = "x".repeat(1 << 20);
    let messages: Vec<Value> = (0..2_000).map(|n| message(&n.to_string(), "1")).collect();
    let surroundings =
        json!({"contacts": [{"wa_id": "1", "profile": {"name": large}}], "novelty": large, "messages": messages});
    let name = json!({"messages": (0..2_000).map(|n| message(&n.to_string(), &large[..300])).collect::<Vec<_>>()});
    let empty = format!(r#"{{"object":"page","entry":[{{"messaging":[{}0]}}]}}"#, "0,".repeat(1 << 20));

    for body in [whatsapp("messages", &surroundings).to_string(), whatsapp("messages", &name).to_string(), empty] {
        let events = split(body.as_bytes(), at());
        let size: usize = events.iter().map(|event| event.body.len() + event.lane.as_str().len()).sum();
        assert!(size < 10 * body.len(), "{size} bytes of {}", body.len());
    }
}

#[test]
fn a_body_of_more_events_than_any_notification_has_is_kept_whole() {
    let body = format!(r#"{{"object":"page","entry":[{{"messaging":[{}0]}}]}}"#, "0,".repeat(100_000));

    let events = split(body.as_bytes(), at());

    assert!(events.len() == 1 && events[0].is_unrecognized());
}

#[test]
fn the_reason_why_a_body_is_not_a_notification_is_given() {
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let many = format!(r#"{{"object":"page","entry":[{{"messaging":[{}0]}}]}}"#, "0,".repeat(1_000));
    for (body, reason) in [
        (&b"\xff"[..], "not UTF-8"),
        (b"{\"object\":", "not JSON: EOF while parsing a value at line 1 column 10"),
        (deep.as_bytes(), "nested deeper than 64"),
        (b"[]", "no `object`"),
        (br#"{"object":"user","entry":[{}]}"#, "its `object` is \"user\""),
        (br#"{"object":"page","entry":[]}"#, "`entry` is missing or empty"),
        (many.as_bytes(), "more items"),
    ] {
        let given = UnrecognizedReason::of(body).unwrap().to_string();
        assert!(given.contains(reason) && split(body, at())[0].is_unrecognized(), "{given}");
    }
    assert!(UnrecognizedReason::of(br#"{"object":"page","entry":[{}]}"#).is_none());
}

pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("object"),
        Just("entry"),
        Just("changes"),
        Just("messaging"),
        Just("field"),
        Just("value"),
        Just("messages"),
        Just("contacts"),
        Just("history"),
        Just("threads"),
        Just("id"),
        Just("timestamp"),
        Just("message"),
        Just("mid"),
        Just("x"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\\\\\"\u{e4}]{0,6}".prop_map(Value::from),
        Just(json!("instagram")),
        Just(json!("messages")),
        Just(json!("whatsapp_business_account")),
    ];
    leaf.prop_recursive(8, 96, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|members| Value::Object(
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_give_an_event_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!split(&bytes, at()).is_empty());
    }

    #[test]
    fn any_json_gives_events_whose_bodies_are_json(json in any_json(), object in 0..3_usize) {
        let object = ["whatsapp_business_account", "instagram", "page"][object];
        for notification in [json.clone(), json!({"object": object, "entry": json}), json!({"object": object, "entry": [json]})] {
            let events = events(&notification);
            prop_assert!(!events.is_empty());
            for event in events {
                let body = body(&event);
                prop_assert_eq!(&body["data"]["id"], &json!(event.id.as_str()));
                prop_assert!(event.id.as_str().len() == 30);
            }
        }
    }
}
