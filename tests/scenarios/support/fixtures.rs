//! The fixtures of `shared/event`, as notifications for real processes.

#[expect(dead_code, reason = "the tests of the crate event also join items and wrap payloads")]
#[path = "../../../shared/event/tests/event/notifications.rs"]
mod notifications;

use bytes::Bytes;

use crate::support::workspace::{read, root};

/// One fixture.
pub(crate) struct Fixture {
    /// What it is, and where it stands.
    pub(crate) name: String,
    /// The body of the notification that holds only this.
    pub(crate) notification: Bytes,
    /// What the body for DSK has beside names, times and payload, as JSON.
    shows: String,
}

impl Fixture {
    /// The kind of the message that it shows, if it is one.
    pub(crate) fn message_kind(&self) -> Option<String> {
        let shown: serde_json::Value = serde_json::from_str(&self.shows)
            .unwrap_or_else(|error| panic!("what {} shows is no JSON: {error}", self.name));
        Some(shown["message"]["kind"].as_str()?.to_owned())
    }
}

/// All fixtures.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let file: toml::Table = read(&root().join("shared/event/fixtures.toml")).parse().expect("the fixtures are TOML");
    let fixtures = file["event"].as_array().expect("a list");
    let text = |fixture: &toml::Value, name: &str| fixture.get(name).and_then(toml::Value::as_str).map(str::to_owned);
    let fixture = |fixture: &toml::Value| {
        let at = text(fixture, "at").expect("it has a place");
        let place = notifications::Place::parse(&at, text(fixture, "contacts").as_deref());
        let item = notifications::Item { place, json: text(fixture, "item").expect("it has an item") };
        let notification = notifications::render(&[item], &[]).remove(0).into();
        let name = format!("{} at {at}", text(fixture, "what").expect("it says what it is"));
        Fixture { name, notification, shows: text(fixture, "shows").expect("it says what DSK shows") }
    };
    fixtures.iter().map(fixture).collect()
}
