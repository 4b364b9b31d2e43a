//! The session of a person who connects channels: begun with a ticket, and known by its cookie.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use channels::{NewChannel, NewSecret, Ticket, check_customer};
use chassis::Sender;
use event::Address;
use tracing::error;

use crate::cookie;
use crate::page_error::PageError;
use crate::reader;
use crate::signer::Purpose;
use crate::state::AppState;

/// The session to which a request belongs. A handler that takes it as an argument is for people with a session only.
pub(crate) struct PageSession {
    pub(crate) id: String,
    pub(crate) ticket: Ticket<NewSecret>,
    /// What Instagram has to send back while a login is under way.
    pub(crate) login_state: Option<String>,
}

impl PageSession {
    /// A channel of the ticket's tenant, with its token at Meta.
    pub(crate) fn new_channel(&self, address: Address, access_token: NewSecret) -> NewChannel {
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
        if !parts.method.is_safe() {
            OwnForm::from_request_parts(parts, state).await?;
        }
        let id = cookie::get(&parts.headers).and_then(|cookie| state.signer.open(Purpose::Session, cookie.signed_id));
        let id = id.ok_or(PageError::Session)?;
        let session = state.store.session(&id).await?.ok_or(PageError::Session)?;
        // One that was changed in the store since it was issued, or that an older release issued unchecked, connects nothing.
        let Ticket { tenant, dsk_url, .. } = &session.ticket;
        check_customer(tenant, dsk_url.as_deref(), state.allowance).map_err(|problem| {
            error!(%problem, "A session's ticket can't be used");
            PageError::Session
        })?;
        let ticket = session.ticket.open(&state.key_ring).map_err(|error| {
            error!(%error, "A session's secrets do not open");
            PageError::Session
        })?;
        reader::connects_for(&ticket.tenant);
        Ok(Self { id, ticket, login_state: session.state })
    }
}

/// Proof that one of our own pages sent a form. Without it, a foreign page could begin a session of its choice in a
/// person's browser, and the person would connect a channel for somebody else.
pub(crate) struct OwnForm;

impl FromRequestParts<Arc<AppState>> for OwnForm {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, PageError> {
        let ours = state.url.origin().ascii_serialization();
        // What names no page is refused, too.
        if Sender::of(&parts.headers, &[ours]) == Sender::Ours { Ok(Self) } else { Err(PageError::ForeignForm) }
    }
}
