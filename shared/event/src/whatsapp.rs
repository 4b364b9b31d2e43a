//! WhatsApp: splits a change's `value` into one event for each message, status, echo, call and the like.

use std::borrow::Cow;

use crate::draft::Draft;
use crate::entry::{Channel, Contact, Entry, Platform, type_name};
use crate::events::Events;
use crate::ids::{Identity, Surroundings};
use crate::json::{Member, Value};
use crate::kinds::{
    Kind, Path, WHATSAPP_FIELDS, WHATSAPP_ITEMS, WHATSAPP_LISTS, WHATSAPP_NUMBER, WHATSAPP_PERSON, find,
};
use crate::media::media;
use crate::people::People;
use crate::time::EventTime;
use crate::whatsapp_content::content;
use crate::wrap::{Object, Wrap};
use crate::{Class, Effect, Family};

/// The field of what another app answers, and its member in the value.
const STANDBY: &str = "standby";

/// Where a thread of the history names the person.
const THREAD_CONTACT: &[Path] = &[&["context", "user_id"], &["context", "wa_id"], &["id"]];

/// Meta's error for a message that it can't show at present, such as one from a device that is not in step yet. Any other
/// unsupported message stays as it is.
const UNAVAILABLE: &str = "131060";

/// What all events of one change have in common.
struct Change<'d> {
    entry: &'d Entry<'d>,
    field: &'d str,
    value: Value<'d>,
    channel: Channel<'d>,
    people: People<'d>,
    /// What stands around the lists.
    wrap: Wrap<'d>,
    /// What stands around the object that holds the lists, if it is not the value itself.
    outer: Option<Outer<'d>>,
    /// How many events came before this change's own.
    before: usize,
}

/// The value around its member `standby`, which holds the lists that another app answers.
struct Outer<'d> {
    key: Value<'d>,
    wrap: Wrap<'d>,
}

/// A chunk of chat history, without its threads.
struct Chunk<'c, 'd> {
    /// The key of the list that the chunk is in.
    key: Value<'d>,
    wrap: Wrap<'d>,
    change: &'c Change<'d>,
    /// How many events came before this chunk's own.
    before: usize,
}

/// News between us and a customer's account.
struct PartnerEvent<'d> {
    event: Cow<'d, str>,
    account_id: Cow<'d, str>,
}

/// Splits one of `entry.changes`.
pub(crate) fn split_change(entry: &Entry<'_>, change: Value<'_>, out: &mut Events) {
    let field = change.get("field").map(Value::plain).unwrap_or_default();
    let before = out.count();
    change.every("value").for_each(|value| split_value(entry, field, value, out));
    if out.count() == before {
        split_value(entry, field, change, out);
    }
}

fn split_value<'d>(entry: &'d Entry<'d>, field: &'d str, value: Value<'d>, out: &mut Events) {
    let standby = if field == STANDBY { only_member(value, STANDBY) } else { None };
    let outer = standby.map(|Member { key, .. }| {
        let wrap = Wrap::around(value, |member| member.name() == STANDBY);
        Outer { key, wrap }
    });
    let holder = standby.map_or(value, |member| member.value);
    let lists = lists(field, holder);
    let is_split = |member: Member<'d>| {
        member.name() == "contacts" && member.value.is_array() || lists.iter().any(|list| list.name() == member.name())
    };
    let change = Change {
        entry,
        field,
        value,
        channel: channel(entry, value),
        people: People::of(value, holder, lists.iter().flat_map(|list| list.value.items())),
        wrap: Wrap::around(holder, is_split),
        outer,
        before: out.count(),
    };
    for list in &lists {
        for item in list.value.items() {
            match list.name() {
                "history" => change.split_chunk(list.key, item, out),
                _ => change.push_item(list.key, item, out),
            }
        }
    }
    if out.count() == change.before {
        change.push_whole(out);
    }
}

/// The member of that name, if there is one only and it is an object.
fn only_member<'d>(value: Value<'d>, name: &str) -> Option<Member<'d>> {
    let mut found = value.members().filter(|member| member.name() == name);
    let first = found.next().filter(|member| member.value.is_object())?;
    found.next().is_none().then_some(first)
}

/// The value's lists of items: those that we know, and those that look like one.
fn lists<'d>(field: &str, value: Value<'d>) -> Vec<Member<'d>> {
    if !field.is_empty() && !WHATSAPP_LISTS.contains(&field) {
        return Vec::new();
    }
    let is_list = |member: &Member<'d>| {
        let is_known = || find(WHATSAPP_ITEMS, member.name()).is_some();
        let list = member.value;
        list.is_array() && member.name() != "contacts" && (list.items().any(Value::is_object) || is_known())
    };
    value.members().filter(is_list).collect()
}

/// The number's channel, or that of the whole account if no number is named.
fn channel<'d>(entry: &Entry<'d>, value: Value<'d>) -> Channel<'d> {
    let account_id = partner_event(value).map(|partner| partner.account_id).or_else(|| entry.id.clone());
    match value.first(WHATSAPP_NUMBER) {
        Some(id) => Channel::new(Family::WhatsApp, Some(id), account_id),
        None => Channel::new(Family::WhatsAppAccount, account_id.clone(), account_id),
    }
}

/// In a partner event `entry.id` is our own business, and the customer's account stands inside.
fn partner_event(value: Value<'_>) -> Option<PartnerEvent<'_>> {
    let event = value.get("event")?.scalar().filter(|event| event.starts_with("PARTNER_"))?;
    Some(PartnerEvent { event, account_id: value.scalar_at(&["waba_info", "waba_id"])? })
}

impl<'d> Change<'d> {
    fn push_item(&self, key: Value<'d>, item: Value<'d>, out: &mut Events) {
        let kind = self.kind(key.plain(), item);
        let is_first = out.count() == self.before;
        let mut contact = self.people.contact(item, person(kind));
        contact.name = contact.name.or_else(|| item.at(&["contact", "full_name"]));
        out.push(self.draft(kind, key.plain(), item, contact), |payload| {
            self.write(payload, is_first, |value| {
                self.people.add_to(value, item, is_first);
                value.add_list(key.raw(), [item], |out, item| out.push_str(item.raw()));
            });
        });
    }

    /// Writes the value, and lets `rest` add its items.
    fn write(&self, out: &mut String, is_first: bool, rest: impl FnOnce(&mut Object<'_>)) {
        match &self.outer {
            None => self.wrap.write(out, is_first, rest),
            Some(Outer { key, wrap }) => wrap.write(out, is_first, |value| {
                value.add(key.raw(), |out| self.wrap.write(out, is_first, rest));
            }),
        }
    }

    /// The kind of an item, or `None` if no rule knows it.
    fn kind(&self, key: &str, item: Value<'d>) -> Option<&'static Kind> {
        let at = match (self.field, key) {
            ("history", "messages" | "history") if is_past_media(item) || is_unavailable(item) => "history#placeholder",
            ("history", "messages") => "history",
            (_, "messages") if is_unavailable(item) => "messages#placeholder",
            (_, "message_echoes") if is_unavailable(item) => "message_echoes#placeholder",
            ("calls", "statuses") => "calls#statuses",
            (_, "statuses") if item.has_text("recipient_type", "group") => "statuses#group",
            (_, "calls") if item.has_text("direction", "BUSINESS_INITIATED") => "calls#outgoing",
            _ => key,
        };
        find(WHATSAPP_ITEMS, at)
    }

    /// Splits a chunk of chat history, which has a thread for each conversation, and in it the messages.
    fn split_chunk(&self, key: Value<'d>, chunk: Value<'d>, out: &mut Events) {
        let before = out.count();
        let is_threads = |member: Member<'d>| member.name() == "threads" && member.value.is_array();
        let chunk_of_threads = Chunk { key, wrap: Wrap::around(chunk, is_threads), change: self, before };
        for thread in chunk.every("threads").flat_map(Value::items) {
            chunk_of_threads.split_thread(thread, out);
        }
        if out.count() == before {
            self.push_item(key, chunk, out);
        }
    }

    /// Adds all of the value as one event.
    fn push_whole(&self, out: &mut Events) {
        let is_removal =
            |partner: &PartnerEvent<'_>| matches!(&*partner.event, "PARTNER_REMOVED" | "PARTNER_APP_UNINSTALLED");
        let kind = find(WHATSAPP_FIELDS, self.field);
        let contact = self.people.contact(self.value, kind.map_or(WHATSAPP_PERSON, |kind| kind.contact));
        let draft = self.draft(kind, self.field, self.value, contact);
        // Whatever Meta's clock says, it happened before we heard of it.
        let at = draft.time.at.min(self.entry.received_at);
        let effect = partner_event(self.value).filter(is_removal).map(|_| Effect::AccountRemoved { at });
        let draft = Draft { effect, ..draft };
        out.push(draft, |payload| payload.push_str(self.value.raw()));
    }

    fn draft<'c>(
        &'c self,
        kind: Option<&'static Kind>,
        key: &'d str,
        item: Value<'d>,
        contact: Contact<'d>,
    ) -> Draft<'c> {
        let around = Surroundings { time: self.entry.time, field: self.field };
        let paths: [&[&str]; 3] = [&["timestamp"], &["metadata", "timestamp"], &["created_time"]];
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
            standby: self.field == STANDBY,
            effect: None,
            time: EventTime::from_first(given, self.entry.received_at),
            identity: Identity::Item { kind, at: kind.map_or(key, |kind| kind.at), item, around },
            content: content(kind, item, || self.people.is_from_business(item)),
            media: media(item),
        }
    }
}

impl<'d> Chunk<'_, 'd> {
    /// Splits one conversation. A thread without messages is one event.
    fn split_thread(&self, thread: Value<'d>, out: &mut Events) {
        let change = self.change;
        let is_messages = |member: Member<'d>| member.name() == "messages" && member.value.is_array();
        let around_messages = Wrap::around(thread, is_messages);
        let contact = change.people.contact(thread, THREAD_CONTACT);
        let messages: Vec<Value<'d>> = thread.every("messages").flat_map(Value::items).collect();
        let is_bare = messages.is_empty();
        let items = if is_bare { vec![thread] } else { messages };
        for (position, item) in items.into_iter().enumerate() {
            let is_first_of_all = out.count() == change.before;
            let is_first_of_chunk = out.count() == self.before;
            let kind = change.kind("history", item);
            out.push(change.draft(kind, "history", item, contact.clone()), |payload| {
                change.write(payload, is_first_of_all, |value| {
                    change.people.add_to(value, thread, is_first_of_all);
                    value.add_list(self.key.raw(), [&self.wrap], |out, chunk| {
                        chunk.write(out, is_first_of_chunk, |chunk| {
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
}

/// Whether the media of a message of the history comes separately, under the same id.
fn is_past_media(message: Value<'_>) -> bool {
    message.has_text("type", "media_placeholder")
}

/// Whether Meta may send the message again under the same id, with its content.
fn is_unavailable(message: Value<'_>) -> bool {
    let says_so = |error: Value<'_>| error.scalar_at(&["code"]).as_deref() == Some(UNAVAILABLE);
    message.has_text("type", "unsupported") && message.every("errors").flat_map(Value::items).any(says_so)
}

/// Where an item of that kind names the person.
fn person(kind: Option<&'static Kind>) -> &'static [Path] {
    kind.map(|kind| kind.contact).filter(|paths| !paths.is_empty()).unwrap_or(WHATSAPP_PERSON)
}

fn group(item: Value<'_>) -> Option<Cow<'_, str>> {
    let recipient = || item.has_text("recipient_type", "group").then(|| item.get("recipient_id")).flatten();
    item.get("group_id").or_else(recipient)?.scalar()
}
