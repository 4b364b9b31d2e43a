//! Every kind of event: where it stands in a notification, its type and class, and what identifies it.
//!
//! `docs/events.md` is printed from these tables. Source of the identifying parts: Meta's reference pages, one for each
//! object.

use crate::Class::{Messages, Updates};
use crate::kind::{is, kind, maybe, paths};

pub(crate) use crate::kind::find;
pub use crate::kind::{Kind, NOT_IDENTIFYING, Part, Path};
pub use crate::whatsapp_kinds::{WHATSAPP_FIELDS, WHATSAPP_ITEMS, WHATSAPP_LISTS};
pub(crate) use crate::whatsapp_kinds::{WHATSAPP_NUMBER, WHATSAPP_PERSON};

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
        .with_contact(paths!(optin.user_ref))
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
    kind("call_permission_reply", "call_permission_reply", Messages, &[])
        .note("A person allows calls, or not. It stands in `messaging`, or directly in an entry that has no id."),
    kind("messaging_feedback", "feedback", Messages, &[]).note("A person answered a survey."),
    kind("response_feedback", "response_feedback", Messages, &[]).note("A person judged one answer."),
    kind("messaging_customer_information", "customer_information", Messages, &[])
        .note("A person filled in an address or the like."),
    kind("messaging_in_thread_lead_form_submit", "lead_form", Messages, &[])
        .note("A person filled in a form in the conversation."),
    kind("send_cart", "order", Messages, &[]).note("A person sent a cart."),
    kind("order", "order", Messages, &[]).note("A person sent a cart; the key has two names."),
    kind("message_context", "message_context", Messages, &[]).note("What Meta detected in a person's message."),
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
    kind("group_feed", "group_feed", Messages, FEED)
        .with_contact(AUTHOR)
        .note("A post or a comment in a group of the page. Meta sends it in `messaging`, where it names its field."),
    kind("calls", "call", Messages, &[is!(id), is!(event), maybe!(call_status | status), maybe!(timestamp)])
        .with_contact(paths!(from | to | recipient_id | from.id | to.id))
        .note("A call, step by step. It stands in `entry.calls`."),
    kind("marketing_message_clicks", "marketing_message_click", Updates, &[])
        .note("A person followed a link of a marketing message."),
    kind("marketing_message_deliveries", "marketing_message_delivery", Updates, &[])
        .note("A marketing message was delivered."),
    kind("marketing_message_delivery_failed", "marketing_message_failure", Updates, &[])
        .note("A marketing message could not be delivered."),
    kind("marketing_message_echoes", "marketing_message_echo", Updates, &[]).note("A marketing message was sent."),
    kind("marketing_message_reads", "marketing_message_read", Updates, &[]).note("A marketing message was read."),
    kind("inbox_labels", "inbox_label", Updates, &[]).note("A label was given to a person, or taken away."),
    kind("business_integrity", "business_integrity", Updates, &[]).note("Meta warned or restricted the business."),
    kind("messaging_integrity", "messaging_integrity", Updates, &[]).note("Meta warned or restricted the page."),
];

const AUTHOR: &[Path] = paths!(from.id | sender_id);
/// Where a person may stand in an item whose kind names no contact.
pub(crate) const ANYONE: &[Path] = paths!(
    from.id
        | from
        | sender.id
        | sender
        | sender_id
        | sender.user_ref
        | user.id
        | user
        | user_id
        | reviewer_id
        | recipient_id
        | recipient.id
);
/// Where a person's name may stand.
pub(crate) const NAME: &[Path] =
    paths!(from.username | from.name | sender_name | sender.name | user.name | user.username | reviewer_name);
const FEED: &[Part] = &[
    Part::Field,
    is!(item),
    is!(verb),
    is!(comment_id | post_id),
    maybe!(from.id | sender_id),
    maybe!(created_time),
    Part::TimeUnlessAdded,
];
