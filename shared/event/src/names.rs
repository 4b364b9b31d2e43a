//! The names an event goes by: each a type of its own, so that two of them cannot be swapped.

use std::fmt;
use std::sync::Arc;

/// A name that is text inside: cheap to clone, compared and hashed by its text.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is; whoever reads from outside has checked it.
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
    /// `evt_` and 26 characters, the same for the same event however often Meta sends it.
    #[derive(Debug)]
    EventId
}
name! {
    /// What happened, such as `whatsapp.message` or `instagram.comment`.
    #[derive(Debug)]
    EventType
}
name! {
    /// The channel an event belongs to, such as `whatsapp:106540352242922`.
    #[derive(Debug)]
    Address
}
name! {
    /// One conversation's ordered stream. It may hold a phone number, so it has no readable `Debug`.
    Lane
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lane(..)")
    }
}

/// Which of the two queues an event travels in: a flood of updates never delays a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What a person did: messages, reactions, comments, calls.
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

    /// The class of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// What the dispatcher does to our own records once DSK has the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The WhatsApp account left us: it and its channels become disconnected.
    AccountRemoved,
}

impl Effect {
    /// As it stands in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountRemoved => "account_removed",
        }
    }

    /// The effect of that name.
    pub fn parse(text: &str) -> Option<Self> {
        (text == Self::AccountRemoved.as_str()).then_some(Self::AccountRemoved)
    }
}
