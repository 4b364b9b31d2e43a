//! Every kind of event of WhatsApp. `docs/events.md` is printed from these tables.

use crate::Class::{Messages, Updates};
use crate::kind::{Kind, Part, Path, is, kind, maybe, news, paths};

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
    "standby",
];

const FROM: &[Path] = paths!(from_user_id | from | to_user_id | to);
const TO: &[Path] =
    paths!(to_user_id | to | recipient | message.to_user_id | message.to | message.recipient | from_user_id | from);
const RECIPIENT: &[Path] = paths!(recipient_user_id | recipient_id);
/// One person in a group, of whom a status tells. Meta spells it in two ways.
const PARTICIPANT: &[Path] = paths!(
    recipient_participant_user_id | participant_recipient_user_id | recipient_participant_id | participant_recipient_id
);
const PERSON: &[Path] = paths!(user_id | wa_id);

/// Where a person may stand in an item whose kind names no contact.
pub(crate) const WHATSAPP_PERSON: &[Path] = paths!(
    from_user_id
        | from
        | recipient_user_id
        | recipient_id
        | to_user_id
        | to
        | user_id
        | wa_id
        | sender.user_id
        | sender.phone_number
        | user.id
);
/// Where a value names its number.
pub(crate) const WHATSAPP_NUMBER: &[Path] = paths!(
    metadata.phone_number_id | recipient.phone_number_id | phone_number_settings.phone_number_id | phone_number_id
);

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
    kind("statuses#group", "status", Updates, STATUS)
        .with_contact(PARTICIPANT)
        .note("The state of a message that the business sent to a group, for one person in it, `recipient_type`."),
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
    Part::Maybe(PARTICIPANT),
    maybe!(type),
    maybe!(payment.transaction.id | payment.reference_id),
];
const STATE: &[Part] = &[is!(contact.phone_number | contact.user_id), is!(action), is!(metadata.timestamp)];

/// WhatsApp fields whose `value` is one event.
pub const WHATSAPP_FIELDS: &[Kind] = &[
    kind("messaging_handovers", "handover", Messages, &[])
        .with_contact(paths!(sender.user_id | sender.phone_number))
        .note("A conversation was handed to another app or to Meta's agent, or taken from it."),
    kind("message_template_status_update", "@", Updates, TEMPLATE).note("A template was approved, rejected, paused …"),
    news("message_template_quality_update", "A template's quality changed."),
    news("message_template_components_update", "A template's text changed."),
    news("template_category_update", "A template's category changed or will change."),
    news("account_alerts", "A limit or a profile needs attention."),
    news("account_review_update", "The account was reviewed."),
    news("account_settings_update", "A setting of the account, or of the number that it names, changed."),
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
