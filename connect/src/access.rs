//! Who may ask for what belongs to a channel, which is DSK's server with the channel's own DSK token, and why it gets
//! nothing, whatever it asked for. Each error knows its answer, and how it is counted.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use channels::{ChannelRecord, SealedSecret, StoreError, StoredToken};
use chassis::{Secret, now};
use event::{Address, Family};
use serde_json::json;

use crate::graph::{GraphError, PAUSE_USUAL};
use crate::headers::bearer;
use crate::metrics::{FetchOutcome, RefusalReason};
use crate::refusals;
use crate::state::AppState;

/// Meta's ids are short; a longer one is neither looked up nor passed on.
const ID_CHARACTERS_MAX: usize = 64;
/// After which time DSK asks again if all places are taken: most requests are answered within a second.
const PAUSE_FULL: Duration = Duration::from_secs(5);

/// Why DSK gets nothing, whatever it asked for. The texts are for the people who run DSK.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    #[error("the bearer token is not this channel's DSK token")]
    Unauthorized,
    #[error("the channel's token at Meta no longer works: its owner has to connect the channel again")]
    Token,
    #[error("Meta refuses this to the channel's token: a permission is missing")]
    Permission,
    #[error("our key ring does not open the channel's token: our operators have to repair that")]
    Unopenable,
    #[error("Meta can't be reached or has a problem of its own: try again later")]
    Unavailable,
    #[error("Meta asks for a pause of {} s", .0.as_secs())]
    Throttled(Duration),
    #[error("too many requests like this are under way: try again in a moment")]
    Full,
    #[error("our storage can't be reached: try again later")]
    Store(#[from] StoreError),
}

/// How one error is answered and counted.
pub(crate) struct ErrorRow {
    pub(crate) status: StatusCode,
    /// The value of `error` in the answer, for programs.
    pub(crate) word: &'static str,
    /// `None` if it is counted as a refusal.
    pub(crate) outcome: Option<FetchOutcome>,
}

impl AccessError {
    /// 424 means that the answer depends on something else that failed.
    pub(crate) const fn row(&self) -> ErrorRow {
        use FetchOutcome::{Token, Unavailable};
        let (status, word, outcome) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", None),
            Self::Token => (StatusCode::FAILED_DEPENDENCY, "reconnect_needed", Some(Token)),
            Self::Permission => (StatusCode::FAILED_DEPENDENCY, "permission_missing", Some(Token)),
            Self::Unopenable => (StatusCode::INTERNAL_SERVER_ERROR, "unopenable", Some(Token)),
            Self::Unavailable => (StatusCode::BAD_GATEWAY, "unavailable", Some(Unavailable)),
            Self::Throttled(_) => (StatusCode::SERVICE_UNAVAILABLE, "throttled", Some(Unavailable)),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "full", Some(Unavailable)),
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store", Some(Unavailable)),
        };
        ErrorRow { status, word, outcome }
    }

    /// The pause that an answer of 503 asks DSK for.
    pub(crate) const fn pause(&self) -> Duration {
        match self {
            Self::Throttled(pause) => *pause,
            Self::Full => PAUSE_FULL,
            Self::Unauthorized
            | Self::Token
            | Self::Permission
            | Self::Unopenable
            | Self::Unavailable
            | Self::Store(_) => PAUSE_USUAL,
        }
    }

    /// What a failed request to Meta says about the channel; `None` if it is about what was asked for.
    pub(crate) const fn of(error: &GraphError) -> Option<Self> {
        match error {
            GraphError::Token { .. } => Some(Self::Token),
            GraphError::Permission(_) => Some(Self::Permission),
            GraphError::Throttled { pause: Some(pause) } => Some(Self::Throttled(*pause)),
            GraphError::Throttled { pause: None } => Some(Self::Throttled(PAUSE_USUAL)),
            GraphError::Away | GraphError::TimedOut | GraphError::ServerError => Some(Self::Unavailable),
            GraphError::Refused { .. } | GraphError::Unexpected => None,
        }
    }
}

/// The channel, if there is one and the bearer is its own DSK token. The answer does not say which of the two is wrong.
pub(crate) async fn authorize(
    state: &AppState,
    address: &Address,
    headers: &HeaderMap,
) -> Result<ChannelRecord, AccessError> {
    let given = bearer(headers).ok_or(AccessError::Unauthorized)?;
    if address.family() == Family::Other || !is_id(address.id()) {
        return Err(AccessError::Unauthorized);
    }
    let record = state.store.get(address).await?.ok_or(AccessError::Unauthorized)?;
    // A removed channel has no token.
    let sealed = record.dsk_token.as_ref().ok_or(AccessError::Unauthorized)?;
    let own = open(state, sealed)?;
    if Secret::is_one_of(given, &[own]) { Ok(record) } else { Err(AccessError::Unauthorized) }
}

/// Whether it may be an id of Meta's.
pub(crate) fn is_id(id: &str) -> bool {
    id.len() <= ID_CHARACTERS_MAX && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The channel's token at Meta, as it is stored.
pub(crate) fn access_token(record: &ChannelRecord) -> Result<StoredToken<'_>, AccessError> {
    let sealed = record.access_token.as_ref().ok_or(AccessError::Token)?;
    Ok(StoredToken { address: &record.address, sealed })
}

pub(crate) fn open(state: &AppState, sealed: &SealedSecret) -> Result<Secret, AccessError> {
    state.key_ring.open(sealed).map_err(|_| AccessError::Unopenable)
}

/// Remembers that a token no longer works, if that is what Meta has answered.
pub(crate) async fn heed(state: &AppState, token: StoredToken<'_>, error: &GraphError) -> Result<(), StoreError> {
    if let GraphError::Token { .. } = error {
        state.store.mark_access_token_dead(token, now()).await?;
    }
    Ok(())
}

/// The form of every answer without content, for DSK's programs and for those who read its logs.
pub(crate) fn error_answer(row: &ErrorRow, detail: &str, pause: Duration) -> Response {
    let mut answer = (row.status, Json(json!({ "error": row.word, "detail": detail }))).into_response();
    if matches!(row.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(pause.as_secs().max(1)));
    }
    answer
}

/// The answer to a request that got nothing: `access` is the reason if that has nothing to do with what was asked for. A
/// refusal is counted under `reason`.
pub(crate) fn failed_answer(
    row: &ErrorRow,
    detail: &str,
    access: Option<&AccessError>,
    reason: RefusalReason,
) -> Response {
    let answer = error_answer(row, detail, access.map_or(PAUSE_USUAL, AccessError::pause));
    if row.outcome.is_some() { answer } else { refusals::refuse(answer, reason) }
}
