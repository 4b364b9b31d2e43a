//! A notification into events, at every level. Nothing that Meta signed is dropped.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::draft::{Channel, Contact, Draft, Platform, type_name};
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
/// becomes one `meta.unrecognized` with the whole body in it. `received_at` stands in where Meta gives no time.
pub fn split(body: &[u8], received_at: Timestamp) -> Vec<Event> {
    let document = Document::parse(body);
    let mut drafts = Vec::new();
    if let Some(document) = &document {
        notification(document.root(), received_at, &mut drafts);
    }
    if drafts.is_empty() {
        drafts.push(unrecognized(body, received_at));
    }
    drafts.into_iter().map(|draft| draft.finish(received_at)).collect()
}

/// A key or a field as text; where it has escapes, as written.
pub(crate) fn plain(value: Value<'_>) -> &str {
    match value.text() {
        Some(Cow::Borrowed(text)) => text,
        Some(Cow::Owned(_)) | None => value.raw(),
    }
}

fn notification<'d>(root: Value<'d>, received_at: Timestamp, out: &mut Vec<Draft<'d>>) {
    let object = root.scalar_at("object").unwrap_or_default();
    let platform = Platform::of_object(&object);
    if platform == Platform::Unknown {
        return;
    }
    for (key, value) in root.members() {
        match plain(key) {
            "object" => {}
            "entry" if value.is_array() => value.items().for_each(|item| entry(platform, item, received_at, out)),
            "entry" => entry(platform, value, received_at, out),
            key => beside(&Entry { platform, id: None, time: None, received_at }, key, value, out),
        }
    }
}

fn entry<'d>(platform: Platform, value: Value<'d>, received_at: Timestamp, out: &mut Vec<Draft<'d>>) {
    let before = out.len();
    let entry = Entry { platform, id: value.scalar_at("id"), time: value.get("time"), received_at };
    for (key, member) in value.members() {
        match (plain(key), platform) {
            ("changes", _) => each(member, |change| changed(&entry, change, out)),
            ("messaging", Platform::Instagram | Platform::Messenger) => {
                each(member, |item| out.push(messaging::item(&entry, item, false)));
            }
            ("standby", Platform::Instagram | Platform::Messenger) => {
                each(member, |item| out.push(messaging::item(&entry, item, true)));
            }
            ("id" | "time", _) => {}
            // One of Meta's templates has a change's members directly in the entry.
            ("field" | "value", _) if value.get("field").is_some() && value.get("value").is_some() => {}
            (key, _) => beside(&entry, key, member, out),
        }
    }
    if value.get("field").is_some() && value.get("value").is_some() {
        changed(&entry, value, out);
    }
    if out.len() == before {
        out.push(other(&entry, "entry", value, Cow::Borrowed(value.raw())));
    }
}

fn changed<'d>(entry: &Entry<'d>, change: Value<'d>, out: &mut Vec<Draft<'d>>) {
    match entry.platform {
        Platform::WhatsApp => whatsapp::split(entry, change, out),
        Platform::Instagram | Platform::Messenger | Platform::Unknown => out.push(messaging::change(entry, change)),
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
fn beside<'d>(entry: &Entry<'d>, key: &'d str, value: Value<'d>, out: &mut Vec<Draft<'d>>) {
    if (value.is_object() || value.is_array()) && !value.is_empty() {
        out.push(other(entry, key, value, Cow::Borrowed(value.raw())));
    }
}

/// An event that no rule knows.
fn other<'d>(entry: &Entry<'d>, at: &'d str, item: Value<'d>, payload: Cow<'d, str>) -> Draft<'d> {
    let family = match entry.platform {
        Platform::WhatsApp => "whatsapp-account",
        Platform::Instagram => "instagram",
        Platform::Messenger | Platform::Unknown => "messenger",
    };
    Draft {
        platform: entry.platform,
        name: type_name(at),
        class: Class::Updates,
        channel: Channel { family, id: entry.id.clone(), account_id: None },
        contact: Contact::default(),
        group: None,
        standby: false,
        effect: None,
        when: When::from_first(&[entry.time], entry.received_at),
        identity: Identity::whole(at, item, Surroundings { time: entry.time, field: "" }),
        media: Vec::new(),
        payload,
    }
}

/// What is no notification, whole. The dispatcher parks it for a person to look at.
fn unrecognized(body: &[u8], received_at: Timestamp) -> Draft<'_> {
    let payload = format!("{{\"encoding\":\"base64\",\"body\":\"{}\"}}", STANDARD.encode(body));
    Draft {
        platform: Platform::Unknown,
        name: Cow::Borrowed("unrecognized"),
        class: Class::Updates,
        channel: Channel::default(),
        contact: Contact::default(),
        group: None,
        standby: false,
        effect: None,
        when: When { at: received_at, replaced: false },
        identity: Identity::Bytes(body),
        media: Vec::new(),
        payload: Cow::Owned(payload),
    }
}
