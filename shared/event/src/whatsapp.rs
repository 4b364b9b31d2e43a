//! WhatsApp: a change's `value` into one event for each message, status, echo, call and the like.

use std::borrow::Cow;

use crate::draft::{Channel, Contact, Draft, Events, Platform, type_name};
use crate::ids::{Identity, Surroundings};
use crate::json::Value;
use crate::kinds::{Kind, Path, WHATSAPP_FIELDS, WHATSAPP_ITEMS, WHATSAPP_LISTS, find};
use crate::people::People;
use crate::split::Entry;
use crate::time::When;
use crate::wrap::Wrap;
use crate::{Class, Effect};

/// Whose conversation a thread of the history is.
const THREAD_CONTACT: &[Path] = &[&["context", "user_id"], &["context", "wa_id"], &["id"]];

/// What all events of one change have in common.
struct Change<'d> {
    entry: &'d Entry<'d>,
    field: &'d str,
    value: Value<'d>,
    channel: Channel<'d>,
    people: People<'d>,
    wrap: Wrap<'d>,
    /// Events that came before this change's own.
    before: usize,
}

/// A list of items: its key, as written, and the list.
type List<'d> = (Value<'d>, Value<'d>);

/// Splits one of `entry.changes`.
pub(crate) fn split(entry: &Entry<'_>, change: Value<'_>, out: &mut Events) {
    let field = change.get("field").map(Value::plain).unwrap_or_default();
    let before = out.count();
    change.every("value").for_each(|value| split_value(entry, field, value, out));
    if out.count() == before {
        split_value(entry, field, change, out);
    }
}

fn split_value<'d>(entry: &'d Entry<'d>, field: &'d str, value: Value<'d>, out: &mut Events) {
    let lists = lists(field, value);
    let is_split = |key: Value<'d>, value: Value<'d>| {
        key.plain() == "contacts" && value.is_array() || lists.iter().any(|(name, _)| name.plain() == key.plain())
    };
    let change = Change {
        entry,
        field,
        value,
        channel: channel(entry, value),
        people: People::of(value, lists.iter().flat_map(|(_, list)| list.items())),
        wrap: Wrap::around(value, is_split),
        before: out.count(),
    };
    for (key, list) in &lists {
        for item in list.items() {
            match key.plain() {
                "history" => change.chunk(*key, item, out),
                _ => change.item(*key, item, out),
            }
        }
    }
    if out.count() == change.before {
        change.whole(out);
    }
}

/// The value's lists of items: those that we know, and those that look like it.
fn lists<'d>(field: &str, value: Value<'d>) -> Vec<List<'d>> {
    if !field.is_empty() && !WHATSAPP_LISTS.contains(&field) {
        return Vec::new();
    }
    let is_list = |(key, list): &List<'d>| {
        let is_known = || find(WHATSAPP_ITEMS, key.plain()).is_some();
        list.is_array() && key.plain() != "contacts" && (list.items().any(Value::is_object) || is_known())
    };
    value.members().filter(is_list).collect()
}

/// The number, or the whole account where no number is named.
fn channel<'d>(entry: &Entry<'d>, value: Value<'d>) -> Channel<'d> {
    let account_id = partner_event(value).map(|(_, account_id)| account_id).or_else(|| entry.id.clone());
    match value.scalar_at(&["metadata", "phone_number_id"]) {
        Some(id) => Channel::new("whatsapp", Some(id), account_id),
        None => Channel::new("whatsapp-account", account_id.clone(), account_id),
    }
}

/// News between us and a customer's account: `entry.id` is our own business there, and the account stands inside.
fn partner_event(value: Value<'_>) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let event = value.get("event")?.scalar().filter(|event| event.starts_with("PARTNER_"))?;
    Some((event, value.scalar_at(&["waba_info", "waba_id"])?))
}

impl<'d> Change<'d> {
    fn item(&self, key: Value<'d>, item: Value<'d>, out: &mut Events) {
        let kind = self.kind(key.plain(), item);
        let is_first = out.count() == self.before;
        let contact = self.people.contact(item, kind.map_or(&[], |kind| kind.contact));
        out.push(self.draft((kind, key.plain()), item, contact), |payload| {
            self.wrap.write(payload, is_first, |value| {
                self.people.add_to(value, item, is_first);
                value.add_list(key.raw(), [item], |out, item| out.push_str(item.raw()));
            });
        });
    }

    /// The kind of an item; `None` where only its key is known.
    fn kind(&self, key: &str, item: Value<'d>) -> Option<&'static Kind> {
        let at = match (self.field, key) {
            ("history", "messages" | "history") if item.says("type", "media_placeholder") => "history#placeholder",
            ("history", "messages") => "history",
            ("calls", "statuses") => "calls#statuses",
            (_, "calls") if item.says("direction", "BUSINESS_INITIATED") => "calls#outgoing",
            _ => key,
        };
        find(WHATSAPP_ITEMS, at)
    }

    /// A chunk of chat history: a thread for each conversation, and messages in it.
    fn chunk(&self, key: Value<'d>, chunk: Value<'d>, out: &mut Events) {
        let before = out.count();
        let is_threads = |key: Value<'d>, value: Value<'d>| key.plain() == "threads" && value.is_array();
        let around_threads = Wrap::around(chunk, is_threads);
        for thread in chunk.every("threads").flat_map(Value::items) {
            self.thread((key, &around_threads, before), thread, out);
        }
        if out.count() == before {
            self.item(key, chunk, out);
        }
    }

    /// One conversation of a chunk. `before` counts the events before the chunk.
    fn thread(
        &self,
        (key, around_threads, before): (Value<'d>, &Wrap<'d>, usize),
        thread: Value<'d>,
        out: &mut Events,
    ) {
        let is_messages = |key: Value<'d>, value: Value<'d>| key.plain() == "messages" && value.is_array();
        let around_messages = Wrap::around(thread, is_messages);
        let contact = self.people.contact(thread, THREAD_CONTACT);
        let messages: Vec<Value<'d>> = thread.every("messages").flat_map(Value::items).collect();
        let is_bare = messages.is_empty();
        let items = if is_bare { vec![thread] } else { messages };
        for (position, item) in items.into_iter().enumerate() {
            let (first_of_all, first_of_chunk) = (out.count() == self.before, out.count() == before);
            let kind = self.kind("history", item);
            out.push(self.draft((kind, "history"), item, contact.clone()), |payload| {
                self.wrap.write(payload, first_of_all, |value| {
                    self.people.add_to(value, thread, first_of_all);
                    value.add_list(key.raw(), [around_threads], |out, chunk| {
                        chunk.write(out, first_of_chunk, |chunk| {
                            chunk.add_list("\"threads\"", [thread], |out, thread| {
                                if is_bare {
                                    return out.push_str(thread.raw());
                                }
                                around_messages.write(out, position == 0, |thread| {
                                    thread.add_list("\"messages\"", [item], |out, item| out.push_str(item.raw()));
                                });
                            });
                        });
                    });
                });
            });
        }
    }

    /// All of the value as one event.
    fn whole(&self, out: &mut Events) {
        let is_removal = |event: &str| matches!(event, "PARTNER_REMOVED" | "PARTNER_APP_UNINSTALLED");
        let effect = partner_event(self.value).filter(|(event, _)| is_removal(event)).map(|_| Effect::AccountRemoved);
        let kind = find(WHATSAPP_FIELDS, self.field);
        let draft = Draft { effect, ..self.draft((kind, self.field), self.value, Contact::default()) };
        out.push(draft, |payload| payload.push_str(self.value.raw()));
    }

    fn draft<'c>(
        &'c self,
        (kind, key): (Option<&'static Kind>, &'d str),
        item: Value<'d>,
        contact: Contact<'d>,
    ) -> Draft<'c> {
        let around = Surroundings { time: self.entry.time, field: self.field };
        let paths: [&[&str]; 2] = [&["timestamp"], &["metadata", "timestamp"]];
        let given = paths.iter().map(|path| item.at(path)).chain([self.entry.time]);
        Draft {
            platform: Platform::WhatsApp,
            name: match kind.map(|kind| kind.name) {
                Some("@") if !self.field.is_empty() => type_name(self.field),
                Some("@") => type_name(key),
                Some(name) => Cow::Borrowed(name),
                None => type_name(key),
            },
            class: kind.map_or(Class::Updates, |kind| kind.class),
            channel: &self.channel,
            contact,
            group: group(item),
            standby: false,
            effect: None,
            when: When::from_first(given, self.entry.received_at),
            identity: Identity::Item { kind, at: kind.map_or(key, |kind| kind.at), item, around },
            media: media(item),
        }
    }
}

fn group(item: Value<'_>) -> Option<Cow<'_, str>> {
    let recipient = || item.says("recipient_type", "group").then(|| item.get("recipient_id")).flatten();
    item.get("group_id").or_else(recipient)?.scalar()
}

/// Files that DSK can fetch, of the item or of what an edit made of it.
fn media(item: Value<'_>) -> Vec<Value<'_>> {
    let edited = if item.says("type", "edit") { item.at(&["edit", "message"]) } else { None };
    [Some(item), edited].into_iter().flatten().filter_map(file).collect()
}

fn file(message: Value<'_>) -> Option<Value<'_>> {
    let kind = message.get("type")?.text()?;
    let is_file = matches!(&*kind, "image" | "video" | "audio" | "document" | "sticker");
    is_file.then(|| message.get(&kind)).flatten().filter(|file| file.scalar_at(&["id"]).is_some())
}
