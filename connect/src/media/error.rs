//! Why DSK gets no file: each error knows its answer, and how it is counted.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use channels::StoreError;
use serde_json::json;

use crate::graph::GraphError;
use crate::metrics::{MediaOutcome, RefusalReason};
use crate::refusals;

/// Why DSK gets no file. The texts are for the people who run DSK.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MediaError {
    #[error("the bearer token is not this channel's DSK token")]
    Unauthorized,
    #[error("only WhatsApp's files are fetched here: for Instagram and Messenger, the event itself holds the links")]
    OtherPlatform,
    #[error("Meta has no such file of this channel: a file that came with a message can be fetched for 7 days")]
    Unknown,
    #[error("the channel's token at Meta no longer works: its owner has to connect the channel again")]
    Token,
    #[error("Meta refuses this file to the channel's token: a permission is missing")]
    Permission,
    #[error("our key ring does not open the channel's token: our operators have to repair that")]
    Unopenable,
    #[error("Meta can't be reached or has a problem of its own: try again later")]
    Unavailable,
    #[error("Meta asks for a pause")]
    Throttled,
    #[error("too many files are being fetched: try again in a moment")]
    Full,
    #[error("Meta's answer is not a file that can be passed on")]
    Unusable,
    #[error("our storage can't be reached: try again later")]
    Store(#[from] StoreError),
}

/// How one error is answered and counted.
struct Row {
    status: StatusCode,
    /// The value of `error` in the answer, for programs.
    code: &'static str,
    /// `None` if it is counted as a refusal.
    outcome: Option<MediaOutcome>,
}

impl MediaError {
    /// 424 means that the answer depends on something else that failed.
    const fn row(&self) -> Row {
        use MediaOutcome::{Broken, Token, Unavailable, Unknown};
        let (status, code, outcome) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", None),
            Self::OtherPlatform => (StatusCode::NOT_FOUND, "other_platform", Some(Unknown)),
            Self::Unknown => (StatusCode::NOT_FOUND, "unknown", Some(Unknown)),
            Self::Token => (StatusCode::FAILED_DEPENDENCY, "reconnect_needed", Some(Token)),
            Self::Permission => (StatusCode::FAILED_DEPENDENCY, "permission_missing", Some(Token)),
            Self::Unopenable => (StatusCode::INTERNAL_SERVER_ERROR, "unopenable", Some(Token)),
            Self::Unavailable => (StatusCode::BAD_GATEWAY, "unavailable", Some(Unavailable)),
            Self::Throttled => (StatusCode::SERVICE_UNAVAILABLE, "throttled", Some(Unavailable)),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "full", Some(Unavailable)),
            Self::Unusable => (StatusCode::BAD_GATEWAY, "unusable", Some(Broken)),
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store", Some(Unavailable)),
        };
        Row { status, code, outcome }
    }

    /// How the failed request is counted among DSK's files; `None` if it is a refusal.
    pub(super) const fn outcome(&self) -> Option<MediaOutcome> {
        self.row().outcome
    }
}

impl From<GraphError> for MediaError {
    fn from(error: GraphError) -> Self {
        match error {
            GraphError::Token { .. } => Self::Token,
            GraphError::Permission(_) => Self::Permission,
            GraphError::Throttled => Self::Throttled,
            GraphError::Away | GraphError::TimedOut | GraphError::ServerError => Self::Unavailable,
            // 100 means that there is no such object, or that this token may not see it; Meta does not say which.
            GraphError::Refused { status: 404, .. } | GraphError::Refused { code: 100, .. } => Self::Unknown,
            GraphError::Refused { .. } | GraphError::Unexpected => Self::Unusable,
        }
    }
}

impl IntoResponse for MediaError {
    fn into_response(self) -> Response {
        let Row { status, code, outcome } = self.row();
        let mut answer = (status, Json(json!({ "error": code, "detail": self.to_string() }))).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
        }
        match outcome {
            Some(_) => answer,
            None => refusals::refuse(answer, RefusalReason::Media),
        }
    }
}
