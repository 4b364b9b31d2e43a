//! `POST /api/tickets`, with which DSK's server gets a link for a tenant.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Response};
use channels::{StoreError, Ticket};
use chassis::{Secret, SigningSecret};
use serde::{Deserialize, Serialize};
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
    dsk_token: String,
    dsk_url: Option<Url>,
    signing_secret: Option<String>,
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
    #[error("tenant and dsk_token must not be empty")]
    Empty,
    #[error("dsk_url must be https")]
    NotHttps,
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
            Self::Malformed | Self::Empty | Self::NotHttps | Self::NotASigningSecret => StatusCode::BAD_REQUEST,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let answer = (status, Json(json!({ "error": self.to_string() }))).into_response();
        match self {
            Self::UnknownKey => refusals::refuse(answer, RefusalReason::ApiKey),
            Self::Malformed | Self::Empty | Self::NotHttps | Self::NotASigningSecret | Self::Store(_) => answer,
        }
    }
}

/// `POST /api/tickets` takes a JSON object with `tenant` and `dsk_token`, and optionally `dsk_url` and `signing_secret`.
/// It answers 201 with `{"url":…,"expires_in":seconds}`, 401 without a known key, or 400 with what is wrong.
pub(crate) async fn issue(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<TicketAnswer>), TicketError> {
    let is_known = bearer(&headers).is_some_and(|given| Secret::is_one_of(given, &state.api_keys));
    if !is_known {
        return Err(TicketError::UnknownKey);
    }
    let request: TicketRequest = serde_json::from_slice(&body).map_err(|_| TicketError::Malformed)?;
    request.check()?;
    let seal = |secret: String| state.key_ring.seal(&Secret::new(secret));
    let ticket = Ticket {
        tenant: request.tenant,
        dsk_token: seal(request.dsk_token),
        dsk_url: request.dsk_url.map(|url| url.to_string()),
        signing_secret: request.signing_secret.map(seal),
        issued_by: "dsk".to_owned(),
    };
    let url = state.links.issue(&state.store, &ticket).await?;
    state.metrics.tickets_total.inc(TicketOutcome::Issued);
    info!(tenant = ticket.tenant, "Issued a ticket for tenant {}", ticket.tenant);
    let expires_in = state.links.ticket_time().as_secs();
    Ok((StatusCode::CREATED, Json(TicketAnswer { url, expires_in })))
}

impl TicketRequest {
    fn check(&self) -> Result<(), TicketError> {
        if self.tenant.trim().is_empty() || self.dsk_token.trim().is_empty() {
            return Err(TicketError::Empty);
        }
        if self.dsk_url.as_ref().is_some_and(|url| url.scheme() != "https") {
            return Err(TicketError::NotHttps);
        }
        let is_signing_secret = |secret: &str| SigningSecret::parse(&Secret::new(secret)).is_ok();
        if self.signing_secret.as_deref().is_some_and(|secret| !is_signing_secret(secret)) {
            return Err(TicketError::NotASigningSecret);
        }
        Ok(())
    }
}
