//! The people in a WhatsApp change: which of its contacts an item concerns, and by which id each is known.

use std::borrow::Cow;
use std::cell::Cell;

use crate::entry::{Contact, is_name};
use crate::json::Value;
use crate::kinds::Path;
use crate::wrap::{Object, REPEATED_BYTES_MAX};

/// A change's `contacts`, which are found by any of their ids.
#[derive(Debug, Default)]
pub(crate) struct People<'d> {
    contacts: Vec<Person<'d>>,
    /// Ids and positions, sorted by id.
    by_id: Vec<(Cow<'d, str>, usize)>,
    /// The business's own phone number, which is never the contact's.
    own: Option<Cow<'d, str>>,
}

#[derive(Debug)]
struct Person<'d> {
    contact: Value<'d>,
    /// Whether an item names this person.
    is_named: bool,
    /// Whether an event has this person's contact already.
    is_written: Cell<bool>,
}

/// Whether the member of that name holds a person's id.
fn is_person_id(key: &str) -> bool {
    matches!(
        key,
        "from_user_id"
            | "from"
            | "recipient_user_id"
            | "recipient_id"
            | "to_user_id"
            | "to"
            | "user_id"
            | "wa_id"
            | "recipient_participant_user_id"
            | "recipient_participant_id"
    )
}

impl<'d> People<'d> {
    pub(crate) fn of(value: Value<'d>, items: impl Iterator<Item = Value<'d>> + Clone) -> Self {
        let mut people = Self { own: value.scalar_at(&["metadata", "display_phone_number"]), ..Self::default() };
        for contact in value.every("contacts").flat_map(Value::items) {
            let position = people.contacts.len();
            people.by_id.extend(
                ["user_id", "wa_id"].into_iter().filter_map(|key| Some((contact.get(key)?.scalar()?, position))),
            );
            people.contacts.push(Person { contact, is_named: false, is_written: Cell::new(false) });
        }
        people.by_id.sort();
        // The first event gets the contacts that no item names, so a single item gets all of them and need not be read.
        if !people.contacts.is_empty() && items.clone().nth(1).is_some() {
            for position in items.flat_map(|item| people.concerned(item)).collect::<Vec<_>>() {
                people.contacts[position].is_named = true;
            }
        }
        people
    }

    /// The positions of the contacts that an item concerns.
    fn concerned(&self, item: Value<'d>) -> Vec<usize> {
        if self.contacts.is_empty() {
            return Vec::new();
        }
        let named = item.members().filter(|member| is_person_id(member.name()));
        let mut concerned: Vec<usize> = named.filter_map(|member| self.position(&member.value.scalar()?)).collect();
        concerned.sort_unstable();
        concerned.dedup();
        concerned
    }

    fn position(&self, id: &str) -> Option<usize> {
        let found = self.by_id.binary_search_by(|(known, _)| known.as_ref().cmp(id)).ok()?;
        Some(self.by_id[found].1)
    }

    /// The person at the other end, whose id stands at the first of `paths` that is there. The user id of their contact, if
    /// it has one, is preferred.
    pub(crate) fn contact(&self, item: Value<'d>, paths: &[Path]) -> Contact<'d> {
        let ids = || paths.iter().filter_map(|path| item.scalar_at(path)).filter(|id| Some(id) != self.own.as_ref());
        let known = ids().find_map(|id| self.position(&id)).map(|position| self.contacts[position].contact);
        let user_id = known.and_then(|contact| contact.get("user_id")?.scalar());
        let name = known.and_then(|contact| contact.at(&["profile", "name"]));
        Contact { id: user_id.or_else(|| ids().next()).filter(|id| is_name(id)), name }
    }

    /// Adds the contacts that an item concerns, and to the first item those that no item concerns. A very large contact is
    /// added once only.
    pub(crate) fn add_to(&self, object: &mut Object<'_>, item: Value<'d>, is_first: bool) {
        if self.contacts.is_empty() {
            return;
        }
        let mut positions = self.concerned(item);
        if is_first {
            positions.extend((0..self.contacts.len()).filter(|position| !self.contacts[*position].is_named));
            positions.sort_unstable();
            positions.dedup();
        }
        positions.retain(|position| {
            let person = &self.contacts[*position];
            !person.is_written.replace(true) || person.contact.raw().len() <= REPEATED_BYTES_MAX
        });
        if !positions.is_empty() {
            object.add_list("\"contacts\"", positions, |out, position| {
                out.push_str(self.contacts[position].contact.raw());
            });
        }
    }
}
