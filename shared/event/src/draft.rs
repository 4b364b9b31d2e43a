//! A draft: what the rules of its platform read of an event.

use std::borrow::Cow;

use crate::content::Content;
use crate::entry::{Channel, Contact, Platform, is_name};
use crate::ids::Identity;
use crate::media::File;
use crate::time::EventTime;
use crate::{Class, Effect};

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
    pub(crate) content: Content<'d>,
    pub(crate) media: Vec<File<'d>>,
}

impl Draft<'_> {
    /// The group's id, if it can be one.
    pub(crate) fn group_name(&self) -> Option<&str> {
        self.group.as_deref().filter(|group| is_name(group))
    }
}
