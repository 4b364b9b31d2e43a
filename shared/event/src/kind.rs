//! What a kind of event is: where it stands in a notification, its type and class, and what identifies it.

use crate::Class::{self, Updates};

/// A path into an item: the names of members, outermost first.
pub type Path = &'static [&'static str];

/// A kind of event.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Where it stands: a key or a field, and behind `#` what distinguishes it from others there.
    pub at: &'static str,
    /// Its type without the platform; `@` stands for the change's field.
    pub name: &'static str,
    /// The queue that it travels in.
    pub class: Class,
    /// What identifies it, beside address and type. Empty if Meta gives no identity: then the whole item identifies it.
    pub parts: &'static [Part],
    /// Where the contact's id may stand in the item, in this order: user id, then phone.
    pub contact: &'static [Path],
    /// What it is, for the reader of `docs/events.md`.
    pub note: &'static str,
}

/// A part of an identity.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// This word. It distinguishes kinds that share an id.
    Word(&'static str),
    /// The scalar at the first of these paths that is there. Without one, the whole item identifies itself.
    Is(&'static [Path]),
    /// The scalar at the first of these paths that is there, or nothing.
    Maybe(&'static [Path]),
    /// The change's field.
    Field,
    /// `entry.time`, without which the whole item identifies itself.
    Time,
    /// `entry.time`, unless `verb` is `add`. A thing is added once but may change many times, and Meta gives each change
    /// the `created_time` of the thing.
    TimeUnlessAdded,
}

/// Ids that stand beside an identity and belong to it: people, groups, and what the thing hangs on. Any other member whose
/// name ends in `_id` takes part in the identity, because it may be what tells two things apart.
pub const NOT_IDENTIFYING: &[&str] = &[
    "from_user_id",
    "from_parent_user_id",
    "from_logical_id",
    "to_user_id",
    "to_parent_user_id",
    "to_logical_id",
    "recipient_id",
    "recipient_user_id",
    "recipient_parent_user_id",
    "recipient_logical_id",
    "parent_recipient_user_id",
    "recipient_participant_parent_user_id",
    "participant_recipient_parent_user_id",
    "user_id",
    "parent_user_id",
    "wa_id",
    "group_id",
    "sender_id",
    "page_id",
    "share_id",
    "signup_id",
    "parent_id",
    "media_id",
    "form_id",
    "ad_id",
    "adgroup_id",
    "adset_id",
    "campaign_id",
];

/// `paths!(a.b | c)`: the member `b` of `a`, or else `c`.
macro_rules! paths {
    ($($($name:ident).+)|+) => { &[$(&[$(stringify!($name)),+]),+] };
}

/// `is!(a.b | c)`: a part that must be there.
macro_rules! is {
    ($($path:tt)+) => { Part::Is(paths!($($path)+)) };
}

/// `maybe!(a.b | c)`: a part that may be absent.
macro_rules! maybe {
    ($($path:tt)+) => { Part::Maybe(paths!($($path)+)) };
}

pub(crate) const fn kind(at: &'static str, name: &'static str, class: Class, parts: &'static [Part]) -> Kind {
    Kind { at, name, class, parts, contact: &[], note: "" }
}

/// News about an account or a number, to which Meta gives no id.
pub(crate) const fn news(at: &'static str, note: &'static str) -> Kind {
    kind(at, "@", Updates, &[]).note(note)
}

impl Kind {
    /// Whether a rule says what the member of that name is: that it identifies, or that it does not.
    pub(crate) fn names(&self, member: &str) -> bool {
        let begins = |paths: &[Path]| paths.iter().any(|path| path.first() == Some(&member));
        let is_part = |part: &Part| match part {
            Part::Is(paths) | Part::Maybe(paths) => begins(paths),
            Part::Word(_) | Part::Field | Part::Time | Part::TimeUnlessAdded => false,
        };
        // The short lists first: this is asked of every status in a batch.
        begins(self.contact) || self.parts.iter().any(is_part) || NOT_IDENTIFYING.contains(&member)
    }

    pub(crate) const fn with_contact(self, contact: &'static [Path]) -> Self {
        Self { contact, ..self }
    }

    pub(crate) const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

/// The kind that stands at `at`.
pub(crate) fn find(kinds: &'static [Kind], at: &str) -> Option<&'static Kind> {
    kinds.iter().find(|kind| kind.at == at)
}

pub(crate) use {is, maybe, paths};
