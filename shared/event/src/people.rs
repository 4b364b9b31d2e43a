//! The people in a WhatsApp change: which of its contacts an item concerns, and by which id they are known.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::draft::Contact;
use crate::ids::first;
use crate::json::Value;
use crate::wrap::Object;

/// Where an item names people.
const NAMED_AT: [&str; 10] = [
    "from_user_id",
    "from",
    "recipient_user_id",
    "recipient_id",
    "to_user_id",
    "to",
    "user_id",
    "wa_id",
    "recipient_participant_user_id",
    "recipient_participant_id",
];

/// A change's `contacts`, found by any of their ids.
#[derive(Debug, Default)]
pub(crate) struct People<'d> {
    contacts: Vec<Value<'d>>,
    by_id: HashMap<Cow<'d, str>, usize>,
    /// Whether any item names them.
    is_named: Vec<bool>,
}

impl<'d> People<'d> {
    pub(crate) fn of(value: Value<'d>, items: impl Iterator<Item = Value<'d>>) -> Self {
        let mut people = Self::default();
        for contact in value.get("contacts").into_iter().flat_map(Value::items) {
            for id in ["user_id", "wa_id"].into_iter().filter_map(|key| contact.scalar_at(key)) {
                people.by_id.insert(id, people.contacts.len());
            }
            people.contacts.push(contact);
        }
        people.is_named = vec![false; people.contacts.len()];
        if !people.contacts.is_empty() {
            for position in items.flat_map(|item| people.concerned(item)).collect::<Vec<_>>() {
                people.is_named[position] = true;
            }
        }
        people
    }

    /// Positions of the contacts whom an item concerns.
    fn concerned(&self, item: Value<'d>) -> Vec<usize> {
        let mut concerned: Vec<usize> = NAMED_AT.iter().filter_map(|path| self.position(item, path)).collect();
        concerned.sort_unstable();
        concerned.dedup();
        concerned
    }

    fn position(&self, item: Value<'d>, path: &str) -> Option<usize> {
        self.by_id.get(&item.scalar_at(path)?).copied()
    }

    /// The person at the other end, at the first of the paths: by user id where the item or their contact has it.
    pub(crate) fn contact(&self, item: Value<'d>, paths: &str) -> Contact<'d> {
        let known = paths.split('|').find_map(|path| self.position(item, path)).map(|position| self.contacts[position]);
        let user_id = known.and_then(|contact| contact.scalar_at("user_id"));
        let name = known.and_then(|contact| contact.path("profile.name")).filter(|name| name.text().is_some());
        Contact { id: user_id.or_else(|| first(item, paths)), name }
    }

    /// Adds the contacts whom an item concerns, and to the first item those whom none concerns.
    pub(crate) fn add_to(&self, object: &mut Object, item: Value<'d>, is_first: bool) {
        if self.contacts.is_empty() {
            return;
        }
        let mut positions = self.concerned(item);
        if is_first {
            positions.extend((0..self.contacts.len()).filter(|position| !self.is_named[*position]));
        }
        if !positions.is_empty() {
            object.add_list("\"contacts\"", positions.into_iter().map(|position| self.contacts[position].raw()));
        }
    }
}
