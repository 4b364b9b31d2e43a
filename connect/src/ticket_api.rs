//! `POST /api/tickets`, with which DSK's server gets a link for a tenant.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use channels::{Allowance, StoreError, Ticket, check_customer, check_dsk_token};
use chassis::{Problem, Secret, SigningSecret};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use tracing::{error, info};
use url::Url;

use crate::headers::bearer;
use crate::metrics::{RefusalReason, TicketOutcome};
use crate::refusals;
use crate::state::AppState;

/// What DSK asks for. `dsk_url` and `signing_secret` are given where they differ from the service's own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketRequest {
    tenant: String,
    #[serde(deserialize_with = "secret")]
    dsk_token: Secret,
    dsk_url: Option<String>,
    #[serde(default, deserialize_with = "given_secret")]
    signing_secret: Option<Secret>,
}

/// What DSK gets.
#[derive(Serialize)]
pub(crate) struct TicketAnswer {
    url: Url,
    /// In seconds.
    expires_in: u64,
}

/// Why DSK gets no ticket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TicketError {
    #[error("the bearer key is not one of CONNECT_API_KEYS")]
    UnknownKey,
    /// The parser's own message would repeat the token.
    #[error("send {{\"tenant\":…,\"dsk_token\":…}}, and dsk_url or signing_secret if needed")]
    Malformed,
    #[error("{0}")]
    NotACustomer(Problem),
    #[error("signing_secret must be whsec_ followed by base64")]
    NotASigningSecret,
    #[error("no ticket could be stored: try again")]
    Store(#[from] StoreError),
}

impl IntoResponse for TicketError {
    fn into_response(self) -> Response {
        if let Self::Store(error) = &self {
            error!(%error, "Could not issue a ticket");
        }
        let status = match self {
            Self::UnknownKey => StatusCode::UNAUTHORIZED,
            Self::Malformed | Self::NotACustomer(_) | Self::NotASigningSecret => StatusCode::BAD_REQUEST,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let answer = (status, Json(json!({ "error": self.to_string() }))).into_response();
        match self {
            Self::UnknownKey => refusals::refuse(answer, RefusalReason::ApiKey),
            Self::Malformed | Self::NotACustomer(_) | Self::NotASigningSecret | Self::Store(_) => answer,
        }
    }
}

/// Proof that DSK's server asks. It is looked for before the body is read, so that strangers can't have theirs held in memory.
pub(crate) struct KnownKey;

impl FromRequestParts<Arc<AppState>> for KnownKey {
    type Rejection = TicketError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, TicketError> {
        let is_known = bearer(&parts.headers).is_some_and(|given| Secret::is_one_of(given, &state.api_keys));
        if is_known { Ok(Self) } else { Err(TicketError::UnknownKey) }
    }
}

/// `POST /api/tickets` takes a JSON object with `tenant` and `dsk_token`, and optionally `dsk_url` and `signing_secret`.
/// It answers 201 with `{"url":…,"expires_in":seconds}`, 401 without a known key, or 400 with what is wrong.
pub(crate) async fn issue(
    _: KnownKey,
    State(state): State<Arc<AppState>>,
    body: Bytes,
) -> Result<(StatusCode, Json<TicketAnswer>), TicketError> {
    let request: TicketRequest = serde_json::from_slice(&body).map_err(|_| TicketError::Malformed)?;
    request.check(state.allowance)?;
    let seal = |secret: &Secret| state.key_ring.seal(secret);
    let ticket = Ticket {
        tenant: request.tenant,
        dsk_token: seal(&request.dsk_token),
        dsk_url: request.dsk_url,
        signing_secret: request.signing_secret.as_ref().map(seal),
        issued_by: "dsk".to_owned(),
    };
    let url = state.links.issue(&state.store, &ticket).await?;
    state.metrics.tickets_total.inc(TicketOutcome::Issued);
    info!(tenant = ticket.tenant, "Issued a ticket for tenant {}", ticket.tenant);
    let expires_in = state.links.ticket_time().as_secs();
    Ok((StatusCode::CREATED, Json(TicketAnswer { url, expires_in })))
}

impl TicketRequest {
    fn check(&self, allowance: Allowance) -> Result<(), TicketError> {
        check_customer(&self.tenant, self.dsk_url.as_deref(), allowance).map_err(TicketError::NotACustomer)?;
        check_dsk_token(&self.dsk_token).map_err(TicketError::NotACustomer)?;
        let parsed = self.signing_secret.as_ref().map(SigningSecret::parse).transpose();
        parsed.map(drop).map_err(|_| TicketError::NotASigningSecret)
    }
}

/// A secret is wiped from memory when the request has been answered.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

fn given_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}
