//! The fixtures: items of every kind, where each stands in a notification, and which event it gives.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use event::{Envelope, MessageKind, PersonIds, persons, split};
use serde::Deserialize;
use serde_json::Value;

use crate::notifications::{Item, Place, render};
use crate::splitting::{at, body};

/// One entry of `fixtures.toml`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Fixture {
    pub(crate) what: String,
    pub(crate) at: String,
    pub(crate) contacts: Option<String>,
    pub(crate) item: String,
    gives: String,
    /// What the body has beside names, times and payload.
    shows: String,
}

#[derive(Deserialize)]
struct Fixtures {
    event: Vec<Fixture>,
}

/// All fixtures.
pub(crate) fn fixtures() -> &'static [Fixture] {
    static READ: LazyLock<Fixtures> =
        LazyLock::new(|| toml::from_str(include_str!("../../fixtures.toml")).expect("the fixtures are TOML"));
    &READ.event
}

impl Fixture {
    pub(crate) fn place(&self) -> Place {
        Place::parse(&self.at, self.contacts.as_deref())
    }

    pub(crate) fn item(&self) -> Item {
        Item { place: self.place(), json: self.item.clone() }
    }

    /// The body of the notification that holds only this.
    pub(crate) fn notification(&self) -> String {
        render(&[self.item()], &[]).remove(0)
    }

    /// Whether only the whole item identifies it.
    pub(crate) fn is_whole(&self) -> bool {
        self.gives.ends_with(" whole")
    }
}

#[test]
fn every_fixture_gives_the_event_that_it_names() {
    for fixture in fixtures() {
        let body = fixture.notification();

        let events = split(body.as_bytes(), at());

        let shown: Vec<String> = events
            .iter()
            .map(|event| {
                let lane = event.lane.as_str().strip_prefix(event.address.as_str()).unwrap_or("?");
                let lane = if lane.is_empty() { "/" } else { lane };
                let class = event.class.as_str();
                format!("{} {class} {} {lane} {} {}", event.event_type, event.address, event.timestamp, event.id)
            })
            .collect();
        assert_eq!(shown, [fixture.gives.trim_end_matches(" whole")], "{} at {}: {body}", fixture.what, fixture.at);
    }
}

/// Members of `data` that the other claims look at.
const NAMES: [&str; 6] = ["id", "platform", "channel", "received_at", "conversation", "payload"];

#[test]
fn dsk_can_show_every_fixture_without_knowing_metas_json() {
    for fixture in fixtures() {
        let event = split(fixture.notification().as_bytes(), at()).remove(0);
        let mut data = body(&event)["data"].clone();
        let members = data.as_object_mut().expect("data is an object");
        members.retain(|name, _| !NAMES.contains(&name.as_str()));

        let expected: Value = serde_json::from_str(&fixture.shows).expect("what a fixture shows is JSON");
        assert_eq!(data, expected, "{} at {}", fixture.what, fixture.at);
    }
}

#[test]
fn an_erasure_finds_the_contact_of_every_fixture_by_every_id() {
    for fixture in fixtures() {
        let event = split(fixture.notification().as_bytes(), at()).remove(0);
        let contact = body(&event)["data"]["contact"].clone();
        let ids: PersonIds = ["id", "phone", "user_id", "parent_user_id"]
            .iter()
            .filter_map(|id| Some(contact[*id].as_str()?.to_owned()))
            .collect();

        let people = persons(&Envelope::first(event, at(), None));

        assert!(
            ids.is_empty() || people.iter().any(|person| ids.is_subset(person)),
            "{} at {}: {people:?} lack {ids:?}",
            fixture.what,
            fixture.at
        );
    }
}

#[test]
fn every_kind_of_message_has_a_fixture() {
    let shown = |fixture: &Fixture| serde_json::from_str::<Value>(&fixture.shows).expect("it is JSON");
    for kind in MessageKind::ALL {
        let is_one = |fixture: &Fixture| shown(fixture)["message"]["kind"] == kind.as_str();
        assert!(fixtures().iter().any(is_one), "{} has no fixture", kind.as_str());
    }
}

#[test]
fn every_kind_has_a_fixture_and_no_two_fixtures_share_an_id() {
    use event::kinds::{CHANGES, MESSAGING, WHATSAPP_FIELDS, WHATSAPP_ITEMS};
    let fixtures = fixtures();
    let ids: BTreeSet<&str> = fixtures.iter().filter_map(|fixture| fixture.gives.split(' ').nth(5)).collect();
    assert_eq!(ids.len(), fixtures.len());

    for kind in [WHATSAPP_ITEMS, WHATSAPP_FIELDS, MESSAGING, CHANGES].into_iter().flatten() {
        let key = kind.at.split('#').next().unwrap_or_default();
        let stands = |fixture: &Fixture| {
            fixture.at.split([' ', '.']).any(|word| word == key) || fixture.item.contains(&format!("\"{key}\""))
        };
        assert!(fixtures.iter().any(stands), "{} has no fixture", kind.at);
    }
}
