//! Every kind of event: where it stands in a notification, its type and class, and what identifies it.
//!
//! `docs/events.md` is printed from these tables. Source of the identifying parts: Meta's reference pages, one for each
//! object.

use crate::Class::{self, Messages, Updates};

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

const fn kind(at: &'static str, name: &'static str, class: Class, parts: &'static [Part]) -> Kind {
    Kind { at, name, class, parts, contact: &[], note: "" }
}

/// News about an account or a number, to which Meta gives no id.
const fn news(at: &'static str, note: &'static str) -> Kind {
    kind(at, "@", Updates, &[]).note(note)
}

impl Kind {
    const fn with_contact(self, contact: &'static [Path]) -> Self {
        Self { contact, ..self }
    }

    const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

/// The kind that stands at `at`.
pub(crate) fn find(kinds: &'static [Kind], at: &str) -> Option<&'static Kind> {
    kinds.iter().find(|kind| kind.at == at)
}

/// WhatsApp fields whose `value` holds lists of items. The `value` of any other field is one event.
pub const WHATSAPP_LISTS: &[&str] = &[
    "messages",
    "message_echoes",
    "smb_message_echoes",
    "calls",
    "history",
    "smb_app_state_sync",
    "user_preferences",
    "user_id_update",
    "automatic_events",
    "group_lifecycle_update",
    "group_participants_update",
    "group_settings_update",
    "group_status_update",
];

const FROM: &[Path] = paths!(from_user_id | from | to_user_id | to);
const TO: &[Path] = paths!(to_user_id | to | from_user_id | from);
const RECIPIENT: &[Path] = paths!(recipient_user_id | recipient_id);
const PERSON: &[Path] = paths!(user_id | wa_id);

/// Items in a WhatsApp `value`, by the key of their list.
pub const WHATSAPP_ITEMS: &[Kind] = &[
    kind("messages", "message", Messages, &[is!(id)])
        .with_contact(FROM)
        .note("A message of any type. Reaction, edit, revoke and system messages have an id of their own."),
    // As in the history, the same id comes twice: first for a placeholder, then for the content.
    kind("messages#placeholder", "message", Messages, &[is!(id), Part::Word("placeholder")])
        .with_contact(FROM)
        .note("An unsupported message with error 131060, whose content may follow under the same message id."),
    // The timestamp is no part, because the same status may come again with another one.
    kind("statuses", "status", Updates, STATUS)
        .with_contact(RECIPIENT)
        .note("The state of a message that the business sent."),
    kind("message_echoes", "echo", Messages, &[Part::Word("echo"), is!(id)])
        .with_contact(TO)
        .note("A message that the business sent from its phone."),
    kind("message_echoes#placeholder", "echo", Messages, &[Part::Word("echo"), is!(id), Part::Word("placeholder")])
        .with_contact(TO)
        .note("The same placeholder for a message that the business sent from its phone."),
    kind("calls", "call", Messages, &[is!(id), Part::Word("event"), is!(event)])
        .with_contact(FROM)
        .note("A call, step by step."),
    kind("calls#outgoing", "call", Messages, &[is!(id), Part::Word("event"), is!(event)])
        .with_contact(TO)
        .note("A call by the business, step by step."),
    kind("calls#statuses", "call", Messages, &[is!(id), Part::Word("status"), is!(status)])
        .with_contact(RECIPIENT)
        .note("Whether a call by the business rings, is accepted or rejected."),
    // The same id comes twice by design: first for a placeholder, then for the media.
    kind("history", "history", Updates, &[Part::Word("history"), is!(id), Part::Word("whole")])
        .with_contact(FROM)
        .note("A message from before the number was connected."),
    kind("history#placeholder", "history", Updates, &[Part::Word("history"), is!(id), Part::Word("placeholder")])
        .with_contact(FROM)
        .note(
            "A message from before the number was connected, whose media or content follows under the same message id.",
        ),
    kind("state_sync", "@", Updates, STATE)
        .with_contact(paths!(contact.user_id | contact.phone_number))
        .note("A contact added to or removed from the phone's address book."),
    kind("user_preferences", "@", Updates, &[is!(user_id | wa_id), is!(category), is!(value), is!(timestamp)])
        .with_contact(PERSON)
        .note("A person stops or resumes marketing messages."),
    kind("user_id_update", "@", Updates, &[is!(user_id.previous), is!(user_id.current)])
        .with_contact(paths!(user_id.current | wa_id))
        .note("A person has a new user id."),
    kind("automatic_events", "@", Updates, &[is!(id), is!(event_name), is!(timestamp)])
        .note("A lead or a purchase that Meta detected in a conversation."),
    kind("groups", "@", Updates, &[]).with_contact(PERSON).note("Something happened to a group or its participants."),
    kind("user_actions", "user_actions", Updates, &[]).note("A click on a marketing message. Meta gives it no id."),
    kind("errors", "error", Updates, &[])
        .note("A problem at Meta. It has neither id nor time, so the same error within 8 days is the same event."),
];

const STATUS: &[Part] = &[
    is!(id),
    is!(status),
    maybe!(recipient_participant_user_id | recipient_participant_id),
    maybe!(type),
    maybe!(payment.transaction.id | payment.reference_id),
];
const STATE: &[Part] = &[is!(contact.phone_number | contact.user_id), is!(action), is!(metadata.timestamp)];

/// WhatsApp fields whose `value` is one event.
pub const WHATSAPP_FIELDS: &[Kind] = &[
    kind("message_template_status_update", "@", Updates, TEMPLATE).note("A template was approved, rejected, paused …"),
    news("message_template_quality_update", "A template's quality changed."),
    news("message_template_components_update", "A template's text changed."),
    news("template_category_update", "A template's category changed or will change."),
    news("account_alerts", "A limit or a profile needs attention."),
    news("account_review_update", "The account was reviewed."),
    news("account_settings_update", "A setting of the account changed."),
    news("account_update", "The account was verified, restricted, deleted, shared with a partner …"),
    news("business_capability_update", "A limit of the business changed."),
    news("business_username_update", "The business's username changed."),
    news("business_username_updates", "The business's usernames changed."),
    news("flows", "A flow's status, latency, error rate or version changed."),
    news("partner_solutions", "A multi-partner solution changed."),
    news("payment_configuration_update", "A payment configuration changed."),
    news("phone_number_name_update", "A display name was reviewed."),
    news("phone_number_quality_update", "A number's quality or throughput changed."),
    news("security", "A number's PIN was changed or requested."),
];

const TEMPLATE: &[Part] = &[is!(message_template_id), Part::Field, is!(event), Part::Time];

/// Instagram and Messenger items in `messaging` and `standby`, by their key. Of several, the first in this order.
pub const MESSAGING: &[Kind] = &[
    kind("message", "message", Messages, &[is!(message.mid)]).note("A message from a person."),
    kind("message#echo", "echo", Messages, &[Part::Word("echo"), is!(message.mid)])
        .note("A message that the business sent, `is_echo`."),
    kind("message#deleted", "deletion", Messages, &[is!(message.mid), Part::Word("deleted")])
        .note("A message was deleted, `is_deleted`. It has the id of that message."),
    kind("message_edit", "edit", Messages, &[is!(message_edit.mid), is!(message_edit.num_edit)])
        .note("A message was changed."),
    kind("reaction", "reaction", Messages, REACTION).note("A person reacted to a message, or removed the reaction."),
    kind("read", "read", Updates, &[is!(sender.id), is!(read.watermark)]).note("Everything up to a time was read."),
    kind("read#mid", "read", Updates, &[is!(read.mid), maybe!(timestamp)]).note("One message was read."),
    kind("delivery", "delivery", Updates, &[is!(sender.id), is!(delivery.watermark)])
        .note("Everything up to a time was delivered."),
    kind("postback", "postback", Messages, &[is!(sender.id), is!(timestamp), is!(postback.payload)])
        .note("A button was pressed."),
    kind("postback#mid", "postback", Messages, &[is!(postback.mid)]).note("A button was pressed; it has an id."),
    kind("referral", "referral", Messages, &[is!(sender.id), is!(timestamp), maybe!(referral.ref)])
        .note("A person came from a link or an advertisement."),
    kind("optin", "optin", Messages, &[is!(sender.id | optin.user_ref), is!(timestamp), maybe!(optin.ref)])
        .note("A person agreed to receive messages."),
    kind("pass_thread_control", "handover", Messages, &[Part::Word("pass"), is!(sender.id), is!(timestamp)])
        .note("A conversation was handed to another app."),
    kind("take_thread_control", "handover", Messages, &[Part::Word("take"), is!(sender.id), is!(timestamp)])
        .note("A conversation was taken by another app."),
    kind("request_thread_control", "handover", Messages, &[Part::Word("request"), is!(sender.id), is!(timestamp)])
        .note("Another app asks for a conversation."),
    kind("app_roles", "handover", Messages, &[]).note("The roles of the page's apps changed."),
    kind(
        "account_linking",
        "account_linking",
        Updates,
        &[is!(sender.id), is!(timestamp), maybe!(account_linking.status)],
    )
    .note("A person linked or unlinked an account."),
    kind("policy_enforcement", "policy_enforcement", Updates, &[is!(timestamp), maybe!(policy_enforcement.action)])
        .note("Meta blocked or unblocked the page."),
    kind("policy-enforcement", "policy_enforcement", Updates, &[])
        .note("Meta blocked or unblocked the page; some versions spell it in this way."),
];

const REACTION: &[Part] = &[
    is!(reaction.mid),
    is!(sender.id),
    is!(reaction.action),
    maybe!(reaction.emoji | reaction.reaction),
    is!(timestamp),
];

/// Instagram and Messenger changes, by their field.
pub const CHANGES: &[Kind] = &[
    kind("comments", "comment", Messages, &[is!(id | comment_id)]).with_contact(AUTHOR).note("A comment on a post."),
    kind("live_comments", "live_comment", Messages, &[is!(id | comment_id)])
        .with_contact(AUTHOR)
        .note("A comment on a live video."),
    kind("mentions#comment", "mention", Messages, &[is!(comment_id)])
        .with_contact(AUTHOR)
        .note("The account was named in a comment."),
    kind("mentions", "mention", Messages, &[is!(media_id), Part::Time])
        .with_contact(AUTHOR)
        .note("The account was named in a caption."),
    kind("story_insights", "story_insights", Updates, &[is!(media_id)]).note("The figures of a story that ended."),
    kind("feed#comment", "comment", Messages, FEED)
        .with_contact(AUTHOR)
        .note("A comment on a page's post: added, edited, hidden …"),
    kind("feed", "feed", Updates, FEED).with_contact(AUTHOR).note("A post, photo, video, share or reaction on a page."),
    kind("mention", "mention", Messages, FEED).with_contact(AUTHOR).note("The page was named in a post or a comment."),
    kind("leadgen", "leadgen", Updates, &[is!(leadgen_id)]).note("A form of an advertisement was filled in."),
    kind("ratings", "@", Updates, &[]).note("A recommendation, or a comment on one."),
];

const AUTHOR: &[Path] = paths!(from.id | sender_id);
const FEED: &[Part] = &[
    Part::Field,
    is!(item),
    is!(verb),
    is!(comment_id | post_id),
    maybe!(from.id | sender_id),
    maybe!(created_time),
    Part::TimeUnlessAdded,
];
