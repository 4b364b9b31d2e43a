//! Every kind of event: where it stands in a notification, its type and class, and what identifies it.
//!
//! A part of an identity is a path into the item. `a|b` is the first of both that is there, `?` makes it optional,
//! `=x` is the word x, `@time` is `entry.time` (`@time-unless-added` only if `value.verb` is not `add`), `@field` is the
//! change's field. Where there are no parts, or one that is not optional is missing, the whole item identifies itself
//! (see `ids`). Source of the parts: Meta's reference pages, object by object.

use crate::Class::{self, Messages, Updates};

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Where it stands: a key or a field, and after `#` what marks it.
    pub at: &'static str,
    /// Its type without the platform; `@field` is the change's field.
    pub name: &'static str,
    /// Its class.
    pub class: Class,
    /// What identifies it, beside address and type; nothing where Meta gives no identity.
    pub parts: &'static [&'static str],
    /// Where the contact's id stands in the item: user id first, then phone.
    pub contact: &'static str,
}

const fn kind(at: &'static str, name: &'static str, class: Class, parts: &'static [&'static str]) -> Kind {
    Kind { at, name, class, parts, contact: "" }
}

impl Kind {
    const fn with(self, contact: &'static str) -> Self {
        Self { contact, ..self }
    }
}

/// Items in a WhatsApp `value`, by their key.
pub const WHATSAPP_ITEMS: &[Kind] = &[
    // Reaction, edit, revoke and system messages have an id of their own.
    kind("messages", "message", Messages, &["id"]).with("from_user_id|from"),
    // Not the timestamp: the same status comes again with another one.
    kind("statuses", "status", Updates, &["id", "status", PARTICIPANT, "type?", PAYMENT])
        .with("recipient_user_id|recipient_id"),
    kind("message_echoes", "echo", Messages, &["=echo", "id"]).with("to_user_id|to"),
    kind("errors", "error", Updates, &[]),
    kind("calls", "call", Messages, &["id", "=event", "event"]).with("from_user_id|from"),
    kind("calls#outgoing", "call", Messages, &["id", "=event", "event"]).with("to_user_id|to"),
    kind("calls#statuses", "call", Messages, &["id", "=status", "status"]).with("recipient_user_id|recipient_id"),
    // The same id comes twice by design: first a placeholder, then the media.
    kind("history", "history", Updates, &["=history", "id", "=whole"]),
    kind("history#placeholder", "history", Updates, &["=history", "id", "=placeholder"]),
    kind("state_sync", "@field", Updates, &["contact.phone_number|contact.user_id", "action", "metadata.timestamp"])
        .with("contact.user_id|contact.phone_number"),
    kind("user_preferences", "@field", Updates, &["user_id|wa_id", "category", "value", "timestamp"])
        .with("user_id|wa_id"),
    kind("user_id_update", "@field", Updates, &["user_id.previous", "user_id.current"]).with("user_id.current|wa_id"),
    kind("groups", "@field", Updates, &[]),
];

const PARTICIPANT: &str = "recipient_participant_user_id|recipient_participant_id?";
const PAYMENT: &str = "payment.transaction.id|payment.reference_id?";

/// WhatsApp fields whose `value` is one event.
pub const WHATSAPP_FIELDS: &[Kind] = &[
    kind("message_template_status_update", "@field", Updates, TEMPLATE),
    kind("message_template_quality_update", "@field", Updates, TEMPLATE),
    kind("message_template_components_update", "@field", Updates, TEMPLATE),
    kind("template_category_update", "@field", Updates, TEMPLATE),
];

const TEMPLATE: &[&str] = &["message_template_id", "@field", "event", "@time"];

/// Instagram and Messenger items in `messaging` and `standby`, by their key.
pub const MESSAGING: &[Kind] = &[
    // A deletion has the id of the message that it deletes.
    kind("message#deleted", "deletion", Messages, &["message.mid", "=deleted"]),
    kind("message#echo", "echo", Messages, &["=echo", "message.mid"]),
    kind("message", "message", Messages, &["message.mid"]),
    kind("message_edit", "edit", Messages, &["message_edit.mid", "message_edit.num_edit"]),
    // A person may react, take it back and react again.
    kind("reaction", "reaction", Messages, REACTION),
    kind("read", "read", Updates, &["read.mid|sender.id", "read.watermark|timestamp"]),
    kind("delivery", "delivery", Updates, &["sender.id", "delivery.watermark"]),
    kind("postback#mid", "postback", Messages, &["postback.mid"]),
    kind("postback", "postback", Messages, &["sender.id", "timestamp", "postback.payload"]),
    kind("referral", "referral", Messages, &["sender.id", "timestamp", "referral.ref?"]),
    kind("optin", "optin", Messages, &["sender.id|optin.user_ref", "timestamp", "optin.ref?"]),
    kind("pass_thread_control", "handover", Messages, &["=pass", "sender.id", "timestamp"]),
    kind("take_thread_control", "handover", Messages, &["=take", "sender.id", "timestamp"]),
    kind("request_thread_control", "handover", Messages, &["=request", "sender.id", "timestamp"]),
    kind("app_roles", "handover", Messages, &[]),
    kind("account_linking", "account_linking", Updates, &["sender.id", "timestamp", "account_linking.status?"]),
    kind("policy_enforcement", "policy_enforcement", Updates, &["timestamp", "policy_enforcement.action?"]),
    kind("policy-enforcement", "policy_enforcement", Updates, &["timestamp", "policy-enforcement.action?"]),
];

const REACTION: &[&str] =
    &["reaction.mid", "sender.id", "reaction.action", "reaction.emoji|reaction.reaction?", "timestamp"];

/// Instagram and Messenger changes, by their field.
pub const CHANGES: &[Kind] = &[
    kind("comments", "comment", Messages, &["value.id|value.comment_id"]).with("value.from.id"),
    kind("live_comments", "live_comment", Messages, &["value.id|value.comment_id"]).with("value.from.id"),
    kind("mentions#comment", "mention", Messages, &["value.comment_id"]).with("value.from.id"),
    kind("mentions", "mention", Messages, &["value.media_id", "@time"]).with("value.from.id"),
    kind("mention", "mention", Messages, FEED).with(FEED_CONTACT),
    kind("story_insights", "story_insights", Updates, &["value.media_id"]),
    kind("feed#comment", "comment", Messages, FEED).with(FEED_CONTACT),
    kind("feed", "feed", Updates, FEED).with(FEED_CONTACT),
    kind("leadgen", "leadgen", Updates, &["value.leadgen_id"]),
];

const FEED_CONTACT: &str = "value.from.id|value.sender_id";
/// A post is added once. It may be edited, hidden and shown any number of times, and Meta gives those the time of the
/// post: only `entry.time` tells them apart.
const FEED: &[&str] = &[
    "@field",
    "value.item",
    "value.verb",
    "value.comment_id|value.post_id",
    "value.from.id|value.sender_id?",
    "value.created_time?",
    "@time-unless-added",
];
/// The kind that stands there.
pub(crate) fn find(kinds: &'static [Kind], at: &str) -> Option<&'static Kind> {
    kinds.iter().find(|kind| kind.at == at)
}
