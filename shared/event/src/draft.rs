//! From what a platform's rules found to an event: type, address, id, and the body that DSK will get.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;

use crate::ids::{Identity, Ids};
use crate::json::Value;
use crate::scan::plain_bytes;
use crate::time::When;
use crate::{Address, Class, Effect, Event, EventId, EventType, Lane};

/// Longest field name, id or address part that is taken as one, in bytes; Meta's are below 140.
const NAME_BYTES_MAX: usize = 256;
/// Longest person's name that is taken out of a contact, in bytes; it stays in the payload whatever its length.
const PERSON_BYTES_MAX: usize = 1 << 10;
/// A notification may give this many events, and one more for each `BYTES_PER_EVENT` of its body. No item of Meta's is
/// so small that it could reach this; a body that would is no notification, and takes no more memory than its size
/// warrants.
const EVENTS_MIN: usize = 64;
const BYTES_PER_EVENT: usize = 32;

/// About what stands around an item in a body, in bytes.
const AROUND_BYTES: usize = 600;

/// The address of what belongs to no channel.
const NOWHERE: &str = "meta:unrecognized";

/// An event as the rules found it.
#[derive(Debug)]
pub(crate) struct Draft<'d> {
    pub(crate) platform: Platform,
    /// The type without the platform.
    pub(crate) name: Cow<'d, str>,
    pub(crate) class: Class,
    pub(crate) channel: &'d Channel<'d>,
    pub(crate) contact: Contact<'d>,
    /// The group, where the conversation is one.
    pub(crate) group: Option<Cow<'d, str>>,
    pub(crate) standby: bool,
    pub(crate) effect: Option<Effect>,
    pub(crate) when: When,
    pub(crate) identity: Identity<'d>,
    pub(crate) media: Vec<Value<'d>>,
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    WhatsApp,
    Instagram,
    Messenger,
    /// Signed, but none of the three.
    Unknown,
}

/// The channel or account an event belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Channel<'d> {
    address: Address,
    id: Option<Cow<'d, str>>,
    account_id: Option<Cow<'d, str>>,
}

/// The person at the other end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contact<'d> {
    pub(crate) id: Option<Cow<'d, str>>,
    /// As Meta wrote it, quotation marks included.
    pub(crate) name: Option<Value<'d>>,
}

/// The events of one notification, as they are found.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) received_at: Timestamp,
    received_text: String,
    found: Vec<Event>,
    found_max: usize,
    /// There would be more than there may be.
    overflows: bool,
    ids: Ids,
    text: String,
}

impl Platform {
    /// By the notification's `object`.
    pub(crate) fn of_object(object: &str) -> Self {
        match object {
            "whatsapp_business_account" => Self::WhatsApp,
            "instagram" => Self::Instagram,
            "page" => Self::Messenger,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::WhatsApp => "whatsapp",
            Self::Instagram => "instagram",
            Self::Messenger => "messenger",
            Self::Unknown => "meta",
        }
    }
}

impl<'d> Channel<'d> {
    /// `family` is `whatsapp`, `whatsapp-account`, `instagram` or `messenger`. What can't be an id (very long, or with
    /// control characters) belongs nowhere that we know.
    pub(crate) fn new(family: &str, id: Option<Cow<'d, str>>, account_id: Option<Cow<'d, str>>) -> Self {
        let id = id.filter(|id| is_name(id));
        let address = match &id {
            Some(id) => Address::new([family, ":", id].concat()),
            None => Address::new(NOWHERE),
        };
        Self { address, id, account_id: account_id.filter(|id| is_name(id)) }
    }

    /// The channel of what belongs to none.
    pub(crate) fn nowhere() -> Self {
        Self::new("", None, None)
    }
}

pub(crate) fn is_name(text: &str) -> bool {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return false;
    }
    // Every byte is looked at without a branch; only what is no plain ASCII is read letter by letter.
    let odd_bytes: usize = text.bytes().map(|byte| usize::from(!(0x20..0x7f).contains(&byte))).sum();
    odd_bytes == 0 || !text.chars().any(char::is_control)
}

/// A name in a type: Meta's own field names pass unchanged, anything else loses what a log line should not carry.
pub(crate) fn type_name(field: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !field.is_empty() && field.len() <= NAME_BYTES_MAX && field.chars().all(is_plain) {
        return Cow::Borrowed(field);
    }
    let plain: String = field.chars().take(NAME_BYTES_MAX).map(|c| if is_plain(c) { c } else { '_' }).collect();
    Cow::Owned(if plain.is_empty() { "unnamed".to_owned() } else { plain })
}

impl Events {
    pub(crate) fn of(body: &[u8], received_at: Timestamp) -> Self {
        Self {
            received_at,
            received_text: received_at.to_string(),
            found: Vec::new(),
            found_max: EVENTS_MIN + body.len() / BYTES_PER_EVENT,
            overflows: false,
            ids: Ids::new(),
            text: String::with_capacity(128),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    /// Whether there would be more than there may be.
    pub(crate) fn overflows(&self) -> bool {
        self.overflows
    }

    /// All of them, unless there are none or too many.
    pub(crate) fn finish(&mut self) -> Option<Vec<Event>> {
        let found = std::mem::take(&mut self.found);
        (!found.is_empty() && !std::mem::take(&mut self.overflows)).then_some(found)
    }

    /// Adds an event, with the body that DSK will get.
    pub(crate) fn push(&mut self, draft: Draft<'_>, payload: impl FnOnce(&mut String)) {
        if self.found.len() == self.found_max {
            self.overflows = true;
            return;
        }
        let address = draft.channel.address.clone();
        let event_type = EventType::new(self.joined([draft.platform.as_str(), ".", &draft.name]));
        let lane = match draft.group.as_ref().filter(|group| is_name(group)).or(draft.contact.id.as_ref()) {
            Some(other) => Lane::new(self.joined([address.as_str(), "/", other])),
            None => Lane::new(address.as_str()),
        };
        let id = self.ids.id((&address, &event_type), draft.standby, &draft.identity);
        let mut body = String::with_capacity(draft.identity.size() + AROUND_BYTES);
        draft.write(&mut body, (&id, &event_type, &self.received_text), payload);
        self.found.push(Event {
            id,
            event_type,
            address,
            lane,
            class: draft.class,
            timestamp: draft.when.at,
            timestamp_replaced: draft.when.replaced,
            effect: draft.effect,
            body: Bytes::from(body),
        });
    }

    fn joined(&mut self, parts: [&str; 3]) -> &str {
        self.text.clear();
        parts.iter().for_each(|part| self.text.push_str(part));
        &self.text
    }
}

impl Draft<'_> {
    /// Written by hand, so that the payload's bytes are Meta's own.
    fn write(
        &self,
        out: &mut String,
        (id, event_type, received_at): (&EventId, &EventType, &str),
        payload: impl FnOnce(&mut String),
    ) {
        out.push_str("{\"type\":");
        push_text(out, event_type.as_str());
        write!(out, ",\"timestamp\":\"{}\"", self.when.at).expect("writing to a string cannot fail");
        out.push_str(",\"data\":{\"id\":");
        push_text(out, id.as_str());
        out.push_str(",\"platform\":");
        push_text(out, self.platform.as_str());
        out.push_str(",\"channel\":{");
        push_member(out, "id", self.channel.id.as_deref(), push_text);
        push_member(out, "account_id", self.channel.account_id.as_deref(), push_text);
        out.push('}');
        let name = self.contact.name.filter(|name| name.raw().len() <= PERSON_BYTES_MAX && name.text().is_some());
        if self.contact.id.is_some() || name.is_some() {
            out.push_str(",\"contact\":{");
            push_member(out, "id", self.contact.id.as_deref(), push_text);
            push_member(out, "name", name, |out, name| out.push_str(name.raw()));
            out.push('}');
        }
        out.push_str(",\"received_at\":");
        push_text(out, received_at);
        if self.standby {
            out.push_str(",\"standby\":true");
        }
        if !self.media.is_empty() {
            out.push_str(",\"media\":[");
            self.media.iter().for_each(|file| push_file(out, *file));
            out.push(']');
        }
        out.push_str(",\"payload\":");
        payload(out);
        out.push_str("}}");
    }
}

/// A member of the object being written, if it is there.
fn push_member<T>(out: &mut String, key: &str, value: Option<T>, write: impl FnOnce(&mut String, T)) {
    let Some(value) = value else { return };
    push_comma(out);
    push_text(out, key);
    out.push(':');
    write(out, value);
}

fn push_comma(out: &mut String) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
}

fn push_file(out: &mut String, file: Value<'_>) {
    push_comma(out);
    out.push('{');
    for key in ["id", "mime_type", "sha256"] {
        push_member(out, key, file.get(key).filter(|value| value.scalar().is_some()), push_scalar);
    }
    out.push('}');
}

/// Text as Meta wrote it. A number becomes text: DSK is promised one.
fn push_scalar(out: &mut String, value: Value<'_>) {
    match value.text() {
        Some(_) => out.push_str(value.raw()),
        None => push_text(out, &value.scalar().unwrap_or_default()),
    }
}

fn push_text(out: &mut String, text: &str) {
    if plain_bytes(text.as_bytes()) < text.len() {
        out.push_str(&serde_json::Value::from(text).to_string());
        return;
    }
    out.push('"');
    out.push_str(text);
    out.push('"');
}
