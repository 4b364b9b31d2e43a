//! The people whom an event is from or about, each with every id by which its body names them: what an erasure looks for.

use std::collections::BTreeSet;

use crate::json::{Document, Value};
use crate::roles::ROLES;
use crate::{Envelope, Lane};

/// Every id of one person.
pub type PersonIds = BTreeSet<String>;

/// Ids in the object that stands for a person: of Instagram and Messenger, of an address book, of a change of number or id.
const IDS: [&str; 10] = [
    "id",
    "self_ig_scoped_id",
    "user_id",
    "parent_user_id",
    "wa_id",
    "phone_number",
    "phone",
    "previous",
    "current",
    "user_ref",
];
/// Where the lists of a WhatsApp value stand, if they are not its own: what another app answers.
const INNER: &str = "standby";
/// Lists of people in an item about a group.
const PARTICIPANTS: [&str; 4] = ["participants", "added_participants", "removed_participants", "failed_participants"];

/// The people whom an event is from or about. The business is not among them, nor is a group: of a group's events only
/// those count that a person wrote or that say what became of a message to them.
pub fn persons(envelope: &Envelope) -> Vec<PersonIds> {
    let Some(document) = Document::parse(&envelope.body) else { return Vec::new() };
    let Some(data) = document.root().get("data") else { return Vec::new() };
    let mut found = Found { own: BTreeSet::from([envelope.address.id().to_owned()]), ..Found::default() };
    if let Some(payload) = data.get("payload") {
        let metadata = |name: &str| payload.scalar_at(&["metadata", name]).map(|id| normal(&id));
        found.own.extend(["display_phone_number", "phone_number_id"].into_iter().filter_map(metadata));
        for value in [Some(payload), payload.get("value"), payload.get(INNER)].into_iter().flatten() {
            found.read_item(value);
            for list in value.members().filter(|member| member.name() != "contacts") {
                list.value.items().for_each(|item| found.read_entry(item));
            }
        }
        found.add_set(data.get("contact").into_iter().flat_map(|contact| ids_in(contact, &IDS)).collect());
        for holder in [Some(payload), payload.get(INNER)].into_iter().flatten() {
            holder.every("contacts").flat_map(Value::items).for_each(|contact| found.add_contact(contact));
        }
    }
    found.people
}

/// The lanes under which the conversations with these people may be erased.
pub fn person_lanes(envelope: &Envelope) -> Vec<Lane> {
    let ids = persons(envelope).into_iter().flatten();
    ids.map(|id| Lane::new([envelope.address.as_str(), "/", &id].concat())).collect()
}

/// An id as it is compared: a number without its plus sign.
fn normal(id: &str) -> String {
    id.strip_prefix('+').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())).unwrap_or(id).to_owned()
}

#[derive(Default)]
struct Found {
    /// Ids of the business, and of groups.
    own: BTreeSet<String>,
    people: Vec<PersonIds>,
}

impl Found {
    /// Reads an item of a list: a message, a status, or a part of the history with its threads.
    fn read_entry(&mut self, item: Value<'_>) {
        self.read_item(item);
        // An echo of another app names its counterpart one level deeper.
        item.get("message").into_iter().for_each(|message| self.read_item(message));
        for list in PARTICIPANTS {
            item.every(list).flat_map(Value::items).for_each(|participant| self.read_item(participant));
        }
        for thread in item.every("threads").flat_map(Value::items) {
            let context = thread.get("context").into_iter().flat_map(|context| ids_in(context, &IDS));
            self.add_set(context.chain(thread.scalar_at(&["id"]).map(|id| normal(&id))).collect());
            thread.every("messages").flat_map(Value::items).for_each(|message| self.read_item(message));
        }
    }

    fn read_item(&mut self, item: Value<'_>) {
        // To a group, `recipient_id` is the group, and the event's contact may be it, too.
        let is_group = item.has_text("recipient_type", "group");
        self.own.extend(item.scalar_at(&["recipient_id"]).filter(|_| is_group).map(|id| normal(&id)));
        for role in ROLES {
            let is_person = |name: &&str| !(is_group && *name == "recipient_id");
            self.add_set(role.members().filter(is_person).flat_map(|name| ids_of(item, name)).collect());
        }
    }

    /// A contact beside the items tells more ids of somebody whom an item names, or of the only one whom the event names.
    fn add_contact(&mut self, contact: Value<'_>) {
        let ids: PersonIds = ids_in(contact, &IDS).collect();
        if self.people.is_empty() || self.people.iter().any(|person| !person.is_disjoint(&ids)) {
            self.add_set(ids);
        }
    }

    /// Joins the ids to the people who have one of them.
    fn add_set(&mut self, mut ids: PersonIds) {
        ids.retain(|id| !self.own.contains(id));
        if ids.is_empty() {
            return;
        }
        let others = std::mem::take(&mut self.people);
        for person in others {
            if person.is_disjoint(&ids) {
                self.people.push(person);
            } else {
                ids.extend(person);
            }
        }
        self.people.push(ids);
    }
}

/// The ids in the member of that name: itself, or those in the object that it is.
fn ids_of(item: Value<'_>, name: &str) -> Vec<String> {
    item.every(name)
        .flat_map(|value| {
            let own = value.scalar().map(|id| normal(&id));
            own.into_iter().chain(ids_in(value, &IDS)).collect::<Vec<_>>()
        })
        .collect()
}

fn ids_in<'v>(object: Value<'v>, names: &'v [&'v str]) -> impl Iterator<Item = String> + 'v {
    names.iter().flat_map(move |name| object.every(name).filter_map(Value::scalar)).map(|id| normal(&id))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::split;

    fn envelopes(body: &str) -> Vec<Envelope> {
        let now = Timestamp::UNIX_EPOCH;
        split(body.as_bytes(), now).into_iter().map(|event| Envelope::first(event, now, None)).collect()
    }

    fn whatsapp(value: &str) -> Vec<Envelope> {
        envelopes(&format!(
            r#"{{"object":"whatsapp_business_account","entry":[{{"id":"2","changes":[{{"field":"messages","value":{{"metadata":{{"display_phone_number":"4930000","phone_number_id":"1"}},{value}}}}}]}}]}}"#
        ))
    }

    fn only(envelopes: &[Envelope]) -> Vec<Vec<String>> {
        assert_eq!(envelopes.len(), 1);
        persons(&envelopes[0]).into_iter().map(|person| person.into_iter().collect()).collect()
    }

    #[test]
    fn a_person_is_found_by_every_id_that_the_event_has_of_them() {
        let message = whatsapp(
            r#""contacts":[{"wa_id":"4915","user_id":"DE.1","parent_user_id":"DE.ENT.1"}],
               "messages":[{"from":"4915","id":"m","type":"text","context":{"from":"4999"},"text":{"body":"4998"}}]"#,
        );
        let status =
            whatsapp(r#""statuses":[{"id":"m","status":"read","recipient_id":"4915","recipient_user_id":"DE.1"}]"#);
        let changed = whatsapp(
            r#""messages":[{"from":"4915","id":"m","type":"system","system":{"type":"user_changed_number","wa_id":"4916"}}]"#,
        );
        let comment = envelopes(
            r#"{"object":"instagram","entry":[{"id":"9","changes":[{"field":"comments","value":{"id":"c","from":{"id":"77","self_ig_scoped_id":"78","username":"ada"}}}]}]}"#,
        );

        assert_eq!(only(&message), [["4915", "DE.1", "DE.ENT.1"]]);
        assert_eq!(only(&status), [["4915", "DE.1"]]);
        assert_eq!(only(&changed), [["4915", "4916"]]);
        assert_eq!(only(&comment), [["77", "78"]]);
    }

    #[test]
    fn in_a_group_the_person_who_wrote_is_found_and_neither_the_group_nor_whom_they_quote() {
        let message = whatsapp(
            r#""contacts":[{"wa_id":"4915","user_id":"DE.1"}],
               "messages":[{"from":"4915","group_id":"G","id":"m","type":"text","context":{"from":"4999"},"text":{"body":"hi"}}]"#,
        );
        let status = whatsapp(
            r#""statuses":[{"id":"m","status":"read","recipient_type":"group","recipient_id":"G","recipient_participant_id":"4915"}]"#,
        );

        assert_eq!(message[0].lane.as_str(), "whatsapp:1/G");
        assert_eq!(only(&message), [["4915", "DE.1"]]);
        assert_eq!(only(&status), [["4915"]]);
        let lanes: Vec<Lane> = person_lanes(&message[0]);
        assert_eq!(lanes[0].as_str(), "whatsapp:1/4915");
    }

    #[test]
    fn a_person_whom_another_app_answers_is_found_by_every_id() {
        let standby = |lists: &str| {
            envelopes(&format!(
                r#"{{"object":"whatsapp_business_account","entry":[{{"id":"2","changes":[{{"field":"standby","value":{{"metadata":{{"display_phone_number":"4930000","phone_number_id":"1"}},"standby":{{{lists}}}}}}}]}}]}}"#
            ))
        };
        let message = standby(
            r#""contacts":[{"wa_id":"4915","user_id":"DE.1","parent_user_id":"DE.ENT.1"}],
               "messages":[{"from":"4915","id":"m","type":"text","text":{"body":"4998"}}]"#,
        );
        let echo =
            standby(r#""message_echoes":[{"id":"m","type":"text","message":{"to":"4915","to_user_id":"DE.1"}}]"#);
        let status =
            standby(r#""statuses":[{"id":"m","status":"read","recipient_id":"4915","recipient_user_id":"DE.1"}]"#);

        assert_eq!(only(&message), [["4915", "DE.1", "DE.ENT.1"]]);
        assert_eq!(only(&echo), [["4915", "DE.1"]]);
        assert_eq!(only(&status), [["4915", "DE.1"]]);
    }

    #[test]
    fn people_who_join_or_leave_a_group_are_found() {
        let update = envelopes(
            r#"{"object":"whatsapp_business_account","entry":[{"id":"2","changes":[{"field":"group_participants_update","value":{"metadata":{"phone_number_id":"1"},"groups":[{"group_id":"G","type":"group_participants_add","added_participants":[{"wa_id":"4915","user_id":"DE.1"}],"removed_participants":[{"wa_id":"4916"}]}]}}]}]}"#,
        );

        assert_eq!(only(&update), [vec!["4915", "DE.1"], vec!["4916"]]);
    }

    #[test]
    fn a_person_is_found_wherever_instagram_or_messenger_name_one() {
        let page = |entry: &str| envelopes(&format!(r#"{{"object":"page","entry":[{{"id":"9",{entry}}}]}}"#));
        for (entry, ids) in [
            (r#""calls":[{"id":"c","from":"9","to":"7","event":"connect","timestamp":1767225600}]"#, vec!["7"]),
            (r#""calls":[{"id":"c","from":{"id":"7"},"to":{"id":"9"},"event":"connect"}]"#, vec!["7"]),
            (r#""changes":[{"field":"ratings","value":{"reviewer_id":"7","item":"rating"}}]"#, vec!["7"]),
            (r#""changes":[{"field":"novelty","value":{"user":{"id":"7"}}}]"#, vec!["7"]),
            (r#""changes":[{"field":"novelty","value":{"user":"7"}}]"#, vec!["7"]),
            (r#""messaging":[{"recipient":{"id":"9"},"timestamp":1,"optin":{"ref":"r","user_ref":"u7"}}]"#, vec!["u7"]),
            (r#""messaging":[{"sender":{"user_ref":"u7"},"recipient":{"id":"9"},"message":{"mid":"m"}}]"#, vec!["u7"]),
        ] {
            assert_eq!(only(&page(entry)), [ids], "{entry}");
        }
    }
}
