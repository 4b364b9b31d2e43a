//! Instagram and Messenger: the items of `messaging` and `standby`, and `changes`. Both platforms send the same shapes.

use std::borrow::Cow;

use crate::Class;
use crate::draft::{Channel, Contact, Draft, Platform, type_name};
use crate::ids::{Identity, Surroundings, first};
use crate::json::Value;
use crate::kinds::{CHANGES, Kind, MESSAGING, find};
use crate::split::{Entry, plain};
use crate::time::When;

/// What every `messaging` item has beside what happened.
const COMMON: [&str; 6] = ["sender", "recipient", "timestamp", "prior_message", "is_instagram", "hop_context"];

/// One of `entry.messaging`, or of `entry.standby` when another app has the conversation.
pub(crate) fn item<'d>(entry: &Entry<'d>, item: Value<'d>, standby: bool) -> Draft<'d> {
    happened(entry, (item, item), Surroundings { time: None, field: "" }, standby)
}

/// One of `entry.changes`.
pub(crate) fn change<'d>(entry: &Entry<'d>, change: Value<'d>) -> Draft<'d> {
    let field = change.get("field").map_or("change", plain);
    let around = Surroundings { time: entry.time, field };
    if let Some(value) = change.get("value").filter(|value| is_messaging(field, *value)) {
        // The dashboard's test button sends messaging items this way.
        return happened(entry, (value, change), Surroundings { time: None, field: "" }, field == "standby");
    }
    let kind = change_kind(field, change);
    let contact = kind.map(|kind| first(change, kind.contact));
    let name =
        ["value.from.username", "value.from.name", "value.sender_name"].into_iter().find_map(|path| change.path(path));
    let given = [change.path("value.created_time"), entry.time];
    Draft {
        platform: entry.platform,
        name: kind.map_or_else(|| type_name(field), |kind| Cow::Borrowed(kind.name)),
        class: kind.map_or(Class::Updates, |kind| kind.class),
        channel: channel(entry, None),
        contact: Contact { id: contact.flatten(), name: name.filter(|name| name.text().is_some()) },
        group: None,
        standby: false,
        effect: None,
        when: When::from_first(&given, entry.received_at),
        identity: kind
            .map_or_else(|| Identity::whole(field, change, around), |kind| Identity::of(kind, change, around)),
        media: Vec::new(),
        payload: Cow::Borrowed(change.raw()),
    }
}

/// Whether a change carries a messaging item.
fn is_messaging(field: &str, value: Value<'_>) -> bool {
    (field.starts_with("messag") || field == "standby") && messaging_kind(value).is_some()
}

fn change_kind(field: &str, change: Value<'_>) -> Option<&'static Kind> {
    let is_comment = || change.scalar_at("value.item").as_deref() == Some("comment");
    match field {
        "feed" if is_comment() => find(CHANGES, "feed#comment"),
        "mentions" if change.scalar_at("value.comment_id").is_some() => find(CHANGES, "mentions#comment"),
        _ => find(CHANGES, field),
    }
}

/// The first kind, in the order of the table, that the item holds.
fn messaging_kind(item: Value<'_>) -> Option<&'static Kind> {
    let is_true = |path: &str| item.path(path).is_some_and(Value::is_true);
    MESSAGING.iter().find(|kind| match kind.at {
        "message#deleted" => is_true("message.is_deleted"),
        "message#echo" => is_true("message.is_echo"),
        "postback#mid" => item.scalar_at("postback.mid").is_some(),
        key => item.get(key).is_some_and(|value| value.raw() != "null"),
    })
}

fn happened<'d>(
    entry: &Entry<'d>,
    (item, payload): (Value<'d>, Value<'d>),
    around: Surroundings<'d>,
    standby: bool,
) -> Draft<'d> {
    let kind = messaging_kind(item);
    let unknown = || item.members().map(|(key, _)| plain(key)).find(|key| !COMMON.contains(key)).unwrap_or("messaging");
    let name = kind.map_or_else(|| type_name(unknown()), |kind| Cow::Borrowed(kind.name));
    let identity = match kind {
        Some(kind) => Identity::of(kind, item, around),
        None => Identity::whole(unknown(), item, around),
    };
    Draft {
        platform: entry.platform,
        name,
        class: kind.map_or(Class::Updates, |kind| kind.class),
        channel: channel(entry, Some(item)),
        contact: Contact { id: other_end(entry, item), name: None },
        group: None,
        standby,
        effect: None,
        when: When::from_first(&[item.get("timestamp"), entry.time], entry.received_at),
        identity,
        media: Vec::new(),
        payload: Cow::Borrowed(payload.raw()),
    }
}

/// The account's own id; where the entry has none, the end of the item that is not the person.
fn channel<'d>(entry: &Entry<'d>, item: Option<Value<'d>>) -> Channel<'d> {
    let family = match entry.platform {
        Platform::Instagram => "instagram",
        Platform::Messenger | Platform::WhatsApp | Platform::Unknown => "messenger",
    };
    let own_end = || item.and_then(|item| item.scalar_at(if is_echo(item) { "sender.id" } else { "recipient.id" }));
    Channel { family, id: entry.id.clone().or_else(own_end), account_id: None }
}

fn is_echo(item: Value<'_>) -> bool {
    item.path("message.is_echo").is_some_and(Value::is_true)
}

/// The person: the end that is not the account itself.
fn other_end<'d>(entry: &Entry<'d>, item: Value<'d>) -> Option<Cow<'d, str>> {
    let (sender, recipient) = (item.scalar_at("sender.id"), item.scalar_at("recipient.id"));
    let (likelier, other) = if is_echo(item) { (recipient, sender) } else { (sender, recipient) };
    likelier.filter(|id| Some(id) != entry.id.as_ref()).or_else(|| other.filter(|id| Some(id) != entry.id.as_ref()))
}
