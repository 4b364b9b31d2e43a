//! Every body that DSK can get keeps to `docs/dsk-contract.schema.json`, and has no member that is not named there.

use std::sync::LazyLock;

use event::{Event, split};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::anything::any_json;
use crate::fixtures::fixtures;
use crate::splitting::{at, body, events};

const SCHEMA: &str = include_str!("../../../../docs/dsk-contract.schema.json");
/// Objects that have only the members that the schema names. DSK is told to ignore others, so this test is stricter.
const OBJECTS: [&str; 18] = [
    "",
    "/properties/data",
    "/properties/data/properties/channel",
    "/properties/data/properties/contact",
    "/properties/data/properties/group",
    "/properties/data/properties/status",
    "/properties/data/properties/status/properties/errors/items",
    "/properties/data/properties/media/items",
    "/$defs/message",
    "/$defs/message/properties/location",
    "/$defs/message/properties/contacts/items",
    "/$defs/message/properties/buttons/items",
    "/$defs/message/properties/choice",
    "/$defs/message/properties/order",
    "/$defs/message/properties/order/properties/items/items",
    "/$defs/message/properties/flow",
    "/$defs/message/properties/link",
    "/$defs/message/properties/referral",
];

static STRICT: LazyLock<Validator> = LazyLock::new(|| {
    let mut schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    for object in OBJECTS {
        schema.pointer_mut(object).expect("the schema has that object")["additionalProperties"] = json!(false);
    }
    jsonschema::options().should_validate_formats(true).build(&schema).expect("the schema is one")
});

fn complaints(body: &Value) -> Vec<String> {
    STRICT.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Whether an event goes to DSK: one that belongs to no channel is parked.
fn reaches_dsk(event: &Event) -> bool {
    event.address.as_str() != "meta:unrecognized"
}

/// Adds the JSON pointer of every value inside `value`.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    let mut add = |key: &str, value: &Value| {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        pointers(value, &at, out);
        out.push(at);
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(place, item)| add(&place.to_string(), item)),
        Value::Object(members) => members.iter().for_each(|(key, member)| add(key, member)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_body_of_every_fixture_keeps_to_the_schema() {
    for fixture in fixtures() {
        for event in split(fixture.notification().as_bytes(), at()) {
            assert!(reaches_dsk(&event), "{}", fixture.what);
            assert_eq!(complaints(&body(&event)), [""; 0], "{}: {:?}", fixture.what, event.body);
        }
    }
}

#[test]
fn a_body_that_breaks_a_promise_is_not_valid() {
    let image = fixtures().iter().find(|fixture| fixture.what == "an image").expect("there is an image");
    let good = body(&split(image.notification().as_bytes(), at())[0]);
    assert_eq!(complaints(&good), [""; 0]);

    for (member, wrong) in [
        ("/type", json!("instagram.message")),
        ("/type", json!("whatsapp.")),
        ("/timestamp", json!("2026-01-01T00:00:00+01:00")),
        ("/timestamp", json!("2026-13-01T00:00:00Z")),
        ("/timestamp", json!(1_767_225_600)),
        ("/data/id", json!("evt_short")),
        ("/data/platform", json!("meta")),
        ("/data/channel", json!({})),
        ("/data/channel/account_id", json!(1028)),
        ("/data/received_at", Value::Null),
        ("/data/media", json!([])),
        ("/data/media/0/id", json!(900)),
        ("/data/media/0", json!({ "id": "900", "url": "https://lookaside.example/900" })),
        ("/data/media/0/kind", json!("picture")),
        ("/data/direction", json!("inward")),
        ("/data/conversation", json!("4915550000001")),
        ("/data/message/kind", json!("photo")),
        ("/data/message/id", json!(1)),
        ("/data/message", json!({ "kind": "image", "caption": "a" })),
    ] {
        let mut body = good.clone();
        *body.pointer_mut(member).expect("it has that member") = wrong.clone();

        assert!(!STRICT.is_valid(&body), "{member} may be {wrong}");
    }
}

#[test]
fn the_body_keeps_to_the_schema_whatever_replaces_a_value_of_a_fixture() {
    let odd =
        [json!(null), json!(true), json!(900), json!(""), json!("-000001-01-01T00:00:00Z"), json!([]), json!({"a": 1})];
    for fixture in fixtures() {
        let notification: Value = serde_json::from_str(&fixture.notification()).expect("it is JSON");
        let mut places = Vec::new();
        pointers(&notification, "", &mut places);
        for (place, odd) in places.iter().flat_map(|place| odd.iter().map(move |odd| (place, odd))) {
            let mut notification = notification.clone();
            *notification.pointer_mut(place).expect("something stands there") = odd.clone();

            for event in events(&notification).iter().filter(|event| reaches_dsk(event)) {
                assert_eq!(complaints(&body(event)), [""; 0], "{odd} at {place} of {}: {:?}", fixture.what, event.body);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn dsk_gets_nothing_that_breaks_the_schema_whatever_meta_signs(json in any_json(), object in 0..3_usize) {
        let object = ["whatsapp_business_account", "instagram", "page"][object];
        for notification in [json!({"object": object, "entry": json}), json!({"object": object, "entry": [json]})] {
            for event in events(&notification).iter().filter(|event| reaches_dsk(event)) {
                prop_assert_eq!(complaints(&body(event)), [""; 0], "{:?}", event.body);
            }
        }
    }
}
