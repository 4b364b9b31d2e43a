//! Why Meta did not do what it was asked to do.

use std::time::Duration;

use serde_json::Value;

use crate::metrics::GraphOutcome;

/// Why Meta did not do what it was asked to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GraphError {
    #[error("Meta can't be reached")]
    Away,
    #[error("Meta did not answer in time")]
    TimedOut,
    /// Codes 1 and 2, status 5xx, or `is_transient`.
    #[error("Meta has a problem of its own")]
    ServerError,
    /// Codes 4, 17, 32, 613 and 80000 to 80999.
    #[error("Meta asks for a pause")]
    Throttled {
        /// As far as Meta says how long.
        pause: Option<Duration>,
    },
    /// Codes 190 and 102, or 0 with status 401.
    #[error("the token no longer works (code {code}, subcode {subcode})")]
    Token { code: i64, subcode: i64 },
    /// Codes 3, 10 and 200 to 299.
    #[error("a permission is missing (code {0})")]
    Permission(i64),
    #[error("Meta refused the request (status {status}, code {code}, subcode {subcode})")]
    Refused { status: u16, code: i64, subcode: i64 },
    #[error("Meta's answer has an unexpected form")]
    Unexpected,
}

impl GraphError {
    /// The error that Meta's answer holds, whose headers may ask for a pause.
    pub(super) fn from_answer(status: u16, answer: &Value, pause: Option<Duration>) -> Self {
        let number = |name: &str| answer.pointer(&format!("/error/{name}")).and_then(Value::as_i64).unwrap_or_default();
        let is_transient = answer.pointer("/error/is_transient").and_then(Value::as_bool) == Some(true);
        let code = number("code");
        let subcode = number("error_subcode");
        match code {
            190 | 102 => Self::Token { code, subcode },
            0 if status == 401 => Self::Token { code, subcode },
            4 | 17 | 32 | 613 | 80_000..=80_999 => Self::Throttled { pause },
            3 | 10 | 200..=299 => Self::Permission(code),
            _ if status == 429 => Self::Throttled { pause },
            1 | 2 => Self::ServerError,
            _ if is_transient || status >= 500 => Self::ServerError,
            _ => Self::Refused { status, code, subcode },
        }
    }

    /// How a request that ended with this error is counted.
    pub(super) const fn outcome(&self) -> GraphOutcome {
        match self {
            Self::Away => GraphOutcome::Away,
            Self::TimedOut => GraphOutcome::TimedOut,
            Self::ServerError => GraphOutcome::ServerError,
            Self::Throttled { .. } => GraphOutcome::Throttled,
            Self::Token { .. } => GraphOutcome::Token,
            Self::Permission(_) => GraphOutcome::Permission,
            Self::Refused { .. } => GraphOutcome::Refused,
            Self::Unexpected => GraphOutcome::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_of_metas_codes_becomes_an_error_that_says_what_to_do() {
        let pause = Some(Duration::from_mins(19));
        let error = |status, code| {
            GraphError::from_answer(status, &json!({ "error": { "code": code, "error_subcode": 463 } }), pause)
        };

        assert_eq!(error(401, 190), GraphError::Token { code: 190, subcode: 463 });
        for code in [4, 17, 32, 613, 80_001, 80_002, 80_006, 80_007] {
            assert_eq!(error(400, code), GraphError::Throttled { pause }, "{code}");
        }
        assert_eq!(error(403, 200), GraphError::Permission(200));
        assert_eq!(error(500, 2), GraphError::ServerError);
        assert_eq!(error(400, 100), GraphError::Refused { status: 400, code: 100, subcode: 463 });
        assert_eq!(GraphError::from_answer(502, &Value::Null, None), GraphError::ServerError);
    }
}
