//! Why DSK gets no file: each error knows its answer, and how it is counted.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use channels::StoreError;

use crate::access::{AccessError, ErrorRow, failed_answer};
use crate::graph::GraphError;
use crate::metrics::{FetchOutcome, RefusalReason};

/// Why DSK gets no file. The texts are for the people who run DSK.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MediaError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("only WhatsApp's files are fetched here: for Instagram and Messenger, the event itself holds the links")]
    OtherPlatform,
    #[error("Meta has no such file of this channel: a file that came with a message can be fetched for 7 days")]
    Unknown,
    #[error("Meta's answer is not a file that can be passed on")]
    Unusable,
}

impl MediaError {
    const fn row(&self) -> ErrorRow {
        use FetchOutcome::{Broken, Unknown};
        let (status, word, outcome) = match self {
            Self::Access(error) => return error.row(),
            Self::OtherPlatform => (StatusCode::NOT_FOUND, "other_platform", Unknown),
            Self::Unknown => (StatusCode::NOT_FOUND, "unknown", Unknown),
            Self::Unusable => (StatusCode::BAD_GATEWAY, "unusable", Broken),
        };
        ErrorRow { status, word, outcome: Some(outcome) }
    }

    /// How the failed request is counted among DSK's files; `None` if it is a refusal.
    pub(super) const fn outcome(&self) -> Option<FetchOutcome> {
        self.row().outcome
    }
}

impl From<StoreError> for MediaError {
    fn from(error: StoreError) -> Self {
        AccessError::Store(error).into()
    }
}

impl From<GraphError> for MediaError {
    fn from(error: GraphError) -> Self {
        if let Some(error) = AccessError::of(&error) {
            return error.into();
        }
        // 100 means that there is no such object, or that this token may not see it; Meta does not say which.
        let is_unknown =
            matches!(error, GraphError::Refused { status: 404, .. } | GraphError::Refused { code: 100, .. });
        if is_unknown { Self::Unknown } else { Self::Unusable }
    }
}

impl IntoResponse for MediaError {
    fn into_response(self) -> Response {
        let access = if let Self::Access(error) = &self { Some(error) } else { None };
        failed_answer(&self.row(), &self.to_string(), access, RefusalReason::Media)
    }
}
