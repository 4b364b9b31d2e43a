//! Meta's handshake: a GET with a challenge, when a webhook is set up. Answered with exactly the challenge.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use chassis::Secret;
use tracing::info;

use crate::app::App;
use crate::metrics::Handshake;

/// `GET /webhook`: the challenge, if the verify token is one of ours.
pub(crate) async fn handshake(
    State(app): State<Arc<App>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<String, StatusCode> {
    let find = |name: &str| parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let is_ours = find("hub.mode") == Some("subscribe")
        && find("hub.verify_token").is_some_and(|token| Secret::is_one_of(token, &app.secrets.verify_tokens));
    match find("hub.challenge").filter(|_| is_ours) {
        Some(challenge) => {
            info!("Meta's handshake was answered");
            app.metrics.handshake(Handshake::Answered);
            Ok(challenge.to_owned())
        }
        None => {
            info!("A handshake was refused: its verify token is none of META_VERIFY_TOKENS, or its mode is unknown");
            app.metrics.handshake(Handshake::Refused);
            Err(StatusCode::FORBIDDEN)
        }
    }
}
