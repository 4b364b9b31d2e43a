//! Why the console refuses a request, before any page sees it.

use axum::http::StatusCode;

/// Why the console refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is meant for another host: a foreign site has made its own name lead here.
    Host,
    /// A page of another site has sent it.
    Origin,
    /// No session: the link was not opened in this browser.
    Session,
    /// The link was used, or is not ours.
    Link,
    /// The form does not carry the token of our forms.
    Form,
}

impl Refusal {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin | Self::Form => StatusCode::FORBIDDEN,
            Self::Session => StatusCode::UNAUTHORIZED,
            Self::Link => StatusCode::GONE,
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Host => "This is another address",
            Self::Origin => "Another site has sent you here",
            Self::Session => "Open the console by its link",
            Self::Link => "The link no longer works",
            Self::Form => "The form can't be used",
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Host => {
                "The console answers only under the address that it printed when it started. Through a tunnel, give it \
                 the same port on both ends."
            }
            Self::Origin => {
                "The console follows no links and takes no forms from other sites. Type or paste the address into the \
                 browser."
            }
            Self::Session => {
                "This browser has no session. Open the address that `ops console` printed when it started: it works \
                 once. Start `ops console` again for another one."
            }
            Self::Link => {
                "The address that `ops console` prints works once, and only while it runs. Start `ops console` again \
                 for another one."
            }
            Self::Form => "The page is older than the session. Load it again, and send the form again.",
        }
    }

    /// The word in the log.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
            Self::Session => "session",
            Self::Link => "link",
            Self::Form => "form",
        }
    }
}
