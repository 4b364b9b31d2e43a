//! What the labels of connect's metrics can be.

/// What was refused, because it was stolen, used, expired, altered or too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    ApiKey,
    Link,
    Session,
    Form,
    State,
    Rate,
    SignedRequest,
    Media,
}

impl Refused {
    pub(super) const ALL: [Self; 8] = [
        Self::ApiKey,
        Self::Link,
        Self::Session,
        Self::Form,
        Self::State,
        Self::Rate,
        Self::SignedRequest,
        Self::Media,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Link => "link",
            Self::Session => "session",
            Self::Form => "form",
            Self::State => "state",
            Self::Rate => "rate",
            Self::SignedRequest => "signed_request",
            Self::Media => "media",
        }
    }
}

/// How an attempt to connect a channel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    Connected,
    Cancelled,
    Failed,
}

impl Connection {
    pub(super) const ALL: [Self; 3] = [Self::Connected, Self::Cancelled, Self::Failed];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// What care for a token at Meta came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenCheck {
    Valid,
    Refreshed,
    ReconnectNeeded,
    Failed,
}

impl TokenCheck {
    pub(super) const ALL: [Self; 4] = [Self::Valid, Self::Refreshed, Self::ReconnectNeeded, Self::Failed];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Refreshed => "refreshed",
            Self::ReconnectNeeded => "reconnect_needed",
            Self::Failed => "failed",
        }
    }
}

/// What a look at a subscription at Meta came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionCheck {
    Subscribed,
    Repaired,
    Failed,
}

impl SubscriptionCheck {
    pub(super) const ALL: [Self; 3] = [Self::Subscribed, Self::Repaired, Self::Failed];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Subscribed => "subscribed",
            Self::Repaired => "repaired",
            Self::Failed => "failed",
        }
    }
}

/// What became of a file that DSK asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    Served,
    /// There is no such channel or file, or it has ended.
    Unknown,
    /// The channel's token at Meta no longer works.
    Token,
    /// Meta gave no answer, or asks for a pause.
    Unavailable,
    /// It ended early, or was not what Meta had announced.
    Broken,
}

impl File {
    pub(super) const ALL: [Self; 5] = [Self::Served, Self::Unknown, Self::Token, Self::Unavailable, Self::Broken];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Unknown => "unknown",
            Self::Token => "token",
            Self::Unavailable => "unavailable",
            Self::Broken => "broken",
        }
    }
}
