//! Where an event comes from: the platform, the entry of the notification, the channel, and the person at the other end.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::json::Value;
use crate::{Address, Family};

/// Longest field name, id or address part that is accepted as one, in bytes. Meta's are shorter than 140.
const NAME_BYTES_MAX: usize = 256;

/// One of a notification's `entry`, and what its events have in common.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'d> {
    pub(crate) platform: Platform,
    pub(crate) id: Option<Cow<'d, str>>,
    pub(crate) time: Option<Value<'d>>,
    pub(crate) received_at: Timestamp,
}

/// What Meta's notification is about, by its `object`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    WhatsApp,
    Instagram,
    Messenger,
    /// Meta signed it, but its `object` is none of the three.
    Unknown,
}

/// The channel or account that an event belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Channel<'d> {
    pub(crate) address: Address,
    pub(crate) id: Option<Cow<'d, str>>,
    pub(crate) account_id: Option<Cow<'d, str>>,
}

/// The person at the other end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contact<'d> {
    pub(crate) id: Option<Cow<'d, str>>,
    pub(crate) name: Option<Value<'d>>,
    pub(crate) username: Option<Value<'d>>,
    /// Every other id by which WhatsApp knows the person.
    pub(crate) phone: Option<Cow<'d, str>>,
    pub(crate) user_id: Option<Cow<'d, str>>,
    pub(crate) parent_user_id: Option<Cow<'d, str>>,
}

impl Entry<'_> {
    /// The family of an event's address when the event names nothing closer than the entry.
    pub(crate) fn family(&self) -> Family {
        match self.platform {
            Platform::WhatsApp => Family::WhatsAppAccount,
            Platform::Instagram => Family::Instagram,
            Platform::Messenger | Platform::Unknown => Family::Messenger,
        }
    }
}

impl Platform {
    pub(crate) fn of_object(object: &str) -> Self {
        match object {
            "whatsapp_business_account" => Self::WhatsApp,
            "instagram" => Self::Instagram,
            "page" => Self::Messenger,
            _ => Self::Unknown,
        }
    }

    /// As it stands before the dot of a type.
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
    /// An id that cannot be one (very long, or with control characters) is left out, and then the channel is unknown.
    pub(crate) fn new(family: Family, id: Option<Cow<'d, str>>, account_id: Option<Cow<'d, str>>) -> Self {
        let id = id.filter(|id| is_name(id));
        let address = match &id {
            Some(id) => Address::of(family, id),
            None => Address::of(Family::Other, "unrecognized"),
        };
        Self { address, id, account_id: account_id.filter(|id| is_name(id)) }
    }

    /// The channel of an event that belongs to none.
    pub(crate) fn unknown() -> Self {
        Self::new(Family::Other, None, None)
    }
}

/// Whether a text can be an id: not empty, not very long, no control characters.
pub(crate) fn is_name(text: &str) -> bool {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return false;
    }
    // Counts without a branch, because nearly every name is plain ASCII. Only the others are read letter by letter.
    let odd_bytes: usize = text.bytes().map(|byte| usize::from(!(0x20..0x7f).contains(&byte))).sum();
    odd_bytes == 0 || !text.chars().any(char::is_control)
}

/// A field's name as part of a type. Meta's own names pass unchanged; in any other text, every letter that a log line
/// should not carry becomes `_`.
pub(crate) fn type_name(field: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !field.is_empty() && field.len() <= NAME_BYTES_MAX && field.chars().all(is_plain) {
        return Cow::Borrowed(field);
    }
    let plain: String = field.chars().take(NAME_BYTES_MAX).map(|c| if is_plain(c) { c } else { '_' }).collect();
    Cow::Owned(if plain.is_empty() { "unnamed".to_owned() } else { plain })
}
