//! Every event that there may be about one message, as far as its id follows from the message's own id: the message, its
//! statuses, edits and deletion, an echo, a copy from the history.
//!
//! Not among them is what another id takes part in: a reaction (the person's), a status of one person in a group, a payment,
//! an edit at WhatsApp (it has a message id of its own).

use serde_json::{Value as Json, json};

use crate::ids::{Identity, Ids, Surroundings};
use crate::json::Document;
use crate::kinds::{CHANGES, Kind, MESSAGING, Part, Path, WHATSAPP_ITEMS, find};
use crate::{Address, EventId, EventType, Family};

/// An event that there may be about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PossibleEvent {
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// What it is, in a few words.
    pub what: String,
}

/// A kind of event about a message.
#[derive(Clone, Copy, Debug)]
struct Form {
    kinds: &'static [Kind],
    at: &'static str,
    /// The values that its second identifying part can have.
    variants: &'static [&'static str],
    what: &'static str,
}

const fn form(kinds: &'static [Kind], at: &'static str, what: &'static str) -> Form {
    Form { kinds, at, variants: &[], what }
}

impl Form {
    const fn each(self, variants: &'static [&'static str]) -> Self {
        Self { variants, ..self }
    }
}

/// The words that Meta documents, now or earlier.
const STATUSES: &[&str] = &["sent", "delivered", "read", "played", "failed", "deleted", "warning"];
const CALL_EVENTS: &[&str] = &["connect", "terminate"];
const CALL_STATUSES: &[&str] = &["RINGING", "ACCEPTED", "REJECTED"];
/// Instagram allows five edits.
const EDITS: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];

const WHATSAPP: &[Form] = &[
    form(WHATSAPP_ITEMS, "messages", "the message"),
    form(WHATSAPP_ITEMS, "messages#placeholder", "a placeholder for the message"),
    form(WHATSAPP_ITEMS, "statuses", "status").each(STATUSES),
    form(WHATSAPP_ITEMS, "message_echoes", "the message, written on the business's phone"),
    form(
        WHATSAPP_ITEMS,
        "message_echoes#placeholder",
        "a placeholder for the message, written on the business's phone",
    ),
    form(WHATSAPP_ITEMS, "history", "the message, in the history"),
    form(WHATSAPP_ITEMS, "history#placeholder", "a placeholder for the message, in the history"),
    form(WHATSAPP_ITEMS, "calls", "call").each(CALL_EVENTS),
    form(WHATSAPP_ITEMS, "calls#statuses", "call").each(CALL_STATUSES),
];

const CONVERSATIONS: &[Form] = &[
    form(MESSAGING, "message", "the message"),
    form(MESSAGING, "message#echo", "the message, sent by the business"),
    form(MESSAGING, "message_edit", "edit").each(EDITS),
    form(MESSAGING, "message#deleted", "the deletion of the message"),
    form(MESSAGING, "postback#mid", "the press of a button"),
];

const COMMENTS: &[Form] = &[
    form(CHANGES, "comments", "the comment"),
    form(CHANGES, "live_comments", "the comment on a live video"),
    form(CHANGES, "mentions#comment", "the comment that names the account"),
];

/// Every event that there may be on a channel about the message (or comment, or call) with that id at Meta.
pub fn possible_events(address: &Address, message_id: &str) -> Vec<PossibleEvent> {
    let forms: Vec<Form> = match address.family() {
        Family::WhatsApp => WHATSAPP.to_vec(),
        Family::Instagram => [CONVERSATIONS, COMMENTS].concat(),
        Family::Messenger => CONVERSATIONS.to_vec(),
        Family::WhatsAppAccount | Family::Other => Vec::new(),
    };
    let mut ids = Ids::new();
    let mut possible = Vec::new();
    for standby in [false, true] {
        for form in &forms {
            let without = [""];
            let variants = if form.variants.is_empty() { &without[..] } else { form.variants };
            for variant in variants {
                possible.extend(form.event(&mut ids, About { address, message_id, variant, standby }));
            }
        }
    }
    possible
}

/// Which event of a form it is.
#[derive(Clone, Copy)]
struct About<'a> {
    address: &'a Address,
    message_id: &'a str,
    variant: &'a str,
    standby: bool,
}

impl Form {
    fn event(self, ids: &mut Ids, about: About<'_>) -> Option<PossibleEvent> {
        let About { address, message_id, variant, standby } = about;
        let kind = find(self.kinds, self.at)?;
        let item = item(kind, [message_id, variant]).to_string();
        let document = Document::parse(item.as_bytes())?;
        let identity =
            Identity::Item { kind: Some(kind), at: self.at, item: document.root(), around: Surroundings::default() };
        let event_type = EventType::new([address.family().as_str(), ".", kind.name].concat());
        let mut what = self.what.to_owned();
        if !variant.is_empty() {
            what = format!("{what} {}", variant.to_ascii_lowercase());
        }
        if standby {
            what.push_str(", while another app has the conversation");
        }
        Some(PossibleEvent { id: ids.id(address, &event_type, standby, &identity), event_type, what })
    }
}

/// An item of this kind, with nothing in it but these values of what identifies it, in their order.
fn item(kind: &Kind, values: [&str; 2]) -> Json {
    let mut item = json!({});
    let paths = kind.parts.iter().filter_map(|part| match part {
        Part::Is(paths) => paths.first().copied(),
        Part::Word(_) | Part::Maybe(_) | Part::Field | Part::Time | Part::TimeUnlessAdded => None,
    });
    for (path, value) in paths.zip(values) {
        set(&mut item, path, value);
    }
    item
}

fn set(item: &mut Json, path: Path, value: &str) {
    let place = path.iter().fold(item, |place, name| &mut place[*name]);
    *place = Json::from(value);
}
