//! Why a notification is refused, and the answer and the metric label of each reason.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use queue::PublishError;

use crate::admission::Full;
use crate::limits::{BODY_BYTES_MAX, BODY_READ_TIME};
use crate::metrics::NotificationOutcome;
use crate::signature::SignatureError;

/// Why a notification is refused. Meta sends it again after any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the body is larger than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the body did not arrive within {BODY_READ_TIME:?}")]
    TooSlow,
    #[error("the body broke off")]
    BrokenOff,
    #[error(transparent)]
    Unsigned(#[from] SignatureError),
    #[error("the signed body is not JSON, so it is not a notification: Meta signs other things with the same secret")]
    NotJson,
    #[error("too many bytes are in flight")]
    Full,
    #[error(transparent)]
    Unpublished(#[from] PublishError),
}

impl Refusal {
    pub(crate) fn outcome(self) -> NotificationOutcome {
        match self {
            Self::TooLarge => NotificationOutcome::TooLarge,
            Self::TooSlow => NotificationOutcome::TooSlow,
            Self::BrokenOff => NotificationOutcome::BrokenOff,
            Self::Unsigned(_) => NotificationOutcome::Unsigned,
            Self::NotJson => NotificationOutcome::NotJson,
            Self::Full => NotificationOutcome::Full,
            Self::Unpublished(_) => NotificationOutcome::Unpublished,
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff | Self::NotJson => StatusCode::BAD_REQUEST,
            Self::Unsigned(_) => StatusCode::UNAUTHORIZED,
            Self::Full | Self::Unpublished(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<Full> for Refusal {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

/// The status alone: the sender learns nothing else.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.status().into_response()
    }
}
