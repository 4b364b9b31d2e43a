//! The one cookie: a session's signed id, and the language that its person has chosen. No script can read it, no other site
//! can send it, and it ends with the session.

use std::time::Duration;

use axum::http::HeaderMap;

use crate::language::Language;

/// How long a session lasts after its last step.
pub(crate) const SESSION_TIME: Duration = Duration::from_mins(30);

/// `__Host-` makes browsers send it only over https, to this host and all of its paths (RFC 6265bis §4.1.3.2).
const NAME: &str = "__Host-session";

/// Parts the id from the language; neither contains it.
const SEPARATOR: char = '~';

/// What the cookie says. The language is not signed, because nothing depends on it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SessionCookie<'a> {
    pub(crate) signed_id: &'a str,
    /// The language that was chosen on a page; `None` leaves it to the browser.
    pub(crate) language: Option<Language>,
}

/// `Set-Cookie` for a session. It is `Lax`, because the return from Instagram's login has to carry it.
pub(crate) fn set(session: &SessionCookie<'_>) -> String {
    let language = session.language.map(|language| format!("{SEPARATOR}{}", language.tag())).unwrap_or_default();
    let seconds = SESSION_TIME.as_secs();
    format!("{NAME}={}{language}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax", session.signed_id)
}

/// `Set-Cookie` that removes it.
pub(crate) fn clear() -> String {
    format!("{NAME}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")
}

/// The cookie that the browser sent. Two of them count as none, because nothing says which one is right.
pub(crate) fn get(headers: &HeaderMap) -> Option<SessionCookie<'_>> {
    let value = chassis::cookie(headers, NAME)?;
    let (signed_id, tag) = value.split_once(SEPARATOR).unwrap_or((value, ""));
    Some(SessionCookie { signed_id, language: Language::of_tag(tag) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_keeps_its_language_and_may_have_none() {
        for language in [None, Some(Language::Arabic)] {
            let line = set(&SessionCookie { signed_id: "x.y", language });
            let headers = HeaderMap::from_iter([("cookie".parse().unwrap(), line.parse().unwrap())]);

            assert_eq!(get(&headers), Some(SessionCookie { signed_id: "x.y", language }));
        }
    }
}
