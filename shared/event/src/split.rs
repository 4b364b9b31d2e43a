//! Splits a notification into events, at every level. Nothing that Meta signed is dropped.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::content::Content;
use crate::draft::Draft;
use crate::entry::{Channel, Contact, Entry, Platform, type_name};
use crate::events::Events;
use crate::ids::{Identity, Surroundings};
use crate::json::{Document, Value};
use crate::time::EventTime;
use crate::{Class, Event, messaging, whatsapp};

/// Splits a notification that Meta signed into one event for each thing that happened.
///
/// There is always at least one event. What no rule knows becomes `<platform>.<field>`, and a body that is no
/// notification at all becomes one `meta.unrecognized` that holds the whole body. `received_at` is an event's time
/// where Meta gives none. The events take a small multiple of the body's size, whatever is in it.
pub fn split(body: &[u8], received_at: Timestamp) -> Vec<Event> {
    let mut events = Events::of(body, received_at);
    if let Some(document) = Document::parse(body) {
        split_notification(document.root(), &mut events);
    }
    events.finish().unwrap_or_else(|| {
        push_unrecognized(body, &mut events);
        events.finish().unwrap_or_default()
    })
}

/// Adds a notification's events, or none if it has no known `object`.
pub(crate) fn split_notification(root: Value<'_>, out: &mut Events) {
    let object = root.get("object").and_then(Value::scalar).unwrap_or_default();
    let platform = Platform::of_object(&object);
    if platform == Platform::Unknown {
        return;
    }
    for member in root.members() {
        match member.name() {
            "object" => {}
            "entry" if member.value.is_array() => {
                member.value.items().for_each(|entry| split_entry(platform, entry, out));
            }
            "entry" => split_entry(platform, member.value, out),
            key => {
                let root = Entry { platform, id: None, time: None, received_at: out.received_at };
                push_composite(&root, key, member.value, out);
            }
        }
    }
}

fn split_entry(platform: Platform, value: Value<'_>, out: &mut Events) {
    let before = out.count();
    let id = value.get("id").and_then(Value::scalar);
    let entry = Entry { platform, id, time: value.get("time"), received_at: out.received_at };
    if platform != Platform::WhatsApp && messaging::is_item(value) {
        // Meta sends leave to call in this way, without an id of the entry.
        return messaging::push_item(&entry, value, false, out);
    }
    // One of Meta's templates has a change's members directly in the entry.
    let is_change = value.get("field").is_some() && value.get("value").is_some();
    for member in value.members() {
        match (member.name(), platform) {
            ("changes", _) => for_each_item(member.value, |change| split_change(&entry, change, out)),
            ("messaging", Platform::Instagram | Platform::Messenger) => {
                for_each_item(member.value, |item| messaging::push_item(&entry, item, false, out));
            }
            ("standby", Platform::Instagram | Platform::Messenger) => {
                for_each_item(member.value, |item| messaging::push_item(&entry, item, true, out));
            }
            ("id" | "time", _) => {}
            (key, Platform::Instagram | Platform::Messenger) if holds_objects(member.value) => {
                member.value.items().for_each(|item| messaging::push_named(&entry, key, item, out));
            }
            ("field" | "value", _) if is_change => {}
            (key, _) => push_composite(&entry, key, member.value, out),
        }
    }
    if is_change && platform == Platform::WhatsApp {
        whatsapp::split_change(&entry, value, out);
    } else if is_change {
        // Any other member of the entry has been split already.
        let _is_whole = messaging::push_change(&entry, value, out);
    } else if out.count() == before {
        push_unknown(&entry, "entry", value, out);
    }
}

fn split_change(entry: &Entry<'_>, change: Value<'_>, out: &mut Events) {
    let is_whole = if entry.platform == Platform::WhatsApp {
        whatsapp::split_change(entry, change, out);
        change.get("value").is_none()
    } else {
        messaging::push_change(entry, change, out)
    };
    if !is_whole {
        let others = change.members().filter(|member| !matches!(member.name(), "field" | "value"));
        others.for_each(|member| push_composite(entry, member.name(), member.value, out));
    }
}

/// Whether a list that no rule knows is one of things that happened.
fn holds_objects(list: Value<'_>) -> bool {
    list.items().next().is_some() && list.items().all(Value::is_object)
}

/// Calls `push` with each item of a list, or with the value that stands where the list should be.
fn for_each_item<'d>(list: Value<'d>, mut push: impl FnMut(Value<'d>)) {
    if list.is_array() {
        list.items().for_each(push);
    } else if !list.is_empty() {
        push(list);
    }
}

/// Adds a member that no rule knows, if it is an object or an array: a scalar beside the lists describes the delivery
/// and is no event.
fn push_composite(entry: &Entry<'_>, key: &str, value: Value<'_>, out: &mut Events) {
    if (value.is_object() || value.is_array()) && !value.is_empty() {
        push_unknown(entry, key, value, out);
    }
}

/// Adds an event that no rule knows.
fn push_unknown<'d>(entry: &Entry<'d>, at: &'d str, item: Value<'d>, out: &mut Events) {
    let channel = Channel::new(entry.family(), entry.id.clone(), None);
    let around = Surroundings { time: entry.time, field: "" };
    let time = EventTime::from_first([entry.time], entry.received_at);
    let identity = Identity::Item { kind: None, at, item, around };
    out.push(draft(entry.platform, type_name(at), &channel, time, identity), |payload| payload.push_str(item.raw()));
}

/// Adds the whole body of what is no notification. The dispatcher parks it for a person to look at.
fn push_unrecognized(body: &[u8], out: &mut Events) {
    let name = Cow::Borrowed("unrecognized");
    let time = EventTime { at: out.received_at, is_replaced: false };
    out.push(draft(Platform::Unknown, name, &Channel::unknown(), time, Identity::Bytes(body)), |payload| {
        payload.push_str("{\"encoding\":\"base64\",\"body\":\"");
        STANDARD.encode_string(body, payload);
        payload.push_str("\"}");
    });
}

fn draft<'d>(
    platform: Platform,
    name: Cow<'d, str>,
    channel: &'d Channel<'d>,
    time: EventTime,
    identity: Identity<'d>,
) -> Draft<'d> {
    Draft {
        platform,
        name,
        class: Class::Updates,
        channel,
        contact: Contact::default(),
        group: None,
        standby: false,
        effect: None,
        time,
        identity,
        content: Content::default(),
        media: Vec::new(),
    }
}
