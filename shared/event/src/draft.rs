//! From what a platform's rules found to an event: type, address, id, and the body that DSK will get.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;

use crate::ids::{Identity, id};
use crate::json::{Value, join};
use crate::time::When;
use crate::{Address, Class, Effect, Event, EventType, Lane};

/// Longest field name, id or address part that is taken as one; Meta's are below 40.
const NAME_LENGTH_MAX: usize = 128;

/// The address of what belongs to no channel.
pub(crate) const NOWHERE: &str = "meta:unrecognized";

/// An event as the rules found it.
#[derive(Debug)]
pub(crate) struct Draft<'d> {
    pub(crate) platform: Platform,
    /// The type without the platform.
    pub(crate) name: Cow<'d, str>,
    pub(crate) class: Class,
    pub(crate) channel: Channel<'d>,
    pub(crate) contact: Contact<'d>,
    /// The group, where the conversation is one.
    pub(crate) group: Option<Cow<'d, str>>,
    pub(crate) standby: bool,
    pub(crate) effect: Option<Effect>,
    pub(crate) when: When,
    pub(crate) identity: Identity<'d>,
    pub(crate) media: Vec<Value<'d>>,
    pub(crate) payload: Cow<'d, str>,
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
#[derive(Clone, Debug, Default)]
pub(crate) struct Channel<'d> {
    /// `whatsapp`, `whatsapp-account`, `instagram` or `messenger`.
    pub(crate) family: &'static str,
    pub(crate) id: Option<Cow<'d, str>>,
    pub(crate) account_id: Option<Cow<'d, str>>,
}

/// The person at the other end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contact<'d> {
    pub(crate) id: Option<Cow<'d, str>>,
    /// As Meta wrote it, quotation marks included.
    pub(crate) name: Option<Value<'d>>,
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

impl Channel<'_> {
    /// What can't be an id (very long, or with control characters) belongs nowhere that we know.
    fn address(&self) -> Address {
        match &self.id {
            Some(id) if is_name(id) => Address::new(format!("{}:{id}", self.family)),
            _ => Address::new(NOWHERE),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_LENGTH_MAX && !text.chars().any(char::is_control)
}

/// A name in a type: Meta's own field names pass unchanged, anything else loses what a log line should not carry.
pub(crate) fn type_name(field: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !field.is_empty() && field.len() <= NAME_LENGTH_MAX && field.chars().all(is_plain) {
        return Cow::Borrowed(field);
    }
    let plain: String = field.chars().take(NAME_LENGTH_MAX).map(|c| if is_plain(c) { c } else { '_' }).collect();
    Cow::Owned(if plain.is_empty() { "unnamed".to_owned() } else { plain })
}

impl Draft<'_> {
    /// The event, with the body that DSK will get.
    pub(crate) fn finish(self, received_at: Timestamp) -> Event {
        let event_type = EventType::new(format!("{}.{}", self.platform.as_str(), self.name));
        let address = self.channel.address();
        let lane = match self.group.as_ref().or(self.contact.id.as_ref()) {
            Some(other) => Lane::new(format!("{address}/{other}")),
            None => Lane::new(address.as_str()),
        };
        let id = id(&address, &event_type, self.standby, &self.identity);
        let body = self.body(id.as_str(), event_type.as_str(), received_at);
        Event {
            id,
            event_type,
            address,
            lane,
            class: self.class,
            timestamp: self.when.at,
            timestamp_replaced: self.when.replaced,
            effect: self.effect,
            body,
        }
    }

    /// Written by hand, so that the payload's bytes are Meta's own.
    fn body(&self, id: &str, event_type: &str, received_at: Timestamp) -> Bytes {
        let mut out = String::with_capacity(self.payload.len() + 512);
        out.push_str("{\"type\":");
        push_text(&mut out, event_type);
        write!(out, ",\"timestamp\":\"{}\",\"data\":{{\"id\":\"{id}\"", self.when.at)
            .expect("writing to a string cannot fail");
        write!(out, ",\"platform\":\"{}\",\"channel\":", self.platform.as_str())
            .expect("writing to a string cannot fail");
        push_object(
            &mut out,
            &[("id", self.channel.id.as_deref()), ("account_id", self.channel.account_id.as_deref())],
            None,
        );
        if self.contact.id.is_some() || self.contact.name.is_some() {
            out.push_str(",\"contact\":");
            push_object(&mut out, &[("id", self.contact.id.as_deref())], self.contact.name);
        }
        write!(out, ",\"received_at\":\"{received_at}\"").expect("writing to a string cannot fail");
        if self.standby {
            out.push_str(",\"standby\":true");
        }
        if !self.media.is_empty() {
            out.push_str(",\"media\":");
            join(&mut out, ('[', ']'), &self.media, |out, file| push_file(out, *file));
        }
        out.push_str(",\"payload\":");
        out.push_str(&self.payload);
        out.push_str("}}");
        Bytes::from(out)
    }
}

fn push_object(out: &mut String, members: &[(&str, Option<&str>)], name: Option<Value<'_>>) {
    let mut written: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(members.len() + 1);
    written.extend(members.iter().filter_map(|(key, text)| Some((*key, quoted((*text)?)))));
    written.extend(name.map(|name| ("name", Cow::Borrowed(name.raw()))));
    join(out, ('{', '}'), written, |out, (key, value)| {
        push_text(out, key);
        out.push(':');
        out.push_str(&value);
    });
}

fn push_file(out: &mut String, file: Value<'_>) {
    let known = ["id", "mime_type", "sha256"].into_iter().filter_map(|key| Some((key, file.get(key)?)));
    join(out, ('{', '}'), known, |out, (key, value)| {
        push_text(out, key);
        out.push(':');
        out.push_str(value.raw());
    });
}

fn push_text(out: &mut String, text: &str) {
    out.push_str(&quoted(text));
}

fn quoted(text: &str) -> Cow<'static, str> {
    Cow::Owned(serde_json::Value::from(text).to_string())
}
