//! Writes the body that DSK gets.

use std::fmt::Write as _;

use crate::content::{
    Button, Card, Choice, Content, Details, Direction, Flow, Link, Location, Message, Order, Referral, Status,
    StatusValue,
};
use crate::draft::Draft;
use crate::json::Value;
use crate::media::File;
use crate::members::{Members, push_object, push_scalar};
use crate::time::parse as event_time;
use crate::{EventId, EventType};

/// Longest person's name that is copied out of a contact, in bytes. The payload has a name of any length.
const PERSON_BYTES_MAX: usize = 1 << 10;
/// Largest `data.message` and largest `data.media`, in bytes. DSK is promised bodies of 5 MiB at most, of which a payload
/// may take 4. Of a larger message only the ids are given; files beyond are in the payload only.
const MESSAGE_BYTES_MAX: usize = 256 << 10;
const MEDIA_BYTES_MAX: usize = 256 << 10;

/// What the body has beside the draft and the payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'n> {
    pub(crate) id: &'n EventId,
    pub(crate) event_type: &'n EventType,
    pub(crate) received_at: &'n str,
    pub(crate) conversation: Option<&'n str>,
}

impl Draft<'_> {
    /// Writes the body. No serializer does it, because the payload's bytes must stay Meta's own.
    pub(crate) fn write(&self, out: &mut String, names: Names<'_>, payload: impl FnOnce(&mut String)) {
        push_object(out, |body| {
            body.own("type", Some(names.event_type.as_str()));
            write!(body.begin("timestamp"), "\"{}\"", self.time.at).expect("writing to a string cannot fail");
            push_object(body.begin("data"), |data| {
                data.own("id", Some(names.id.as_str()));
                data.own("platform", Some(self.platform.as_str()));
                push_object(data.begin("channel"), |channel| {
                    channel.own("id", self.channel.id.as_deref());
                    channel.own("account_id", self.channel.account_id.as_deref());
                });
                data.own("direction", self.content.direction.map(Direction::as_str));
                data.own("conversation", names.conversation);
                data.object("group", |group| group.own("id", self.group_name()));
                self.add_contact(data);
                data.own("received_at", Some(names.received_at));
                data.flag("standby", self.standby);
                self.content.add_to(data);
                add_media(data, &self.media);
                payload(data.begin("payload"));
            });
        });
    }

    fn add_contact(&self, data: &mut Members<'_>) {
        let contact = &self.contact;
        let name = contact.name.filter(|name| name.raw().len() <= PERSON_BYTES_MAX && name.text().is_some());
        if contact.id.is_none() && name.is_none() {
            return;
        }
        push_object(data.begin("contact"), |out| {
            out.own("id", contact.id.as_deref());
            out.raw("name", name.map(Value::raw));
            out.own("phone", contact.phone.as_deref());
            out.own("user_id", contact.user_id.as_deref());
            out.own("parent_user_id", contact.parent_user_id.as_deref());
            out.text("username", contact.username.filter(|name| name.raw().len() <= PERSON_BYTES_MAX));
            out.flag("is_group_participant", self.group_name().is_some() && contact.id.is_some());
        });
    }
}

impl Content<'_> {
    fn add_to(&self, data: &mut Members<'_>) {
        if let Some(message) = &self.message {
            let whole = |data: &mut Members<'_>| push_object(data.begin("message"), |out| message.add_to(out));
            if !data.bounded(MESSAGE_BYTES_MAX, whole) {
                push_object(data.begin("message"), |out| message.add_ids_to(out));
            }
        }
        if let Some(status) = &self.status {
            push_object(data.begin("status"), |out| status.add_to(out));
        }
    }
}

impl Message<'_> {
    fn add_ids_to(&self, out: &mut Members<'_>) {
        out.text("id", self.id);
        out.own("kind", Some(self.kind.as_str()));
        out.text("reply_to", self.reply_to);
        out.text("target", self.target);
    }

    fn add_to(&self, out: &mut Members<'_>) {
        self.add_ids_to(out);
        out.text("text", self.text);
        out.text("emoji", self.emoji);
        out.flag("forwarded", self.is_forwarded);
        match &self.details {
            Details::None => {}
            Details::Location(location) => out.object("location", |out| location.add_to(out)),
            Details::Contacts(cards) => {
                out.list("contacts", cards, |out, card| push_object(out, |out| card.add_to(out)));
            }
            Details::Buttons(buttons) => {
                out.list("buttons", buttons, |out, button| push_object(out, |out| button.add_to(out)));
            }
            Details::Choice(choice) => out.object("choice", |out| choice.add_to(out)),
            Details::Order(order) => out.object("order", |out| order.add_to(out)),
            Details::Flow(flow) => out.object("flow", |out| flow.add_to(out)),
            Details::Link(link) => out.object("link", |out| link.add_to(out)),
        }
        if let Some(referral) = &self.referral {
            out.object("referral", |out| referral.add_to(out));
        }
    }
}

impl Status<'_> {
    fn add_to(&self, out: &mut Members<'_>) {
        out.text("message_id", self.message_id);
        match self.value {
            StatusValue::Given(value) => out.text("value", Some(value)),
            StatusValue::Word(word) => out.own("value", Some(word)),
        }
        let up_to = self.up_to.and_then(event_time).map(|at| at.to_string());
        out.own("up_to", up_to.as_deref());
        let errors = self.errors.into_iter().flat_map(Value::items);
        out.list("errors", errors, |out, error| {
            push_object(out, |out| {
                out.number("code", error.get("code"));
                out.text("title", error.get("title").or_else(|| error.get("message")));
            });
        });
    }
}

impl Location<'_> {
    fn add_to(&self, out: &mut Members<'_>) {
        out.number("latitude", self.latitude);
        out.number("longitude", self.longitude);
        out.text("name", self.name);
        out.text("address", self.address);
        out.text("url", self.url);
    }
}

impl Card<'_> {
    fn add_to(&self, out: &mut Members<'_>) {
        out.text("name", self.name);
        out.list("phones", &self.phones, |out, phone| push_scalar(out, phone.raw()));
        out.list("emails", &self.emails, |out, email| push_scalar(out, email.raw()));
    }
}

impl Button<'_> {
    fn add_to(&self, out: &mut Members<'_>) {
        out.text("id", self.id);
        out.text("title", self.title);
        out.text("url", self.url);
    }
}

impl Choice<'_> {
    fn add_to(&self, out: &mut Members<'_>) {
        out.text("id", self.id);
        out.text("title", self.title);
        out.text("description", self.description);
    }
}

impl Order<'_> {
    fn add_to(&self, out: &mut Members<'_>) {
        out.text("catalog_id", self.catalog_id);
        out.list("items", &self.items, |out, item| {
            push_object(out, |out| {
                out.text("id", item.id);
                out.number("quantity", item.quantity);
                out.number("price", item.price);
                out.text("currency", item.currency);
            });
        });
    }
}

impl Flow<'_> {
    fn add_to(&self, out: &mut Members<'_>) {
        out.text("name", self.name);
        out.text("response", self.response);
    }
}

impl Link<'_> {
    fn add_to(&self, out: &mut Members<'_>) {
        out.text("url", self.url);
        out.text("title", self.title);
    }
}

impl Referral<'_> {
    fn add_to(&self, out: &mut Members<'_>) {
        out.text("source", self.source);
        out.text("id", self.id);
        out.text("url", self.url);
        out.text("title", self.title);
        out.text("text", self.text);
        out.text("ref", self.label);
        out.text("click_id", self.click_id);
    }
}

fn add_media(data: &mut Members<'_>, files: &[File<'_>]) {
    let mut left = MEDIA_BYTES_MAX;
    data.list("media", files, |out, file| {
        let before = out.len();
        push_object(out, |out| file.add_to(out));
        match left.checked_sub(out.len() - before) {
            Some(rest) => left = rest,
            None => out.truncate(before),
        }
    });
}

impl File<'_> {
    fn add_to(&self, out: &mut Members<'_>) {
        let given = [
            ("id", &self.id),
            ("url", &self.url),
            ("mime_type", &self.mime_type),
            ("sha256", &self.sha256),
            ("filename", &self.filename),
            ("caption", &self.caption),
        ];
        for (key, raw) in given {
            if let Some(raw) = raw {
                push_scalar(out.begin(key), raw);
            }
        }
        out.own("kind", self.kind);
        out.flag("voice", self.is_voice);
        out.own("expires", self.expires.map(|at| at.to_string()).as_deref());
    }
}
