//! What a person has asked to erase, until they confirm it. It names people, so it is kept in memory only, and not for long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::console::forms::{Fields, field};
use crate::contact::parse_contact;
use crate::erase::CountByType;
use crate::failure::Failure;
use crate::subject::{Subject, SubjectChoice};

/// How long a request waits to be confirmed.
const WAITING_TIME_MAX: Duration = Duration::from_mins(15);

/// What was found for a request.
#[derive(Debug)]
pub(crate) struct Request {
    /// The arguments that mean the same on the command line. They may name people.
    pub(crate) arguments: Vec<String>,
    /// Whether they do.
    pub(crate) names_people: bool,
    pub(crate) subject: Subject,
    /// How many dead letters of theirs there are of each type.
    pub(crate) found: CountByType,
    made_at: Instant,
}

impl Request {
    pub(crate) fn new(choice: &SubjectChoice, subject: Subject, found: CountByType, made_at: Instant) -> Self {
        Self { arguments: arguments(choice), names_people: !choice.contact.is_empty(), subject, found, made_at }
    }
}

/// The request that waits to be confirmed, and the erasures that were begun here.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    waiting: Mutex<Option<Arc<Request>>>,
    codes: Mutex<Vec<String>>,
}

impl Requests {
    pub(crate) fn put(&self, request: Request) {
        *locked(&self.waiting) = Some(Arc::new(request));
    }

    /// The request that waits.
    pub(crate) fn waiting(&self, now: Instant) -> Option<Arc<Request>> {
        let mut waiting = locked(&self.waiting);
        waiting.take_if(|request| now.duration_since(request.made_at) > WAITING_TIME_MAX);
        waiting.clone()
    }

    /// Takes the request that waits, because it is carried out or dropped.
    pub(crate) fn take(&self, now: Instant) -> Option<Arc<Request>> {
        self.waiting(now)?;
        locked(&self.waiting).take()
    }

    pub(crate) fn note_code(&self, code: String) {
        locked(&self.codes).push(code);
    }

    /// The codes of the erasures that were begun here, oldest first.
    pub(crate) fn codes(&self) -> Vec<String> {
        locked(&self.codes).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whom a form is about. Contacts are written one on a line.
pub(crate) fn choice_of(fields: &Fields) -> Result<SubjectChoice, Failure> {
    let contacts = field(fields, "contacts").unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty());
    let contact = contacts.map(parse_contact).collect::<Result<Vec<_>, _>>().map_err(Failure::usage)?;
    let channel = field(fields, "channel").map(crate::address::parse_address).transpose().map_err(Failure::usage)?;
    let choice = SubjectChoice {
        contact,
        channel: channel.into_iter().collect(),
        tenant: field(fields, "tenant").map(str::to_owned),
    };
    if choice.is_empty() {
        return Err(Failure::usage("say what to erase: contacts, a channel or a tenant"));
    }
    Ok(choice)
}

fn arguments(choice: &SubjectChoice) -> Vec<String> {
    let contacts = choice.contact.iter().flat_map(|contact| ["--contact".to_owned(), contact.lane()]);
    let channels = choice.channel.iter().flat_map(|channel| ["--channel".to_owned(), channel.to_string()]);
    let tenant = choice.tenant.iter().flat_map(|tenant| ["--tenant".to_owned(), tenant.clone()]);
    contacts.chain(channels).chain(tenant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(contacts: &str, channel: &str) -> Fields {
        vec![("contacts".to_owned(), contacts.to_owned()), ("channel".to_owned(), channel.to_owned())]
    }

    #[test]
    fn whom_a_form_is_about_is_an_argument_each() {
        let choice =
            choice_of(&form("whatsapp:1/+49 1555 0000001\n\nwhatsapp:1/4915550000002\n", "whatsapp:2")).unwrap();

        assert_eq!(
            arguments(&choice),
            [
                "--contact",
                "whatsapp:1/4915550000001",
                "--contact",
                "whatsapp:1/4915550000002",
                "--channel",
                "whatsapp:2"
            ]
        );
    }

    #[test]
    fn a_form_that_is_about_nobody_is_refused() {
        assert!(choice_of(&form(" ", "")).is_err());
        assert!(choice_of(&form("Ada", "")).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_nobody_confirms_is_forgotten() {
        let requests = Requests::default();
        let now = Instant::now();
        requests.put(Request::new(&SubjectChoice::default(), Subject::default(), CountByType::new(), now));

        assert!(requests.waiting(now).is_some());
        assert!(requests.waiting(now + WAITING_TIME_MAX * 2).is_none());
        assert!(requests.take(now).is_none(), "it is gone");
    }
}
