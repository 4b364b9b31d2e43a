//! Instagram and Messenger, which send the same shapes: the items of `messaging` and `standby`, and `changes`.

use std::borrow::Cow;

use crate::Class;
use crate::draft::Draft;
use crate::entry::{Channel, Contact, Entry, is_name, type_name};
use crate::events::Events;
use crate::ids::{Identity, Surroundings};
use crate::json::{Member, Value};
use crate::kinds::{ANYONE, CHANGES, Kind, MESSAGING, NAME, Path, find};
use crate::messaging_content::{change_content, change_files, content, files};
use crate::time::EventTime;

/// Members of a `messaging` item that do not say what happened.
const COMMON: [&str; 8] =
    ["id", "time", "sender", "recipient", "timestamp", "prior_message", "is_instagram", "hop_context"];

/// Where an item names its author.
const FROM: &[Path] = &[&["from", "id"], &["from"]];

/// Lists in an entry, beside which no member of the entry is an item.
const LISTS: [&str; 3] = ["messaging", "standby", "changes"];

/// Whether a value is an item of `messaging`, wherever it stands: it names its ends, and is no entry with lists.
pub(crate) fn is_item(value: Value<'_>) -> bool {
    let has_end = ["sender", "recipient"].iter().any(|end| value.get(end).is_some_and(Value::is_object));
    has_end && value.members().all(|member| !LISTS.contains(&member.name()))
}

/// Adds one of `entry.messaging`, or of `entry.standby` when another app has the conversation.
pub(crate) fn push_item(entry: &Entry<'_>, item: Value<'_>, standby: bool, out: &mut Events) {
    let kind = messaging_kind(item);
    // Some items name the field that they belong to, as a change does.
    if let Some(field) = item.get("field").filter(|field| kind.is_none() && field.text().is_some()) {
        return push_field(entry, Field { name: field.plain(), item, payload: item, standby }, out);
    }
    let unknown = || item.members().map(Member::name).find(|key| !COMMON.contains(key)).unwrap_or("messaging");
    let at = kind.map_or_else(unknown, |kind| kind.at);
    let channel = channel(entry, item);
    let id = other_end(&channel, item).or_else(|| {
        let paths = kind.map_or(ANYONE, |kind| kind.contact);
        author(&channel, item, paths)
    });
    let times = [item.get("timestamp"), item.get("created_time")];
    let has_time = times.into_iter().flatten().any(|time| !time.is_empty());
    // The entry's time is no part of what identifies an item that has its own, because the same item may come again in
    // another entry.
    let around = Surroundings { time: entry.time.filter(|_| !has_time), field: "" };
    let draft = Draft {
        platform: entry.platform,
        name: kind.map_or_else(|| type_name(at), |kind| Cow::Borrowed(kind.name)),
        class: kind.map_or(Class::Updates, |kind| kind.class),
        channel: &channel,
        contact: Contact { id: id.filter(|id| is_name(id)), ..Contact::default() },
        group: None,
        standby,
        effect: None,
        time: EventTime::from_first(times.into_iter().chain([entry.time]), entry.received_at),
        identity: Identity::Item { kind, at, item, around },
        content: content(kind, item, item.scalar_at(&["sender", "id"]) == channel.id),
        media: files(item),
    };
    out.push(draft, |out| out.push_str(item.raw()));
}

/// Adds one of `entry.changes`, and says whether all of it is in the event. If not, that is its `value` only.
pub(crate) fn push_change(entry: &Entry<'_>, change: Value<'_>, out: &mut Events) -> bool {
    let name = change.get("field").map_or("change", Value::plain);
    let item = change.get("value").unwrap_or(change);
    if is_messaging(name, item) {
        // The test button of Meta's dashboard sends messaging items in this form. DSK gets them in the form of live ones.
        push_item(entry, item, name == "standby", out);
        return change.get("value").is_none();
    }
    push_field(entry, Field { name, item, payload: change, standby: false }, out);
    true
}

/// Adds one of a list of the entry's own, such as `entry.calls`.
pub(crate) fn push_named(entry: &Entry<'_>, key: &str, item: Value<'_>, out: &mut Events) {
    push_field(entry, Field { name: key, item, payload: item, standby: false }, out);
}

/// An item that is known by the name of a field.
struct Field<'d> {
    name: &'d str,
    item: Value<'d>,
    /// What DSK gets.
    payload: Value<'d>,
    standby: bool,
}

fn push_field(entry: &Entry<'_>, field: Field<'_>, out: &mut Events) {
    let Field { name, item, payload, standby } = field;
    let kind = change_kind(name, item);
    let channel = channel(entry, item);
    let paths = kind.map(|kind| kind.contact).filter(|paths| !paths.is_empty()).unwrap_or(ANYONE);
    let id = author(&channel, item, paths);
    let is_own = id.is_none() && (is_by_account(item) || item.first(paths).is_some());
    // A call names both ends, or whom the account calls.
    let from = item.first(FROM);
    let is_from_account = is_own || from.as_ref().is_some_and(|from| Some(from) == channel.id.as_ref());
    let is_to_person = from.is_none() && item.get("recipient_id").is_some();
    let draft = Draft {
        platform: entry.platform,
        name: match kind.map(|kind| kind.name) {
            None | Some("@") => type_name(name),
            Some(name) => Cow::Borrowed(name),
        },
        class: kind.map_or(Class::Updates, |kind| kind.class),
        channel: &channel,
        contact: Contact {
            id: id.filter(|id| is_name(id)),
            name: NAME.iter().find_map(|path| item.at(path)).filter(|_| !is_own),
            username: item.at(&["from", "username"]).filter(|_| !is_own),
            ..Contact::default()
        },
        group: None,
        standby,
        effect: None,
        time: EventTime::from_first([item.get("created_time"), item.get("timestamp"), entry.time], entry.received_at),
        identity: Identity::Item { kind, at: name, item, around: Surroundings { time: entry.time, field: name } },
        content: change_content(kind, item, is_from_account || is_to_person),
        media: change_files(kind, item),
    };
    out.push(draft, |out| out.push_str(payload.raw()));
}

/// Whether a change carries a messaging item.
fn is_messaging(field: &str, value: Value<'_>) -> bool {
    let may_be = field.starts_with("messag") || field == "standby" || is_item(value);
    may_be && find(CHANGES, field).is_none() && messaging_kind(value).is_some()
}

fn change_kind(field: &str, item: Value<'_>) -> Option<&'static Kind> {
    let at = match field {
        "feed" if item.has_text("item", "comment") => "feed#comment",
        "mentions" if item.get("comment_id").and_then(Value::scalar).is_some() => "mentions#comment",
        _ => field,
    };
    // What a person did in a conversation is sometimes a change, of which the field has the name of the item's key.
    find(CHANGES, at).or_else(|| find(MESSAGING, at).filter(|kind| kind.parts.is_empty()))
}

/// The kind of the first row of the table whose key the item has. What happened is always an object: elsewhere `message`
/// is a text.
fn messaging_kind(item: Value<'_>) -> Option<&'static Kind> {
    let present = item.members().filter(|member| member.value.is_object());
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

/// The account's channel. If the entry has no id, the account is the end of the item that is not the person.
fn channel<'d>(entry: &Entry<'d>, item: Value<'d>) -> Channel<'d> {
    let own_end = || item.scalar_at(&[if is_echo(item) { "sender" } else { "recipient" }, "id"]);
    Channel::new(entry.family(), entry.id.clone().or_else(own_end), None)
}

fn is_echo(item: Value<'_>) -> bool {
    item.at(&["message", "is_echo"]).is_some_and(Value::is_true)
}

/// The person's id: the end of the item that is not the account.
fn other_end<'d>(channel: &Channel<'d>, item: Value<'d>) -> Option<Cow<'d, str>> {
    let ends = if is_echo(item) { ["recipient", "sender"] } else { ["sender", "recipient"] };
    let id = |end: &str| item.scalar_at(&[end, "id"]).filter(|id| Some(id) != channel.id.as_ref());
    let user_ref = |end: &str| item.scalar_at(&[end, "user_ref"]);
    ends.into_iter().find_map(id).or_else(|| ends.into_iter().find_map(user_ref))
}

/// The person who wrote or did it, at the first of `paths` that is not the account itself.
fn author<'d>(channel: &Channel<'d>, item: Value<'d>, paths: &[Path]) -> Option<Cow<'d, str>> {
    if is_by_account(item) {
        return None;
    }
    paths.iter().filter_map(|path| item.scalar_at(path)).find(|id| Some(id) != channel.id.as_ref())
}

/// Whether Instagram says that the account itself wrote it: then the author's id is not the account's own, but another.
fn is_by_account(item: Value<'_>) -> bool {
    item.at(&["from", "self_ig_scoped_id"]).and_then(Value::scalar).is_some()
}
