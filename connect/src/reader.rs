//! Who reads an answer: in which language, and for which tenant they connect channels. A layer knows it for everything that
//! answers a request, errors too, so that no page can forget it.
//!
//! No cookie is needed for the choice of a language: before there is a session the choice is part of the address
//! (`?lang=de`), and afterwards it is part of the session's own cookie.

use std::cell::OnceCell;

use axum::extract::Request;
use axum::http::header::{ACCEPT_LANGUAGE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::Response;
use strum::VariantArray as _;
use url::form_urlencoded;

use crate::cookie::{self, SessionCookie};
use crate::language::Language;

/// The page to which Instagram's login leads back. Its address works once, so it is not asked for in another language.
pub(crate) const INSTAGRAM_RETURN: &str = "/instagram/return";
/// The part of an address that says which language was chosen.
const CHOICE: &str = "lang";

tokio::task_local! {
    static READER: Reader;
}

/// Who reads an answer.
struct Reader {
    language: Language,
    /// The choice, if it is kept in addresses because there is no session.
    in_addresses: Option<Language>,
    /// The choice, wherever it is kept.
    chosen: Option<Language>,
    /// The address of this page in each language; none if it can't be asked for again.
    choices: Vec<Choice>,
    /// The tenant for whom this person connects channels.
    tenant: OnceCell<String>,
}

/// A language, and the address at which the page speaks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) language: Language,
    pub(crate) address: String,
}

/// Lets everything that answers a request know its reader, and keeps a choice in the session's cookie.
pub(crate) async fn know_reader(request: Request, next: Next) -> Response {
    let session = cookie::get(request.headers());
    let chosen_now = query(request.uri()).find_map(|(name, tag)| (name == CHOICE).then(|| Language::of_tag(&tag))?);
    let kept = session.as_ref().and_then(|session| session.language);
    let is_safe = request.method().is_safe();
    let renewed = session
        .as_ref()
        .filter(|_| is_safe && chosen_now.is_some() && chosen_now != kept)
        .map(|session| cookie::set(&SessionCookie { signed_id: session.signed_id, language: chosen_now }));
    let chosen = chosen_now.or(kept);
    let reader = Reader {
        language: chosen.or_else(|| accepted(request.headers())).unwrap_or(Language::English),
        in_addresses: chosen_now.filter(|_| session.is_none()),
        chosen,
        // An answer to a form, or to a login, is given once.
        choices: if is_safe && request.uri().path() != INSTAGRAM_RETURN { choices(request.uri()) } else { Vec::new() },
        tenant: OnceCell::new(),
    };

    let mut answer = READER.scope(reader, next.run(request)).await;
    // What the page itself sets is newer.
    let renewed = renewed.filter(|_| !answer.headers().contains_key(SET_COOKIE));
    if let Some(cookie) = renewed.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    answer
}

/// The language in which this request is answered.
pub(crate) fn language() -> Language {
    READER.try_with(|reader| reader.language).unwrap_or(Language::English)
}

/// The language that the reader has chosen on one of our pages.
pub(crate) fn chosen_language() -> Option<Language> {
    READER.try_with(|reader| reader.chosen).ok().flatten()
}

/// Where the reader can choose another language.
pub(crate) fn language_choices() -> Vec<Choice> {
    READER.try_with(|reader| reader.choices.clone()).unwrap_or_default()
}

/// The address of one of our pages, with the choice that would be lost otherwise.
pub(crate) fn link(path: &str) -> String {
    with_choice(path, READER.try_with(|reader| reader.in_addresses).ok().flatten())
}

/// The address of one of our pages for a reader whose session ends, and with it the cookie that keeps the choice.
pub(crate) fn link_after_session(path: &str) -> String {
    with_choice(path, chosen_language())
}

/// Every page of this answer says that channels are connected for this tenant.
pub(crate) fn connects_for(tenant: &str) {
    // Nobody is in two sessions at once; outside a request there is no page.
    READER.try_with(|reader| reader.tenant.set(tenant.to_owned()).ok()).ok();
}

/// The tenant for whom channels are connected, on pages that belong to a link or a session.
pub(crate) fn tenant() -> Option<String> {
    READER.try_with(|reader| reader.tenant.get().cloned()).ok().flatten()
}

fn with_choice(path: &str, choice: Option<Language>) -> String {
    choice.map_or_else(|| path.to_owned(), |language| format!("{path}?{CHOICE}={}", language.tag()))
}

fn accepted(headers: &HeaderMap) -> Option<Language> {
    Language::accepted(headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?)
}

fn query(uri: &Uri) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
}

/// The same page in each language. An address that begins with `?` belongs to the page's own path.
fn choices(uri: &Uri) -> Vec<Choice> {
    let address = |language: &Language| {
        let mut query_of_choice = form_urlencoded::Serializer::for_suffix("?".to_owned(), 1);
        query_of_choice.extend_pairs(query(uri).filter(|(name, _)| name != CHOICE));
        query_of_choice.append_pair(CHOICE, language.tag()).finish()
    };
    Language::VARIANTS.iter().map(|language| Choice { language: *language, address: address(language) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_keeps_what_else_is_in_the_address() {
        let uri: Uri = "/channels/disconnect?address=whatsapp%3A1&lang=de".parse().unwrap();

        let choices = choices(&uri);

        let turkish = choices.iter().find(|choice| choice.language == Language::Turkish).unwrap();
        assert_eq!(turkish.address, "?address=whatsapp%3A1&lang=tr");
    }
}
