//! A notification into events, at every level. Nothing that Meta signed is dropped.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::draft::{Channel, Contact, Draft, Events, Platform, type_name};
use crate::ids::{Identity, Surroundings};
use crate::json::{Document, Value};
use crate::time::When;
use crate::{Class, Event, messaging, whatsapp};

/// One of a notification's `entry`, and what its events have in common.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'d> {
    pub(crate) platform: Platform,
    pub(crate) id: Option<Cow<'d, str>>,
    pub(crate) time: Option<Value<'d>>,
    pub(crate) received_at: Timestamp,
}

/// Splits a notification that Meta signed into one event for each thing that happened.
///
/// There is always at least one: what no rule knows becomes `<platform>.<field>`, and what is no notification at all
/// becomes one `meta.unrecognized` with the whole body in it. `received_at` stands in where Meta gives no time. The
/// events take a small multiple of the body's size, whatever is in it.
pub fn split(body: &[u8], received_at: Timestamp) -> Vec<Event> {
    let mut events = Events::of(body, received_at);
    if let Some(document) = Document::parse(body) {
        notification(document.root(), &mut events);
    }
    events.finish().unwrap_or_else(|| {
        unrecognized(body, &mut events);
        events.finish().unwrap_or_default()
    })
}

impl Entry<'_> {
    /// What begins the address of an event that names nothing closer than the entry.
    pub(crate) fn family(&self) -> &'static str {
        match self.platform {
            Platform::WhatsApp => "whatsapp-account",
            Platform::Instagram => "instagram",
            Platform::Messenger | Platform::Unknown => "messenger",
        }
    }
}

pub(crate) fn notification(root: Value<'_>, out: &mut Events) {
    let object = root.get("object").and_then(Value::scalar).unwrap_or_default();
    let platform = Platform::of_object(&object);
    if platform == Platform::Unknown {
        return;
    }
    for (key, value) in root.members() {
        match key.plain() {
            "object" => {}
            "entry" if value.is_array() => value.items().for_each(|item| entry(platform, item, out)),
            "entry" => entry(platform, value, out),
            key => {
                let root = Entry { platform, id: None, time: None, received_at: out.received_at };
                beside(&root, key, value, out);
            }
        }
    }
}

fn entry(platform: Platform, value: Value<'_>, out: &mut Events) {
    let before = out.count();
    let id = value.get("id").and_then(Value::scalar);
    let entry = Entry { platform, id, time: value.get("time"), received_at: out.received_at };
    // One of Meta's templates has a change's members directly in the entry.
    let is_change = value.get("field").is_some() && value.get("value").is_some();
    for (key, member) in value.members() {
        match (key.plain(), platform) {
            ("changes", _) => each(member, |change| changed(&entry, change, out)),
            ("messaging", Platform::Instagram | Platform::Messenger) => {
                each(member, |item| messaging::item(&entry, item, false, out));
            }
            ("standby", Platform::Instagram | Platform::Messenger) => {
                each(member, |item| messaging::item(&entry, item, true, out));
            }
            ("id" | "time", _) => {}
            ("field" | "value", _) if is_change => {}
            (key, _) => beside(&entry, key, member, out),
        }
    }
    if is_change && platform == Platform::WhatsApp {
        whatsapp::split(&entry, value, out);
    } else if is_change {
        messaging::change(&entry, value, out);
    } else if out.count() == before {
        other(&entry, "entry", value, out);
    }
}

fn changed(entry: &Entry<'_>, change: Value<'_>, out: &mut Events) {
    if entry.platform != Platform::WhatsApp {
        // The payload is the change, with all that is in it.
        return messaging::change(entry, change, out);
    }
    whatsapp::split(entry, change, out);
    if change.get("value").is_some() {
        let others = change.members().filter(|(key, _)| !matches!(key.plain(), "field" | "value"));
        others.for_each(|(key, value)| beside(entry, key.plain(), value, out));
    }
}

/// A list's items, or the one thing that stands where the list should.
fn each<'d>(list: Value<'d>, mut with: impl FnMut(Value<'d>)) {
    if list.is_array() {
        list.items().for_each(with);
    } else if !list.is_empty() {
        with(list);
    }
}

/// A member that no rule knows. A scalar beside the lists describes the delivery and is no event.
fn beside(entry: &Entry<'_>, key: &str, value: Value<'_>, out: &mut Events) {
    if (value.is_object() || value.is_array()) && !value.is_empty() {
        other(entry, key, value, out);
    }
}

/// An event that no rule knows.
fn other<'d>(entry: &Entry<'d>, at: &'d str, item: Value<'d>, out: &mut Events) {
    let channel = Channel::new(entry.family(), entry.id.clone(), None);
    let around = Surroundings { time: entry.time, field: "" };
    let when = When::from_first([entry.time], entry.received_at);
    let identity = Identity::Item { kind: None, at, item, around };
    out.push(unknown(entry.platform, type_name(at), &channel, (when, identity)), |payload| {
        payload.push_str(item.raw());
    });
}

/// What is no notification, whole. The dispatcher parks it for a person to look at.
fn unrecognized(body: &[u8], out: &mut Events) {
    let when = When { at: out.received_at, replaced: false };
    let what = (when, Identity::Bytes(body));
    out.push(unknown(Platform::Unknown, Cow::Borrowed("unrecognized"), &Channel::nowhere(), what), |payload| {
        payload.push_str("{\"encoding\":\"base64\",\"body\":\"");
        STANDARD.encode_string(body, payload);
        payload.push_str("\"}");
    });
}

fn unknown<'d>(
    platform: Platform,
    name: Cow<'d, str>,
    channel: &'d Channel<'d>,
    (when, identity): (When, Identity<'d>),
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
        when,
        identity,
        media: Vec::new(),
    }
}
