//! From a draft, which holds what a platform's rules read, to an event: its type, id and lane, and the body for DSK.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;

use crate::entry::{Channel, Contact, Platform, is_name};
use crate::ids::{Identity, Ids};
use crate::media::File;
use crate::scan::plain_bytes;
use crate::time::EventTime;
use crate::{Class, Effect, Event, EventId, EventType, Lane};

/// Longest person's name that is copied out of a contact, in bytes. The payload has a name of any length.
const PERSON_BYTES_MAX: usize = 1 << 10;
/// A notification may give this many events, and one more for each `BYTES_PER_EVENT` of its body. Meta's items are too
/// large to reach this. A body that would exceed it is no notification, and must not take more memory than its size
/// warrants.
const EVENTS_MIN: usize = 64;
const BYTES_PER_EVENT: usize = 32;
/// What a body has around its item, in bytes, roughly.
const AROUND_BYTES: usize = 600;

/// An event as the rules of its platform read it.
#[derive(Debug)]
pub(crate) struct Draft<'d> {
    pub(crate) platform: Platform,
    /// The type without the platform.
    pub(crate) name: Cow<'d, str>,
    pub(crate) class: Class,
    pub(crate) channel: &'d Channel<'d>,
    pub(crate) contact: Contact<'d>,
    /// The group, if the conversation is one.
    pub(crate) group: Option<Cow<'d, str>>,
    pub(crate) standby: bool,
    pub(crate) effect: Option<Effect>,
    pub(crate) time: EventTime,
    pub(crate) identity: Identity<'d>,
    pub(crate) media: Vec<File<'d>>,
}

/// The events of one notification, in the order in which they are read.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) received_at: Timestamp,
    received_text: String,
    list: Vec<Event>,
    count_max: usize,
    overflows: bool,
    ids: Ids,
    /// A buffer for the names that are put together from parts.
    text: String,
}

impl Events {
    pub(crate) fn of(body: &[u8], received_at: Timestamp) -> Self {
        Self {
            received_at,
            received_text: received_at.to_string(),
            list: Vec::new(),
            count_max: EVENTS_MIN + body.len() / BYTES_PER_EVENT,
            overflows: false,
            ids: Ids::new(),
            text: String::with_capacity(128),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// Whether the body has more events than a body of its size may have.
    pub(crate) fn overflows(&self) -> bool {
        self.overflows
    }

    /// All events, unless there are none or too many. Empty afterwards.
    pub(crate) fn finish(&mut self) -> Option<Vec<Event>> {
        let list = std::mem::take(&mut self.list);
        (!list.is_empty() && !std::mem::take(&mut self.overflows)).then_some(list)
    }

    /// Adds an event, with the body that DSK will get; `payload` writes the payload into it.
    pub(crate) fn push(&mut self, draft: Draft<'_>, payload: impl FnOnce(&mut String)) {
        if self.list.len() == self.count_max {
            self.overflows = true;
            return;
        }
        let address = draft.channel.address.clone();
        let event_type = EventType::new(self.joined([draft.platform.as_str(), ".", &draft.name]));
        let lane = match draft.group.as_ref().filter(|group| is_name(group)).or(draft.contact.id.as_ref()) {
            Some(other_end) => Lane::new(self.joined([address.as_str(), "/", other_end])),
            None => Lane::new(address.as_str()),
        };
        let id = self.ids.id(&address, &event_type, draft.standby, &draft.identity);
        let mut body = String::with_capacity(draft.identity.size() + AROUND_BYTES);
        draft.write(&mut body, &id, &event_type, &self.received_text, payload);
        self.list.push(Event {
            id,
            event_type,
            address,
            lane,
            class: draft.class,
            timestamp: draft.time.at,
            timestamp_replaced: draft.time.is_replaced,
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
    /// Writes the body. No serializer does it, because the payload's bytes must stay Meta's own.
    fn write(
        &self,
        out: &mut String,
        id: &EventId,
        event_type: &EventType,
        received_at: &str,
        payload: impl FnOnce(&mut String),
    ) {
        out.push_str("{\"type\":");
        push_text(out, event_type.as_str());
        write!(out, ",\"timestamp\":\"{}\"", self.time.at).expect("writing to a string cannot fail");
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
            self.media.iter().for_each(|file| push_file(out, file));
            out.push(']');
        }
        out.push_str(",\"payload\":");
        payload(out);
        out.push_str("}}");
    }
}

/// Writes a member into the object that `out` ends in, if there is a value.
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

fn push_file(out: &mut String, file: &File<'_>) {
    push_comma(out);
    out.push('{');
    push_member(out, "id", Some(&*file.id), push_scalar);
    push_member(out, "mime_type", file.mime_type.as_deref(), push_scalar);
    push_member(out, "sha256", file.sha256.as_deref(), push_scalar);
    out.push('}');
}

/// Writes text as Meta wrote it. A number becomes text, because DSK is promised text.
fn push_scalar(out: &mut String, raw: &str) {
    if raw.starts_with('"') { out.push_str(raw) } else { push_text(out, raw) }
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
