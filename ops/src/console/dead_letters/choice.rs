//! What a person chose on the page, as the arguments that mean the same on the command line.

use crate::console::shell::command_line;
use crate::dead_letters::{Change, Filter};
use crate::failure::Failure;

/// How many a second are replayed if nothing else is said. It is the default of the command, too.
pub(crate) const RATE: u32 = 100;

/// What a person chose: fields of a form or of an address. Empty ones are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) ids: Vec<String>,
    pub(crate) reason: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) event_type: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) older_than: Option<String>,
    pub(crate) newer_than: Option<String>,
}

/// The name of the field with an event's id.
pub(crate) const ID: &str = "id";

impl Choice {
    /// Reads the fields that are known, and ignores the others.
    pub(crate) fn of_fields(fields: &[(String, String)]) -> Self {
        let mut choice = Self::default();
        for (name, value) in fields {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            let place = match name.as_str() {
                ID => {
                    choice.ids.push(value.to_owned());
                    continue;
                }
                "reason" => &mut choice.reason,
                "tenant" => &mut choice.tenant,
                "type" => &mut choice.event_type,
                "address" => &mut choice.address,
                "older_than" => &mut choice.older_than,
                "newer_than" => &mut choice.newer_than,
                _ => continue,
            };
            *place = Some(value.to_owned());
        }
        choice
    }

    /// The fields of which this was read.
    pub(crate) fn fields(&self) -> Vec<(&'static str, &str)> {
        let named = [
            ("reason", &self.reason),
            ("tenant", &self.tenant),
            ("type", &self.event_type),
            ("address", &self.address),
            ("older_than", &self.older_than),
            ("newer_than", &self.newer_than),
        ];
        let ids = self.ids.iter().map(|id| (ID, id.as_str()));
        ids.chain(named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))).collect()
    }

    /// The query of an address that chooses the same.
    pub(crate) fn query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(self.fields()).finish()
    }

    /// The arguments that choose the same on the command line.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = self.ids.clone();
        for (name, value) in self.fields().into_iter().filter(|(name, _)| *name != ID) {
            arguments.extend([format!("--{}", name.replace('_', "-")), value.to_owned()]);
        }
        arguments
    }

    /// The same for a command that changes something: it has to be told if all are meant.
    pub(crate) fn choosing_arguments(&self) -> Vec<String> {
        let arguments = self.arguments();
        if arguments.is_empty() { vec!["--all".to_owned()] } else { arguments }
    }

    pub(crate) fn filter(&self) -> Result<Filter, Failure> {
        Filter::of_arguments(&self.arguments())
    }

    /// The command that shows this page of the list.
    pub(crate) fn list_command(&self, skip: usize, limit: usize) -> String {
        let mut words = self.arguments();
        if skip > 0 {
            words.extend(["--skip".to_owned(), skip.to_string()]);
        }
        words.extend(["--limit".to_owned(), limit.to_string()]);
        command("list", words)
    }

    /// The command that makes this change.
    pub(crate) fn change_command(&self, change: Change) -> String {
        let mut words = self.choosing_arguments();
        if let Change::Replay { rate } = change
            && rate != RATE
        {
            words.extend(["--rate".to_owned(), rate.to_string()]);
        }
        words.push("--yes".to_owned());
        command(change.verb(), words)
    }
}

fn command(verb: &str, words: Vec<String>) -> String {
    let all = ["ops", "dead-letters", verb].into_iter().chain(words.iter().map(String::as_str));
    command_line(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(fields: &[(&str, &str)]) -> Choice {
        let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Choice::of_fields(&fields)
    }

    #[test]
    fn what_is_chosen_on_the_page_is_a_command() {
        let chosen = choice(&[("reason", "rejected"), ("tenant", "Mum & Dad"), ("newer_than", "24h"), ("type", " ")]);

        assert_eq!(
            chosen.list_command(50, 50),
            "ops dead-letters list --reason rejected --tenant 'Mum & Dad' --newer-than 24h --skip 50 --limit 50"
        );
        assert_eq!(
            chosen.change_command(Change::Replay { rate: 20 }),
            "ops dead-letters replay --reason rejected --tenant 'Mum & Dad' --newer-than 24h --rate 20 --yes"
        );
        assert_eq!(
            choice(&[("id", "evt_1"), ("id", "evt_2")]).change_command(Change::Discard),
            "ops dead-letters discard evt_1 evt_2 --yes"
        );
        assert_eq!(choice(&[]).change_command(Change::Replay { rate: RATE }), "ops dead-letters replay --all --yes");
    }

    #[test]
    fn an_address_and_a_form_choose_the_same() {
        let chosen = choice(&[("reason", "expired"), ("address", "whatsapp:1"), ("older_than", "2h")]);
        let query = chosen.query();
        let again: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();

        assert_eq!(Choice::of_fields(&again), chosen);
        assert!(chosen.filter().is_ok());
    }

    #[test]
    fn what_can_not_be_chosen_is_an_error() {
        assert!(choice(&[("reason", "nonsense")]).filter().is_err());
        assert!(choice(&[("older_than", "soon")]).filter().is_err());
    }
}
