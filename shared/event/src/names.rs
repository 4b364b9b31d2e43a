//! The names of an event, its channel, its lane and its queue. Each is a type of its own, so that two cannot be swapped.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// A name that is text. It is cheap to clone, and compared and hashed by its text.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Makes the name of any text. Whoever reads the text from outside checks it first.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&$name> for Arc<str> {
            fn from(name: &$name) -> Self {
                Self::clone(&name.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// `evt_` and 26 characters, the same for the same event, however often Meta sends it.
    #[derive(Debug)]
    EventId
}
name! {
    /// What happened, such as `whatsapp.message` or `instagram.comment`.
    #[derive(Debug)]
    EventType
}
name! {
    /// One conversation's ordered stream. It may contain a phone number, so `Debug` does not show it.
    Lane
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lane(..)")
    }
}

/// The kind of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// A WhatsApp number. The id is Meta's `phone_number_id`.
    WhatsApp,
    /// A whole WhatsApp account, for events that concern no single number. The id is that of the account (`WABA id`).
    WhatsAppAccount,
    /// An Instagram account.
    Instagram,
    /// A Facebook Page.
    Messenger,
    /// Not a channel: a body that could not be read, or an address that this version does not know.
    Other,
}

impl Family {
    const KNOWN: [Self; 4] = [Self::WhatsApp, Self::WhatsAppAccount, Self::Instagram, Self::Messenger];

    /// As it stands before the colon of an address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WhatsApp => "whatsapp",
            Self::WhatsAppAccount => "whatsapp-account",
            Self::Instagram => "instagram",
            Self::Messenger => "messenger",
            Self::Other => "meta",
        }
    }

    fn parse(text: &str) -> Self {
        Self::KNOWN.into_iter().find(|family| family.as_str() == text).unwrap_or(Self::Other)
    }
}

/// The channel that an event belongs to, such as `whatsapp:106540352242922`: its family, a colon, its id at Meta.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    text: Arc<str>,
    family: Family,
}

impl Address {
    /// Makes the name of any text. Whoever reads the text from outside checks it first.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let family = text.split_once(':').map_or(Family::Other, |(family, _)| Family::parse(family));
        Self { text, family }
    }

    /// The address of the channel with that id.
    pub fn of(family: Family, id: &str) -> Self {
        Self { text: [family.as_str(), ":", id].concat().into(), family }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind of the channel.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The channel's id at Meta: what stands after the first colon.
    pub fn id(&self) -> &str {
        self.text.split_once(':').map_or(&self.text, |(_, id)| id)
    }
}

impl From<&Address> for Arc<str> {
    fn from(address: &Address) -> Self {
        Self::clone(&address.text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Which of two kinds of queues an event travels in, so that a flood of updates never delays a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Something that a person or the business did: messages, reactions, comments, calls.
    Messages,
    /// Everything else: statuses, reads, account news.
    Updates,
}

impl Class {
    /// Both, in the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::Messages, Self::Updates];

    /// As it stands in queue names, headers and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Updates => "updates",
        }
    }

    /// The class with that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// How the dispatcher changes our own records after DSK has the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The customer removed the WhatsApp account, so that it and those of its channels become disconnected that were
    /// connected before.
    AccountRemoved {
        /// When it was removed by Meta's clock; never later than we received the event.
        at: Timestamp,
    },
}

impl Effect {
    const ACCOUNT_REMOVED: &str = "account_removed";

    /// As it stands in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountRemoved { .. } => Self::ACCOUNT_REMOVED,
        }
    }

    /// When it happened.
    pub const fn at(self) -> Timestamp {
        match self {
            Self::AccountRemoved { at } => at,
        }
    }

    /// The effect with that name, which happened at that time.
    pub fn parse(text: &str, at: Timestamp) -> Option<Self> {
        (text == Self::ACCOUNT_REMOVED).then_some(Self::AccountRemoved { at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_its_channel_is() {
        for (text, family, id) in [
            ("whatsapp:1065", Family::WhatsApp, "1065"),
            ("whatsapp-account:1028", Family::WhatsAppAccount, "1028"),
            ("instagram:1784", Family::Instagram, "1784"),
            ("messenger:7:8", Family::Messenger, "7:8"),
            ("meta:unrecognized", Family::Other, "unrecognized"),
            ("telegram:1", Family::Other, "1"),
            ("whatsapp", Family::Other, "whatsapp"),
        ] {
            let address = Address::new(text);

            assert_eq!((address.family(), address.id()), (family, id), "{text}");
        }
    }

    #[test]
    fn an_address_made_of_parts_is_the_one_made_of_its_text() {
        assert_eq!(Address::of(Family::WhatsAppAccount, "1028"), Address::new("whatsapp-account:1028"));
    }
}
