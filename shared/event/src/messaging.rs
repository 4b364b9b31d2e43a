//! Instagram and Messenger, which send the same shapes: the items of `messaging` and `standby`, and `changes`.

use std::borrow::Cow;

use crate::Class;
use crate::draft::{Draft, Events};
use crate::entry::{Channel, Contact, Entry, is_name, type_name};
use crate::ids::{Identity, Surroundings};
use crate::json::{Member, Value};
use crate::kinds::{CHANGES, Kind, MESSAGING, find};
use crate::time::EventTime;

/// Members of a `messaging` item that do not say what happened.
const COMMON: [&str; 6] = ["sender", "recipient", "timestamp", "prior_message", "is_instagram", "hop_context"];

/// Adds one of `entry.messaging`, or of `entry.standby` when another app has the conversation.
pub(crate) fn push_item(entry: &Entry<'_>, item: Value<'_>, standby: bool, out: &mut Events) {
    push(entry, item, item, standby, out);
}

/// Adds one of `entry.changes`.
pub(crate) fn push_change(entry: &Entry<'_>, change: Value<'_>, out: &mut Events) {
    let field = change.get("field").map_or("change", Value::plain);
    let item = change.get("value").unwrap_or(change);
    if is_messaging(field, item) {
        // The test button of Meta's dashboard sends messaging items in this form.
        return push(entry, item, change, field == "standby", out);
    }
    let kind = change_kind(field, item);
    let name = [["from", "username"].as_slice(), &["from", "name"], &["sender_name"]];
    let contact = kind.and_then(|kind| item.first(kind.contact)).filter(|id| is_name(id));
    let draft = Draft {
        platform: entry.platform,
        name: match kind.map(|kind| kind.name) {
            None | Some("@") => type_name(field),
            Some(name) => Cow::Borrowed(name),
        },
        class: kind.map_or(Class::Updates, |kind| kind.class),
        channel: &channel(entry, None),
        contact: Contact { id: contact, name: name.into_iter().find_map(|path| item.at(path)) },
        group: None,
        standby: false,
        effect: None,
        time: EventTime::from_first([item.get("created_time"), entry.time], entry.received_at),
        identity: Identity::Item { kind, at: field, item, around: Surroundings { time: entry.time, field } },
        media: Vec::new(),
    };
    out.push(draft, |payload| payload.push_str(change.raw()));
}

/// Whether a change carries a messaging item.
fn is_messaging(field: &str, value: Value<'_>) -> bool {
    (field.starts_with("messag") || field == "standby") && messaging_kind(value).is_some()
}

fn change_kind(field: &str, item: Value<'_>) -> Option<&'static Kind> {
    let at = match field {
        "feed" if item.has_text("item", "comment") => "feed#comment",
        "mentions" if item.get("comment_id").and_then(Value::scalar).is_some() => "mentions#comment",
        _ => field,
    };
    find(CHANGES, at)
}

/// The kind of the first row of the table whose key the item has.
fn messaging_kind(item: Value<'_>) -> Option<&'static Kind> {
    let present = item.members().filter(|member| member.value.raw() != "null");
    let position = present.filter_map(|member| MESSAGING.iter().position(|kind| kind.at == member.name())).min()?;
    let kind = &MESSAGING[position];
    let is_true = |name: &str| item.at(&["message", name]).is_some_and(Value::is_true);
    let marked = match kind.at {
        "message" if is_true("is_deleted") => "message#deleted",
        "message" if is_true("is_echo") => "message#echo",
        "postback" if item.scalar_at(&["postback", "mid"]).is_some() => "postback#mid",
        "read" if item.scalar_at(&["read", "mid"]).is_some() => "read#mid",
        _ => return Some(kind),
    };
    find(MESSAGING, marked)
}

/// Adds an item of which DSK gets `payload`.
fn push<'d>(entry: &Entry<'d>, item: Value<'d>, payload: Value<'d>, standby: bool, out: &mut Events) {
    let kind = messaging_kind(item);
    let unknown = || item.members().map(Member::name).find(|key| !COMMON.contains(key)).unwrap_or("messaging");
    let at = kind.map_or_else(unknown, |kind| kind.at);
    let draft = Draft {
        platform: entry.platform,
        name: kind.map_or_else(|| type_name(at), |kind| Cow::Borrowed(kind.name)),
        class: kind.map_or(Class::Updates, |kind| kind.class),
        channel: &channel(entry, Some(item)),
        contact: Contact { id: other_end(entry, item).filter(|id| is_name(id)), name: None },
        group: None,
        standby,
        effect: None,
        time: EventTime::from_first([item.get("timestamp"), entry.time], entry.received_at),
        identity: Identity::Item { kind, at, item, around: Surroundings::default() },
        media: Vec::new(),
    };
    out.push(draft, |out| out.push_str(payload.raw()));
}

/// The account's channel. If the entry has no id, the account is the end of the item that is not the person.
fn channel<'d>(entry: &Entry<'d>, item: Option<Value<'d>>) -> Channel<'d> {
    let own_end = |item: Value<'d>| item.scalar_at(&[if is_echo(item) { "sender" } else { "recipient" }, "id"]);
    Channel::new(entry.family(), entry.id.clone().or_else(|| item.and_then(own_end)), None)
}

fn is_echo(item: Value<'_>) -> bool {
    item.at(&["message", "is_echo"]).is_some_and(Value::is_true)
}

/// The person's id: the end of the item that is not the account.
fn other_end<'d>(entry: &Entry<'d>, item: Value<'d>) -> Option<Cow<'d, str>> {
    let ends = if is_echo(item) { ["recipient", "sender"] } else { ["sender", "recipient"] };
    let is_other = |id: &Cow<'d, str>| Some(id) != entry.id.as_ref();
    ends.into_iter().find_map(|end| item.scalar_at(&[end, "id"]).filter(is_other))
}
