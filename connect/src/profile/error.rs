//! Why DSK gets no profile: each error knows its answer, and how it is counted.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use channels::StoreError;

use crate::access::{AccessError, ErrorRow, failed_answer};
use crate::graph::GraphError;
use crate::metrics::{FetchOutcome, RefusalReason};

/// Meta: "User consent is required to access user profile".
const NO_CONSENT: i64 = 230;
/// Meta: "No profile available for this user", as code or as subcode.
const NO_PROFILE: i64 = 2_018_218;
/// Meta: "Insufficient permission to access user profile", a subcode of 100.
const NO_PROFILE_PERMISSION: i64 = 2_018_247;
/// There is no such object, or this token may not see it; Meta does not say which.
const NO_OBJECT: i64 = 100;
/// Meta: "No matching Instagram user".
const NO_INSTAGRAM_USER: i64 = 9_010;

/// Why DSK gets no profile. The texts are for the people who run DSK.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("WhatsApp has no profiles to ask for: data.contact of the event holds the name")]
    OtherPlatform,
    #[error("Meta knows no such person, or does not show this person to this channel")]
    Unknown,
    #[error("Meta shows a person's profile to a channel only once the person has written to it")]
    NoConsent,
    #[error("Meta has no profile of this person")]
    NoProfile,
    #[error("Meta's answer is not a profile")]
    Unusable,
}

impl ProfileError {
    const fn row(&self) -> ErrorRow {
        use FetchOutcome::{Broken, Unknown};
        let (status, word, outcome) = match self {
            Self::Access(error) => return error.row(),
            Self::OtherPlatform => (StatusCode::NOT_FOUND, "other_platform", Unknown),
            Self::Unknown => (StatusCode::NOT_FOUND, "unknown", Unknown),
            Self::NoConsent => (StatusCode::NOT_FOUND, "no_consent", Unknown),
            Self::NoProfile => (StatusCode::NOT_FOUND, "no_profile", Unknown),
            Self::Unusable => (StatusCode::BAD_GATEWAY, "unusable", Broken),
        };
        ErrorRow { status, word, outcome: Some(outcome) }
    }

    /// How the failed request is counted among DSK's profiles; `None` if it is a refusal.
    pub(super) const fn outcome(&self) -> Option<FetchOutcome> {
        self.row().outcome
    }
}

impl From<StoreError> for ProfileError {
    fn from(error: StoreError) -> Self {
        AccessError::Store(error).into()
    }
}

impl From<GraphError> for ProfileError {
    fn from(error: GraphError) -> Self {
        if error == GraphError::Permission(NO_CONSENT) {
            return Self::NoConsent;
        }
        let GraphError::Refused { status, code, subcode } = error else {
            return AccessError::of(&error).map_or(Self::Unusable, Self::Access);
        };
        if code == NO_PROFILE || subcode == NO_PROFILE {
            return Self::NoProfile;
        }
        if subcode == NO_PROFILE_PERMISSION {
            return AccessError::Permission.into();
        }
        let is_unknown = status == 404 || matches!(code, NO_OBJECT | NO_INSTAGRAM_USER);
        if is_unknown { Self::Unknown } else { Self::Unusable }
    }
}

impl IntoResponse for ProfileError {
    fn into_response(self) -> Response {
        let access = if let Self::Access(error) = &self { Some(error) } else { None };
        failed_answer(&self.row(), &self.to_string(), access, RefusalReason::Profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_metas_refusals_becomes_a_word_that_says_what_to_do() {
        let refused = |code, subcode| ProfileError::from(GraphError::Refused { status: 400, code, subcode }).row().word;

        assert_eq!(ProfileError::from(GraphError::Permission(230)).row().word, "no_consent");
        assert_eq!(ProfileError::from(GraphError::Permission(10)).row().word, "permission_missing");
        assert_eq!(refused(100, 2_018_218), "no_profile");
        assert_eq!(refused(2_018_218, 0), "no_profile");
        assert_eq!(refused(100, 2_018_247), "permission_missing");
        assert_eq!(refused(100, 33), "unknown");
        assert_eq!(refused(9_010, 0), "unknown");
        assert_eq!(refused(368, 0), "unusable");
    }
}
