//! Why a page could not be shown, or did not do what it was asked: each error knows its status and its page.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::layout::{self, Place};
use super::refusal::Refusal;
use crate::failure::Failure;

/// Why a page could not be shown, or did not do what it was asked.
#[derive(Debug)]
pub(crate) enum PageError {
    /// The request never came to a page.
    Refused(Refusal),
    /// Nothing is at this address.
    NotFound,
    /// The store, the queue or Meta failed, or what was entered can't be used. The texts are those of the command line.
    Failed(Failure),
}

impl From<Refusal> for PageError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Failure> for PageError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl<E: std::error::Error> From<E> for PageError {
    fn from(error: E) -> Self {
        Self::Failed(Failure::from(error))
    }
}

impl PageError {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Failed(Failure::Usage(_)) => StatusCode::BAD_REQUEST,
            Self::Failed(Failure::Runtime(_) | Failure::OutputClosed) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn title(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.title(),
            Self::NotFound => "Nothing is here",
            Self::Failed(Failure::Usage(_)) => "That can't be used",
            Self::Failed(Failure::Runtime(_) | Failure::OutputClosed) => "That did not work",
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Refused(refusal) => refusal.text(),
            Self::NotFound => "No page has this address.",
            Self::Failed(failure) => failure.text().unwrap_or("The output was closed."),
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let content = html! { p class="note" role="alert" { (self.text()) } };
        (self.status(), layout::page(self.title(), Place::Elsewhere, &content)).into_response()
    }
}
