//! Which events are looked for: one by its id, or all that there may be about a message.

use event::{Address, EventId, possible_events};

use crate::failure::Failure;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) events: Vec<WantedEvent>,
    /// The channel, if it is known.
    pub(crate) channel: Option<Address>,
    /// The command that looks for the same.
    pub(crate) command: Vec<String>,
}

/// An event that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedEvent {
    pub(crate) id: EventId,
    /// What it would be, if that is known.
    pub(crate) what: Option<String>,
}

impl Wanted {
    /// The event with this id.
    pub(crate) fn of_event(id: &str, channel: Option<Address>) -> Result<Self, Failure> {
        if !is_event_id(id) {
            return Err(Failure::usage(format!(
                "{id} is no event id, which is evt_ and 26 letters and digits: log lines, dead letters and DSK's webhook-id \
                 have it. Meta's id of a message is found with --message and --channel"
            )));
        }
        let mut command = command(&[id]);
        command.extend(channel.iter().flat_map(|channel| ["--channel".to_owned(), channel.to_string()]));
        Ok(Self { events: vec![WantedEvent { id: EventId::new(id), what: None }], channel, command })
    }

    /// Every event that there may be about a message, a comment or a call, by its id at Meta.
    pub(crate) fn of_message(message_id: &str, channel: Address) -> Result<Self, Failure> {
        let possible = possible_events(&channel, message_id);
        if possible.is_empty() {
            return Err(Failure::usage(format!(
                "{channel} has no messages: give the WhatsApp number, the Instagram account or the page"
            )));
        }
        let events = possible
            .into_iter()
            .map(|event| WantedEvent { id: event.id, what: Some(format!("{} ({})", event.what, event.event_type)) });
        let command = command(&["--message", message_id, "--channel", channel.as_str()]);
        Ok(Self { events: events.collect(), channel: Some(channel), command })
    }

    pub(crate) fn ids(&self) -> Vec<EventId> {
        self.events.iter().map(|event| event.id.clone()).collect()
    }
}

fn command(arguments: &[&str]) -> Vec<String> {
    ["ops", "events", "find"].iter().chain(arguments).map(|word| (*word).to_owned()).collect()
}

fn is_event_id(text: &str) -> bool {
    text.strip_prefix("evt_")
        .is_some_and(|rest| rest.len() == 26 && rest.chars().all(|c| matches!(c, 'a'..='z' | '2'..='7')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "evt_dnoshdcsibqdtcgvvxuoqwstuq";

    #[test]
    fn a_message_is_looked_for_under_every_id_that_events_about_it_can_have() {
        let wanted = Wanted::of_message("wamid.1", Address::new("whatsapp:1")).unwrap();

        assert_eq!(wanted.events[0].id.as_str(), ID);
        assert_eq!(wanted.events[0].what.as_deref(), Some("the message (whatsapp.message)"));
        assert!(wanted.events.iter().any(|event| event.what.as_deref() == Some("status read (whatsapp.status)")));
        assert_eq!(wanted.command.join(" "), "ops events find --message wamid.1 --channel whatsapp:1");
    }

    #[test]
    fn what_can_not_be_looked_for_is_an_error_that_says_what_to_give() {
        let error = |result: Result<Wanted, Failure>| result.unwrap_err().text().unwrap_or_default().to_owned();

        for wrong in
            ["", "wamid.HBgN", "evt_short", "evt_DNOSHDCSIBQDTCGVVXUOQWSTUQ", "evt_dnoshdcsibqdtcgvvxuoqwstuq0"]
        {
            assert!(error(Wanted::of_event(wrong, None)).contains("--message"), "{wrong:?}");
        }
        assert!(error(Wanted::of_message("wamid.1", Address::new("whatsapp-account:1"))).contains("no messages"));
        assert!(Wanted::of_event(ID, None).is_ok());
    }
}
