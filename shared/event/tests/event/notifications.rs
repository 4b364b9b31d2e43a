//! Puts notifications together from items, in any batching, byte for byte.

/// What stands around an item, outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    object: &'static str,
    /// The entry's own members.
    entry: &'static str,
    /// The list in the entry, or `None` if the item's surroundings stand directly in the entry.
    list: Option<&'static str>,
    /// What comes before and after the items in one element of that list.
    open: String,
    close: &'static str,
    /// Whether several items may stand there.
    holds_many: bool,
}

/// An item's JSON, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) place: Place,
    pub(crate) json: String,
}

const METADATA: &str =
    r#""messaging_product":"whatsapp","metadata":{"display_phone_number":"4930555000001","phone_number_id":"1065"}"#;
const ACCOUNT: &str = r#""id":"17","time":1767225600"#;

/// Lists in an entry of Instagram or Messenger, besides `changes`.
const LISTS: [&str; 4] = ["messaging", "standby", "calls", "novelties"];

impl Place {
    /// Reads the `at` of a fixture.
    pub(crate) fn parse(at: &str, contacts: Option<&str>) -> Self {
        let (object, rest) = at.split_once(' ').expect("an object and a place");
        if object == "whatsapp" {
            return Self::whatsapp(rest, contacts);
        }
        let object = if object == "messenger" { "page" } else { "instagram" };
        let place = |entry, list, open: String, close| Self { object, entry, list, open, close, holds_many: false };
        let field = |field: &str, open: &str| format!("{open}\"field\":\"{field}\",\"value\":");
        match rest.split_once(' ') {
            Some(("changes", name)) => place(ACCOUNT, Some("changes"), field(name, "{"), "}"),
            Some((_, name)) => place(ACCOUNT, None, field(name, ""), ""),
            None if rest == "direct" => place("", None, String::new(), ""),
            None => {
                let list = LISTS.into_iter().find(|list| *list == rest).expect("a list in an entry");
                place(r#""id":"17","time":1767225600000"#, Some(list), String::new(), "")
            }
        }
    }

    fn whatsapp(place: &str, contacts: Option<&str>) -> Self {
        let (field, list) = place.split_once('.').map_or((place, None), |(field, list)| (field, Some(list)));
        let open = format!("{{\"field\":\"{field}\",\"value\":");
        let contacts_member = contacts.map_or_else(String::new, |list| format!("\"contacts\":{list},"));
        let around = format!("{METADATA},{contacts_member}");
        let thread =
            r#""history":[{"metadata":{"phase":0,"chunk_order":1},"threads":[{"id":"4915550000001","messages":["#;
        let (entry, open, close) = match list {
            None => (r#""id":"1028","time":1767225600"#, open, "}"),
            Some("history.threads.messages") => (r#""id":"1028""#, format!("{open}{{{around}{thread}"), "]}]}]}}"),
            Some(list) => match list.strip_prefix("standby.") {
                Some(list) => (
                    r#""id":"1028""#,
                    format!("{open}{{{METADATA},\"standby\":{{{contacts_member}\"{list}\":["),
                    "]}}}",
                ),
                None => (r#""id":"1028""#, format!("{open}{{{around}\"{list}\":["), "]}}"),
            },
        };
        let holds_many = list.is_some() && contacts.is_none();
        Self { object: "whatsapp_business_account", entry, list: Some("changes"), open, close, holds_many }
    }

    /// The notification that has an event's payload where it came from.
    pub(crate) fn around_payload(&self, payload: &str) -> String {
        let object = self.object;
        let entry = self.entry;
        let element = match (self.list, object) {
            (Some("changes"), "whatsapp_business_account") => {
                let field = self.open.split(",\"value\":").next().unwrap_or_default();
                format!("\"changes\":[{field},\"value\":{payload}}}]")
            }
            (Some(list), _) => format!("\"{list}\":[{payload}]"),
            (None, _) if entry.is_empty() => return format!("{{\"object\":\"{object}\",\"entry\":[{payload}]}}"),
            (None, _) => format!("\"changes\":[{payload}]"),
        };
        format!("{{\"object\":\"{object}\",\"entry\":[{{{entry},{element}}}]}}")
    }
}

/// How an item joins the one before it, where their places allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Join {
    /// In a notification of its own.
    Apart,
    /// In an entry of its own.
    SameNotification,
    /// In a change of its own.
    SameEntry,
    /// In the same list.
    SameList,
}

/// The bodies of notifications that hold these items in this order.
pub(crate) fn render(items: &[Item], joins: &[Join]) -> Vec<String> {
    let mut bodies: Vec<String> = Vec::new();
    for (position, Item { place, json }) in items.iter().enumerate() {
        let before = position.checked_sub(1).map(|before| &items[before].place);
        let wanted = joins.get(position).copied().unwrap_or(Join::Apart);
        let possible = before.map_or(Join::Apart, |before| closest(before, place));
        match (wanted.min(possible), bodies.last_mut()) {
            (Join::SameList, Some(body)) => body.extend([",", json]),
            (Join::SameEntry, Some(body)) => body.extend([close(before), ",", &place.open, json]),
            (Join::SameNotification, Some(body)) => {
                body.extend([close(before), end(before), ",{", &open(place, json)]);
            }
            _ => {
                bodies.last_mut().into_iter().for_each(|body| finish(body, before));
                bodies.push(format!("{{\"object\":\"{}\",\"entry\":[{{{}", place.object, open(place, json)));
            }
        }
    }
    bodies.last_mut().into_iter().for_each(|body| finish(body, items.last().map(|item| &item.place)));
    bodies
}

fn closest(before: &Place, place: &Place) -> Join {
    match () {
        () if before == place && place.holds_many => Join::SameList,
        () if (before.object, before.entry, before.list) == (place.object, place.entry, place.list)
            && place.list.is_some() =>
        {
            Join::SameEntry
        }
        () if before.object == place.object => Join::SameNotification,
        () => Join::Apart,
    }
}

fn open(place: &Place, json: &str) -> String {
    if place.entry.is_empty() {
        // The item is the entry, whose brackets stand already.
        return json[1..json.len() - 1].to_owned();
    }
    let list = place.list.map_or_else(String::new, |list| format!("\"{list}\":["));
    format!("{},{list}{}{json}", place.entry, place.open)
}

fn close(place: Option<&Place>) -> &'static str {
    place.map_or("", |place| place.close)
}

/// What closes an entry.
fn end(place: Option<&Place>) -> &'static str {
    if place.is_some_and(|place| place.list.is_some()) { "]}" } else { "}" }
}

fn finish(body: &mut String, place: Option<&Place>) {
    body.extend([close(place), end(place), "]}"]);
}
