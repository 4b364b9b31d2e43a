//! WhatsApp: a change's `value` into one event for each message, status, echo, call and the like.

use std::borrow::Cow;

use crate::draft::{Channel, Draft, Platform, type_name};
use crate::ids::{Identity, Surroundings};
use crate::json::Value;
use crate::kinds::{Kind, WHATSAPP_FIELDS, WHATSAPP_ITEMS, find};
use crate::people::People;
use crate::split::{Entry, plain};
use crate::time::When;
use crate::wrap::{Object, Wrap};
use crate::{Class, Effect};

/// Fields whose `value` holds lists of items. The `value` of any other is one event.
const LISTS: [&str; 12] = [
    "messages",
    "message_echoes",
    "smb_message_echoes",
    "calls",
    "history",
    "smb_app_state_sync",
    "user_preferences",
    "user_id_update",
    "group_lifecycle_update",
    "group_participants_update",
    "group_settings_update",
    "group_status_update",
];

/// What all events of one change have in common.
pub(crate) struct Change<'d> {
    entry: Entry<'d>,
    field: &'d str,
    value: Value<'d>,
    channel: Channel<'d>,
    people: People<'d>,
    wrap: Wrap,
    /// Events that came before this change's own.
    before: usize,
}

/// A list of items: its key, as written, and the list.
type List<'d> = (Value<'d>, Value<'d>);

/// Splits one of `entry.changes`.
pub(crate) fn split<'d>(entry: &Entry<'d>, change: Value<'d>, out: &mut Vec<Draft<'d>>) {
    let field = change.get("field").map(plain).unwrap_or_default();
    let value = change.get("value").unwrap_or(change);
    let lists = lists(field, value);
    let change = Change {
        entry: entry.clone(),
        field,
        value,
        channel: channel(entry, value),
        people: People::of(value, lists.iter().flat_map(|(_, list)| list.items())),
        wrap: Wrap::around(value, |key| key == "contacts" || lists.iter().any(|(name, _)| plain(*name) == key)),
        before: out.len(),
    };
    for (key, list) in &lists {
        for item in list.items() {
            match plain(*key) {
                "history" => change.chunk(*key, item, out),
                _ => out.push(change.item(*key, item, out.len() == change.before)),
            }
        }
    }
    if out.len() == change.before {
        out.push(change.whole());
    }
}

/// The value's lists of items: those that we know, and those that look like it.
fn lists<'d>(field: &str, value: Value<'d>) -> Vec<List<'d>> {
    if !field.is_empty() && !LISTS.contains(&field) {
        return Vec::new();
    }
    let is_list = |(key, list): &List<'d>| {
        let is_known = find(WHATSAPP_ITEMS, plain(*key)).is_some();
        plain(*key) != "contacts" && list.is_array() && (is_known || list.items().any(Value::is_object))
    };
    value.members().filter(is_list).collect()
}

/// The number, or the whole account where no number is named.
fn channel<'d>(entry: &Entry<'d>, value: Value<'d>) -> Channel<'d> {
    let account_id = partner_event(value).map(|(_, account_id)| account_id).or_else(|| entry.id.clone());
    match value.scalar_at("metadata.phone_number_id") {
        Some(id) => Channel { family: "whatsapp", id: Some(id), account_id },
        None => Channel { family: "whatsapp-account", id: account_id.clone(), account_id },
    }
}

/// News between us and a customer's account: `entry.id` is our own business there, and the account stands inside.
fn partner_event(value: Value<'_>) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let event = value.scalar_at("event").filter(|event| event.starts_with("PARTNER_"))?;
    Some((event, value.scalar_at("waba_info.waba_id")?))
}

impl<'d> Change<'d> {
    fn item(&self, key: Value<'d>, item: Value<'d>, is_first: bool) -> Draft<'d> {
        let kind = self.kind(plain(key), item);
        let mut payload = self.open(item, is_first);
        payload.add_list(key.raw(), [item.raw()]);
        let contact = self.people.contact(item, kind.map_or("", |kind| kind.contact));
        Draft { contact, media: media(item), ..self.draft((kind, plain(key)), item, payload.finish().into()) }
    }

    /// The kind of an item; `None` where only its key is known.
    fn kind(&self, key: &str, item: Value<'d>) -> Option<&'static Kind> {
        let is = |key: &str, word: &str| item.scalar_at(key).as_deref() == Some(word);
        let at = match (self.field, key) {
            ("history", "messages" | "history") if is("type", "media_placeholder") => "history#placeholder",
            ("history", "messages") => "history",
            ("calls", "statuses") => "calls#statuses",
            (_, "calls") if is("direction", "BUSINESS_INITIATED") => "calls#outgoing",
            _ => key,
        };
        find(WHATSAPP_ITEMS, at)
    }

    /// The value around one item, with only the contacts that the item concerns.
    fn open(&self, item: Value<'d>, is_first: bool) -> Object {
        let mut payload = self.wrap.open(is_first);
        self.people.add_to(&mut payload, item, is_first);
        payload
    }

    /// A chunk of chat history: a thread for each conversation, and messages in it.
    fn chunk(&self, key: Value<'d>, chunk: Value<'d>, out: &mut Vec<Draft<'d>>) {
        let before = out.len();
        let around_threads = Wrap::around(chunk, |key| key == "threads");
        for thread in chunk.get("threads").into_iter().flat_map(Value::items) {
            let around_messages = Wrap::around(thread, |key| key == "messages");
            let past: Vec<Value<'d>> = thread.get("messages").into_iter().flat_map(Value::items).collect();
            let is_empty = past.is_empty().then_some(thread);
            for (position, item) in past.into_iter().chain(is_empty).enumerate() {
                let mut around = around_messages.open(position == 0);
                if is_empty.is_none() {
                    around.add_list("\"messages\"", [item.raw()]);
                }
                let mut in_chunk = around_threads.open(out.len() == before);
                in_chunk.add_list("\"threads\"", [around.finish().as_str()]);
                let mut payload = self.open(thread, out.len() == self.before);
                payload.add_list(key.raw(), [in_chunk.finish().as_str()]);
                let contact = self.people.contact(thread, "context.user_id|context.wa_id|id");
                let kind = self.kind("history", item);
                let draft = self.draft((kind, "history"), item, payload.finish().into());
                out.push(Draft { contact, media: media(item), ..draft });
            }
        }
        if out.len() == before {
            out.push(self.item(key, chunk, before == self.before));
        }
    }

    /// All of the value as one event.
    fn whole(&self) -> Draft<'d> {
        let is_removal = |event: &str| matches!(event, "PARTNER_REMOVED" | "PARTNER_APP_UNINSTALLED");
        let effect = partner_event(self.value).filter(|(event, _)| is_removal(event)).map(|_| Effect::AccountRemoved);
        let kind = find(WHATSAPP_FIELDS, self.field);
        Draft { effect, ..self.draft((kind, self.field), self.value, Cow::Borrowed(self.value.raw())) }
    }

    fn draft(
        &self,
        (kind, key): (Option<&'static Kind>, &'d str),
        item: Value<'d>,
        payload: Cow<'d, str>,
    ) -> Draft<'d> {
        let around = Surroundings { time: self.entry.time, field: self.field };
        let given = [item.get("timestamp"), item.path("metadata.timestamp"), self.entry.time];
        Draft {
            platform: Platform::WhatsApp,
            name: match kind.map(|kind| kind.name) {
                Some("@field") => type_name(self.field),
                Some(name) => Cow::Borrowed(name),
                None => type_name(key),
            },
            class: kind.map_or(Class::Updates, |kind| kind.class),
            channel: self.channel.clone(),
            contact: self.people.contact(item, ""),
            group: group(item),
            standby: false,
            effect: None,
            when: When::from_first(&given, self.entry.received_at),
            identity: kind.map_or_else(|| Identity::whole(key, item, around), |kind| Identity::of(kind, item, around)),
            media: Vec::new(),
            payload,
        }
    }
}

fn group(item: Value<'_>) -> Option<Cow<'_, str>> {
    let is_group = item.scalar_at("recipient_type").as_deref() == Some("group");
    item.scalar_at("group_id").or_else(|| is_group.then(|| item.scalar_at("recipient_id")).flatten())
}

/// Files that DSK can fetch, of the item or of what an edit made of it.
fn media(item: Value<'_>) -> Vec<Value<'_>> {
    [Some(item), item.path("edit.message")].into_iter().flatten().filter_map(file).collect()
}

fn file(message: Value<'_>) -> Option<Value<'_>> {
    let kind = message.scalar_at("type")?;
    let is_file = matches!(&*kind, "image" | "video" | "audio" | "document" | "sticker");
    is_file.then(|| message.get(&kind)).flatten().filter(|file| file.get("id").is_some())
}
