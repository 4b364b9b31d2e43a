//! Claims about any notification: made of fixtures with other ids, in any batching, any order of keys, any white space.

use std::collections::BTreeSet;

use event::{Event, split};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::fixtures::{Fixture, fixtures};
use crate::notifications::{Item, Join, render};
use crate::splitting::at;

/// Members that say what an item is, not which one it is. They stay when another item is made of it.
const WORDS: [&str; 13] = [
    "code",
    "type",
    "status",
    "event",
    "direction",
    "action",
    "verb",
    "item",
    "recipient_type",
    "object",
    "category",
    "value",
    "recipient",
];

/// Another item of the fixture's kind. Every text that is not a word gets `serial` behind it, always in six digits, so
/// that no two texts become equal; a time is `serial` later.
fn another(value: &Value, serial: u64) -> Value {
    match value {
        Value::String(text) if text.len() == 10 && text.parse::<u64>().is_ok() => {
            json!((text.parse::<u64>().unwrap_or_default() + serial).to_string())
        }
        Value::String(text) => json!(format!("{text}{serial:06}")),
        Value::Number(number) if number.is_u64() => json!(number.as_u64().unwrap_or_default() + serial),
        Value::Array(items) => items.iter().map(|item| another(item, serial)).collect(),
        Value::Object(members) => {
            let kept =
                |key: &str, value: &Value| if WORDS.contains(&key) { value.clone() } else { another(value, serial) };
            Value::Object(members.iter().map(|(key, value)| (key.clone(), kept(key, value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Item number `serial` of the fixture's kind.
fn instance(fixture: &Fixture, serial: u64) -> Item {
    let item: Value = serde_json::from_str(&fixture.item).expect("an item is JSON");
    Item { place: fixture.place(), json: another(&item, serial).to_string() }
}

/// The same text with some of its characters spelled by their numbers.
fn respelled(text: &str, dice: &mut impl FnMut(usize) -> usize) -> String {
    let mut written = String::from("\"");
    for (position, character) in text.chars().enumerate() {
        match (dice(3), character) {
            (0, '/') => written += "\\/",
            (0, _) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let lower = format!("\\u{unit:04x}");
                    let upper = format!("\\u{unit:04X}");
                    written += if position % 2 == 0 { &lower } else { &upper };
                }
            }
            _ => {
                let quoted = json!(character.to_string()).to_string();
                written += &quoted[1..quoted.len() - 1];
            }
        }
    }
    written + "\""
}

/// The same JSON with its keys in another order, blanks between its tokens, and another spelling of its characters.
fn rewritten(value: &Value, dice: &mut impl FnMut(usize) -> usize) -> String {
    let blank = [" ", "", "\n", "\t "][dice(4)];
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| rewritten(item, dice)).collect();
            format!("[{blank}{}{blank}]", items.join(&format!("{blank},")))
        }
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            for last in (1..members.len()).rev() {
                members.swap(last, dice(last + 1));
            }
            let mut written = Vec::new();
            for (key, value) in members {
                written.push(format!("{}{blank}:{}", respelled(key, dice), rewritten(value, dice)));
            }
            format!("{{{blank}{}{blank}}}", written.join(&format!("{blank},")))
        }
        Value::String(text) => format!("{blank}{}", respelled(text, dice)),
        Value::Null | Value::Bool(_) | Value::Number(_) => format!("{blank}{value}"),
    }
}

/// The event of a notification that holds this item only.
fn alone(item: &Item) -> Event {
    let body = render(std::slice::from_ref(item), &[]).remove(0);
    let mut events = split(body.as_bytes(), at());
    assert_eq!(events.len(), 1, "{body}");
    events.remove(0)
}

fn payload(event: &Event) -> &str {
    let body = std::str::from_utf8(&event.body).expect("a body is UTF-8");
    body.split_once(",\"payload\":")
        .and_then(|(_, rest)| rest.strip_suffix("}}"))
        .expect("a body ends with its payload")
}

fn any_join() -> impl Strategy<Value = Join> {
    prop_oneof![
        1 => Just(Join::Apart),
        2 => Just(Join::SameNotification),
        3 => Just(Join::SameEntry),
        6 => Just(Join::SameList)
    ]
}

/// Items of any kinds, in runs of one kind so that lists grow.
fn any_batch() -> impl Strategy<Value = Vec<Item>> {
    let count = fixtures().len();
    let runs = prop::collection::vec((0..count, 1..6_u64), 1..8);
    runs.prop_map(|runs| {
        let fixtures = fixtures();
        let mut serial = 0;
        let mut batch = Vec::new();
        for (position, length) in runs {
            for _ in 0..length {
                serial += 1;
                batch.push(instance(&fixtures[position], serial));
            }
        }
        batch
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn each_item_is_one_event_in_any_batching_with_all_of_its_bytes(
        batch in any_batch(),
        joins in prop::collection::vec(any_join(), 40),
    ) {
        let bodies = render(&batch, &joins);

        let events: Vec<Event> = bodies.iter().flat_map(|body| split(body.as_bytes(), at())).collect();

        prop_assert_eq!(events.len(), batch.len(), "{:?}", bodies);
        for (event, item) in events.iter().zip(&batch) {
            prop_assert!(payload(event).contains(&item.json), "{} is not in {}", item.json, payload(event));
            prop_assert_eq!(&event.id, &alone(item).id, "{}", item.json);
        }
        let ids: BTreeSet<_> = events.iter().map(|event| &event.id).collect();
        prop_assert_eq!(ids.len(), batch.len(), "two items share an id");
    }

    #[test]
    fn an_event_depends_on_neither_key_order_nor_white_space_nor_the_spelling_of_characters(
        position in 0..fixtures().len(),
        dice in prop::collection::vec(any::<usize>(), 64),
    ) {
        let fixture = &fixtures()[position];
        let notification: Value = serde_json::from_str(&fixture.notification()).expect("a notification is JSON");
        let mut next = dice.iter().cycle().enumerate();
        let mut roll = |sides: usize| next.next().map_or(0, |(count, number)| (number / 7 + count) % sides);

        let written = rewritten(&notification, &mut roll);

        let events = split(written.as_bytes(), at());
        let expected = alone(&fixture.item());
        let seen: Vec<_> = events.iter().map(|event| (&event.id, &event.event_type, &event.lane, event.timestamp)).collect();
        prop_assert_eq!(seen, [(&expected.id, &expected.event_type, &expected.lane, expected.timestamp)], "{}", written);
    }

    #[test]
    fn items_that_differ_only_in_an_id_that_no_rule_names_are_different_events(
        position in 0..fixtures().len(),
        name in "[a-z]{1,6}",
        ids in prop::collection::btree_set("[a-z0-9]{1,6}", 2..5),
        joins in prop::collection::vec(any_join(), 5),
    ) {
        let fixture = &fixtures()[position];
        let with_id = |id: &String| {
            let mut item: Map<String, Value> = serde_json::from_str(&fixture.item).expect("an item is an object");
            item.insert(format!("zz_{name}_id"), json!(id));
            Item { place: fixture.place(), json: Value::Object(item).to_string() }
        };
        let items: Vec<Item> = ids.iter().map(with_id).collect();

        let events: Vec<Event> = render(&items, &joins).iter().flat_map(|body| split(body.as_bytes(), at())).collect();

        let seen: BTreeSet<_> = events.iter().map(|event| &event.id).collect();
        prop_assert_eq!(seen.len(), items.len(), "{}", fixture.what);
        prop_assert_eq!(&events[0].id, &alone(&items[0]).id, "{}", fixture.what);
    }

    #[test]
    fn an_unknown_key_changes_no_id_that_has_parts_and_is_never_dropped(position in 0..fixtures().len(), extra in "[a-z]{1,8}") {
        let fixture = &fixtures()[position];
        let mut item: Map<String, Value> = serde_json::from_str(&fixture.item).expect("an item is an object");
        // (A key that ends in `_id` would be an id.)
        item.insert(format!("zz_{extra}_new"), json!({ "of": ["tomorrow", 12_345_678_901_234_567_890_u64, null] }));

        let richer = alone(&Item { place: fixture.place(), json: Value::Object(item).to_string() });

        prop_assert_eq!(richer.id == alone(&fixture.item()).id, !fixture.is_whole(), "{}", fixture.what);
        let new_key = format!("\"zz_{extra}_new\":{{\"of\":[\"tomorrow\",12345678901234567890,null]}}");
        prop_assert!(payload(&richer).contains(&new_key));
    }

    #[test]
    fn a_payload_split_again_gives_the_same_event(position in 0..fixtures().len(), serial in 0..1000_u64) {
        let item = instance(&fixtures()[position], serial);
        let event = alone(&item);

        let again = split(item.place.around_payload(payload(&event)).as_bytes(), at());

        prop_assert_eq!(again.iter().map(|again| (&again.id, &again.lane)).collect::<Vec<_>>(), [(&event.id, &event.lane)]);
    }
}
