//! Who may use the console: whoever opened the printed link, once, and then has the cookie of the session. Only hashes are
//! kept, and they are compared in constant time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::{Secret, random};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

/// A session that nobody uses ends after this time: a browser left open over night needs a new link.
const IDLE_TIME_MAX: Duration = Duration::from_hours(12);

/// The way into the console.
pub(crate) struct Entrance {
    doors: Mutex<Doors>,
    /// What each of our forms carries, so that no other page can send one.
    form_token: Secret,
}

#[derive(Default)]
struct Doors {
    /// The hash of the link's token, until it is used.
    link: Option<Secret>,
    session: Option<Session>,
}

struct Session {
    /// The hash of its id.
    id: Secret,
    last_used: Instant,
}

impl Entrance {
    pub(crate) fn new() -> Self {
        Self { doors: Mutex::default(), form_token: random_secret() }
    }

    /// A token that lets one browser in, once. Earlier ones that were not used no longer do.
    pub(crate) fn issue_link(&self) -> Secret {
        let token = random_secret();
        self.doors().link = Some(hash(token.expose()));
        token
    }

    /// Begins a session, and gives its id, if the token is that of the link. An earlier session ends.
    pub(crate) fn enter(&self, token: &str, now: Instant) -> Option<Secret> {
        let mut doors = self.doors();
        doors.link.take_if(|link| is_that(token, link))?;
        let id = random_secret();
        doors.session = Some(Session { id: hash(id.expose()), last_used: now });
        Some(id)
    }

    /// Whether a session has this id. It counts as used now.
    pub(crate) fn admits(&self, id: &str, now: Instant) -> bool {
        let mut doors = self.doors();
        doors.session.take_if(|session| now.duration_since(session.last_used) > IDLE_TIME_MAX);
        let Some(session) = doors.session.as_mut().filter(|session| is_that(id, &session.id)) else { return false };
        session.last_used = now;
        true
    }

    /// What a form of ours carries.
    pub(crate) fn form_token(&self) -> &Secret {
        &self.form_token
    }

    /// Whether a form carries the token of ours.
    pub(crate) fn is_own_form(&self, token: &str) -> bool {
        Secret::is_one_of(token, std::slice::from_ref(&self.form_token))
    }

    fn doors(&self) -> MutexGuard<'_, Doors> {
        // No change of it can stop half way.
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random_secret() -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(random::<32>()))
}

fn hash(text: &str) -> Secret {
    Secret::new(hex::encode(Sha256::digest(text.as_bytes())))
}

fn is_that(given: &str, hashed: &Secret) -> bool {
    Secret::is_one_of(hash(given).expose(), std::slice::from_ref(hashed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_lets_one_browser_in_once() {
        let entrance = Entrance::new();
        let link = entrance.issue_link();
        let now = Instant::now();

        assert!(entrance.enter("", now).is_none());
        assert!(entrance.enter(&link.expose().to_lowercase(), now).is_none());
        let session = entrance.enter(link.expose(), now).unwrap();

        assert!(entrance.enter(link.expose(), now).is_none(), "it was used");
        assert!(entrance.admits(session.expose(), now));
        assert!(!entrance.admits(link.expose(), now), "a link is no session");
        assert!(!entrance.admits("", now));
    }

    #[test]
    fn a_wrong_token_leaves_the_link_as_it_is() {
        let entrance = Entrance::new();
        let link = entrance.issue_link();

        assert!(entrance.enter("guess", Instant::now()).is_none());

        assert!(entrance.enter(link.expose(), Instant::now()).is_some());
    }

    #[test]
    fn a_session_ends_when_nobody_uses_it() {
        let entrance = Entrance::new();
        let link = entrance.issue_link();
        let now = Instant::now();
        let session = entrance.enter(link.expose(), now).unwrap();

        let late = now + IDLE_TIME_MAX;
        assert!(entrance.admits(session.expose(), late));
        assert!(entrance.admits(session.expose(), late + IDLE_TIME_MAX), "it was used in between");
        assert!(!entrance.admits(session.expose(), late + IDLE_TIME_MAX * 3));
        assert!(!entrance.admits(session.expose(), late), "it has ended for good");
    }

    #[test]
    fn a_form_needs_the_token_of_our_forms() {
        let entrance = Entrance::new();

        assert!(entrance.is_own_form(entrance.form_token().expose()));
        assert!(!entrance.is_own_form(""));
        assert!(!entrance.is_own_form(Entrance::new().form_token().expose()));
    }
}
