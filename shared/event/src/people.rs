//! The people in a WhatsApp change: which of its contacts an item concerns, and by which id each is known.

use std::borrow::Cow;
use std::cell::Cell;

use crate::entry::{Contact, is_name};
use crate::json::Value;
use crate::kinds::Path;
use crate::roles::spellings;
use crate::wrap::{Object, REPEATED_BYTES_MAX};

/// Longest phone number, in digits: E.164 has 15, and Meta's test numbers a few more.
const PHONE_DIGITS_MAX: usize = 20;

/// A change's `contacts`, which are found by any of their ids.
#[derive(Debug, Default)]
pub(crate) struct People<'d> {
    contacts: Vec<Person<'d>>,
    /// Ids and positions, sorted by id.
    by_id: Vec<(Cow<'d, str>, usize)>,
    /// The position of the only contact, if no item names it and all items may be about it: Meta leaves a person's id out of
    /// an item, or gives one that differs from the contact's.
    sole: Option<usize>,
    /// The digits of the business's own phone number, which is never the contact's.
    own: Option<String>,
}

#[derive(Debug)]
struct Person<'d> {
    contact: Value<'d>,
    /// Whether an item names this person.
    is_named: bool,
    /// Whether an event has this person's contact already.
    is_written: Cell<bool>,
}

/// Whether the member of that name holds an id of a person, by which a contact is found.
fn is_person_id(key: &str) -> bool {
    key == "recipient" || spellings().any(|spelling| spelling.user_id == key || spelling.phone == key)
}

/// The ids by which an item names people. An echo of another app names its counterpart one level deeper.
fn named_ids(item: Value<'_>) -> impl Iterator<Item = Cow<'_, str>> {
    let members = item.members().chain(item.get("message").into_iter().flat_map(Value::members));
    members.filter(|member| is_person_id(member.name())).filter_map(|member| member.value.scalar())
}

/// What stands between the digits of a number that is written for people.
fn is_punctuation(c: char) -> bool {
    matches!(c, '+' | ' ' | '-' | '(' | ')')
}

fn digits(number: &str) -> String {
    number.chars().filter(|c| !is_punctuation(*c)).collect()
}

/// The other ids of a person, beside one that was found.
#[derive(Debug, Default)]
struct Beside<'d> {
    user_id: Option<Value<'d>>,
    parent_user_id: Option<Value<'d>>,
    phone: Option<Value<'d>>,
}

/// The ids of the person whose id stands at `path`.
fn beside(item: Value<'_>, path: Path) -> Beside<'_> {
    let Some((found, around)) = path.split_last() else { return Beside::default() };
    let Some(around) = item.at(around) else { return Beside::default() };
    let of_person = || spellings().filter(|spelling| spelling.members().contains(found));
    // What tells of a new user id names the phone beside it.
    let phone = of_person().find_map(|spelling| around.get(spelling.phone)).or_else(|| item.get("wa_id"));
    Beside {
        user_id: of_person().find_map(|spelling| around.get(spelling.user_id)),
        parent_user_id: of_person().find_map(|spelling| around.get(spelling.parent_user_id)),
        phone,
    }
}

/// Whether an id is a phone number.
fn is_phone(id: &str) -> bool {
    let digits = id.strip_prefix('+').unwrap_or(id);
    !digits.is_empty() && digits.len() <= PHONE_DIGITS_MAX && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl<'d> People<'d> {
    /// `holder` is the object in the value that has the contacts beside the items.
    pub(crate) fn of(value: Value<'d>, holder: Value<'d>, items: impl Iterator<Item = Value<'d>> + Clone) -> Self {
        let own = value.scalar_at(&["metadata", "display_phone_number"]).map(|number| digits(&number));
        let mut people = Self { own, ..Self::default() };
        for contact in holder.every("contacts").flat_map(Value::items) {
            let position = people.contacts.len();
            people.by_id.extend(
                ["user_id", "wa_id"].into_iter().filter_map(|key| Some((contact.get(key)?.scalar()?, position))),
            );
            people.contacts.push(Person { contact, is_named: false, is_written: Cell::new(false) });
        }
        people.by_id.sort();
        // The first event gets the contacts that no item names, so a single item gets all of them and need not be read.
        if !people.contacts.is_empty() && items.clone().nth(1).is_some() {
            for position in items.clone().flat_map(|item| people.concerned(item)).collect::<Vec<_>>() {
                people.contacts[position].is_named = true;
            }
        }
        people.sole = (people.contacts.len() == 1 && people.may_all_be_about_one(items)).then_some(0);
        people
    }

    /// Whether no item names a contact, and none names another person than the others.
    fn may_all_be_about_one(&self, mut items: impl Iterator<Item = Value<'d>>) -> bool {
        let person = |item: Value<'d>| named_ids(item).find(|id| !self.is_own(id));
        let is_one = self.contacts.iter().all(|one| !one.is_named && !self.has_own_id(one.contact));
        let mut named = None;
        is_one
            && items.all(|item| match person(item) {
                // The threads of a history name their people themselves.
                _ if item.get("threads").is_some() => false,
                Some(id) => *named.get_or_insert_with(|| id.clone()) == id,
                None => true,
            })
    }

    fn has_own_id(&self, contact: Value<'d>) -> bool {
        contact.scalar_at(&["wa_id"]).is_some_and(|id| self.is_own(&id))
    }

    /// Whether this is the business's own number, in whatever way it is written.
    fn is_own(&self, id: &str) -> bool {
        self.own.as_ref().is_some_and(|own| if id.contains(is_punctuation) { digits(id) == *own } else { id == own })
    }

    /// The positions of the contacts that an item concerns.
    fn concerned(&self, item: Value<'d>) -> Vec<usize> {
        if self.contacts.is_empty() {
            return Vec::new();
        }
        let mut concerned: Vec<usize> = named_ids(item).filter_map(|id| self.position(&id)).collect();
        concerned.extend(self.sole);
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
        if paths.is_empty() {
            return Contact::default();
        }
        let named = || {
            let ids = paths.iter().filter_map(|path| Some((*path, item.scalar_at(path)?)));
            ids.filter(|(_, id)| !self.is_own(id))
        };
        let position = named().find_map(|(_, id)| self.position(&id)).or(self.sole);
        let known = position.map(|position| self.contacts[position].contact);
        let known_id = |key: &str| known.and_then(|contact| contact.get(key)?.scalar());
        let id = known_id("user_id").or_else(|| Some(named().next()?.1)).or_else(|| known_id("wa_id"));
        let beside = named().next().map(|(path, _)| beside(item, path)).unwrap_or_default();
        let other_id = |of_contact: &str, beside: Option<Value<'d>>| {
            known_id(of_contact).or_else(|| beside?.scalar().filter(|id| !self.is_own(id)))
        };
        let is_given = |is_phone_number: bool| id.clone().filter(|id| is_phone(id) == is_phone_number);
        Contact {
            name: known.and_then(|contact| contact.at(&["profile", "name"])),
            username: known.and_then(|contact| contact.at(&["profile", "username"])),
            phone: other_id("wa_id", beside.phone).filter(|id| is_phone(id)).or_else(|| is_given(true)),
            user_id: other_id("user_id", beside.user_id).or_else(|| is_given(false)).filter(|id| is_name(id)),
            parent_user_id: other_id("parent_user_id", beside.parent_user_id).filter(|id| is_name(id)),
            id: id.filter(|id| is_name(id)),
        }
    }

    /// Whether the business's own number wrote it.
    pub(crate) fn is_from_business(&self, item: Value<'d>) -> bool {
        item.scalar_at(&["from"]).is_some_and(|id| self.is_own(&id))
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
