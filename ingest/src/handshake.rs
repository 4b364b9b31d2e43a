//! Meta's handshake: a GET with a challenge when a webhook is set up, which is answered with exactly the challenge.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use chassis::Secret;
use tracing::info;

use crate::metrics::HandshakeOutcome;
use crate::state::IngestState;

/// `GET /webhook`: answers with the challenge if the verify token is one of ours.
pub(crate) async fn handshake(
    State(state): State<Arc<IngestState>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<String, StatusCode> {
    let find = |name: &str| parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let is_ours = find("hub.mode") == Some("subscribe")
        && find("hub.verify_token").is_some_and(|token| Secret::is_one_of(token, &state.secrets.verify_tokens));
    match find("hub.challenge").filter(|_| is_ours) {
        Some(challenge) => {
            info!("Answered Meta's handshake");
            state.metrics.handshakes_total.inc(HandshakeOutcome::Answered);
            Ok(challenge.to_owned())
        }
        None => {
            info!("Refused a handshake: its verify token is not one of META_VERIFY_TOKENS, or its mode is unknown");
            state.metrics.handshakes_total.inc(HandshakeOutcome::Refused);
            Err(StatusCode::FORBIDDEN)
        }
    }
}
