//! The session of a person who connects channels: begun with a ticket, and known by its cookie.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use channels::{NewChannel, SealedSecret, Ticket};
use event::Address;

use crate::cookie;
use crate::page_error::PageError;
use crate::signer::Purpose;
use crate::state::AppState;

/// The session to which a request belongs. A handler that takes it as an argument is for people with a session only.
pub(crate) struct PageSession {
    pub(crate) id: String,
    pub(crate) ticket: Ticket,
    /// What Instagram has to send back while a login is under way.
    pub(crate) login_state: Option<String>,
}

impl PageSession {
    /// A channel of the ticket's tenant, with its token at Meta.
    pub(crate) fn new_channel(&self, address: Address, access_token: SealedSecret) -> NewChannel {
        let ticket = &self.ticket;
        NewChannel {
            dsk_url: ticket.dsk_url.clone(),
            signing_secret: ticket.signing_secret.clone(),
            access_token: Some(access_token),
            connected_by: Some(format!("ticket of {}", ticket.issued_by)),
            ..NewChannel::new(address, ticket.tenant.clone(), ticket.dsk_token.clone())
        }
    }

    /// The token that each of our forms carries, so that no other site can send it.
    pub(crate) fn form_token(&self, state: &AppState) -> String {
        state.signer.sign(Purpose::Form, &self.id)
    }

    /// Refuses a form that does not carry the token of this session.
    pub(crate) fn verify_form(&self, state: &AppState, form_token: &str) -> Result<(), PageError> {
        let session_id = state.signer.open(Purpose::Form, form_token);
        if session_id.as_deref() == Some(self.id.as_str()) { Ok(()) } else { Err(PageError::Form) }
    }
}

impl FromRequestParts<Arc<AppState>> for PageSession {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, PageError> {
        if parts.method != Method::GET && !is_same_origin(state, &parts.headers) {
            return Err(PageError::Session);
        }
        let id = cookie::get(&parts.headers).and_then(|signed| state.signer.open(Purpose::Session, signed));
        let id = id.ok_or(PageError::Session)?;
        let session = state.store.session(&id).await?.ok_or(PageError::Session)?;
        Ok(Self { id, ticket: session.ticket, login_state: session.state })
    }
}

/// Browsers name the origin of the page that sent a form; it must be ours.
fn is_same_origin(state: &AppState, headers: &HeaderMap) -> bool {
    let origin = headers.get("origin").and_then(|origin| origin.to_str().ok());
    origin.is_none_or(|origin| origin == state.url.origin().ascii_serialization())
}
