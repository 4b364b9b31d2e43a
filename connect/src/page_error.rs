//! Why a person gets another page than the one they asked for: each error knows its status and its page.

use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::response::{Html, IntoResponse, Response};
use channels::StoreError;
use tracing::warn;

use crate::connecting::ConnectError;
use crate::metrics::RefusalReason;
use crate::{pages, refusals, texts};

/// Why a person gets another page than the one they asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error("there is no such page")]
    NotFound,
    #[error("no channel of this tenant has that address")]
    UnknownChannel,
    #[error("no deletion has that code")]
    UnknownDeletion,
    #[error("the link was used, has expired, or is not ours")]
    Link,
    #[error("there is no session")]
    Session,
    #[error("the form was not sent by one of our pages")]
    ForeignForm,
    /// Another session's form.
    #[error("the form does not carry the session's token")]
    Form,
    #[error("the answer from Instagram does not belong to a login of this session")]
    LoginState,
    #[error("the address asks for too many changes")]
    TooManyChanges,
    #[error("the channel was not connected: {error}")]
    NotConnected {
        error: ConnectError,
        /// The page on which a person can try again.
        retry: &'static str,
    },
    /// Nothing was changed, because every change is one step in the store.
    #[error("the channel store failed: {0}")]
    Store(#[from] StoreError),
}

impl PageError {
    /// An attempt to connect a channel failed. Where the store is the reason, the page says so, as any other page does.
    pub(crate) fn not_connected(error: ConnectError, retry: &'static str) -> Self {
        if let ConnectError::Store(error) = error {
            return Self::Store(error);
        }
        Self::NotConnected { error, retry }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::UnknownChannel | Self::UnknownDeletion => StatusCode::NOT_FOUND,
            Self::Link => StatusCode::GONE,
            Self::Session | Self::ForeignForm | Self::Form | Self::LoginState => StatusCode::FORBIDDEN,
            Self::TooManyChanges => StatusCode::TOO_MANY_REQUESTS,
            Self::NotConnected { error, .. } => error.status(),
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The reason under which a refusal is counted; `None` if it is not a refusal.
    const fn refusal(&self) -> Option<RefusalReason> {
        match self {
            Self::Link => Some(RefusalReason::Link),
            Self::Session => Some(RefusalReason::Session),
            Self::ForeignForm => Some(RefusalReason::Origin),
            Self::Form => Some(RefusalReason::Form),
            Self::LoginState => Some(RefusalReason::State),
            Self::TooManyChanges => Some(RefusalReason::Rate),
            Self::NotFound
            | Self::UnknownChannel
            | Self::UnknownDeletion
            | Self::NotConnected { .. }
            | Self::Store(_) => None,
        }
    }

    fn page(&self) -> Html<String> {
        match self {
            Self::NotFound => pages::message(texts::NOT_FOUND_TITLE, texts::NOT_FOUND),
            Self::UnknownChannel => pages::message_with_way_back(texts::NOT_FOUND_TITLE, texts::NOT_YOURS),
            Self::UnknownDeletion => pages::message(texts::NOT_FOUND_TITLE, texts::DELETION_UNKNOWN),
            Self::Link => pages::message(texts::LINK_TITLE, texts::LINK),
            Self::ForeignForm => pages::message(texts::FOREIGN_FORM_TITLE, texts::FOREIGN_FORM),
            Self::Session | Self::Form => pages::message(texts::SESSION_TITLE, texts::SESSION),
            Self::LoginState => pages::message_with_way_back(texts::FAILED_TITLE, texts::FAILED_STATE),
            Self::TooManyChanges => pages::message(texts::OFTEN_TITLE, texts::OFTEN),
            Self::NotConnected { error, retry } => pages::try_again(texts::FAILED_TITLE, error.text(), retry),
            Self::Store(_) => pages::message(texts::STORE_TITLE, texts::STORE),
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        if let Self::Store(error) = &self {
            warn!(%error, "A page could not be served because the channel store failed");
        }
        let mut answer = (self.status(), self.page()).into_response();
        if matches!(self, Self::TooManyChanges) {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
        }
        match self.refusal() {
            Some(reason) => refusals::refuse(answer, reason),
            None => answer,
        }
    }
}
