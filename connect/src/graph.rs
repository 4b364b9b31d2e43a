//! Meta, asked: one bounded request, one JSON answer or an error with a name. Tokens are in what is asked, so neither
//! addresses nor bodies are ever logged.

mod http;

pub(crate) mod instagram;
pub(crate) mod media;
pub(crate) mod whatsapp;

use std::fmt::Debug;

use chassis::{Problem, Secret};
use hyper::Method;
use serde::Deserialize;
use serde_json::Value;
use tracing::warn;
use url::Url;

use crate::Metrics;
use http::Http;

/// Why Meta did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GraphError {
    #[error("Meta can't be reached")]
    Away,
    #[error("Meta did not answer in time")]
    TimedOut,
    /// Codes 1, 2, 5xx, `is_transient`.
    #[error("Meta is in trouble")]
    Trouble,
    /// Codes 4, 17, 32, 613, 80000 and on.
    #[error("Meta asks for a pause")]
    Throttled,
    /// Codes 190, 102, 0 with 401.
    #[error("the token no longer works (code {code}, subcode {subcode})")]
    Token { code: i64, subcode: i64 },
    /// Codes 3, 10, 200 to 299.
    #[error("a permission is missing (code {0})")]
    Permission(i64),
    #[error("Meta refused (status {status}, code {code})")]
    Refused { status: u16, code: i64 },
    #[error("Meta's answer is not understood")]
    Unexpected,
}

impl GraphError {
    pub(crate) const LABELS: [&'static str; 8] =
        ["away", "timed_out", "trouble", "throttled", "token", "permission", "refused", "unexpected"];

    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::TimedOut => "timed_out",
            Self::Trouble => "trouble",
            Self::Throttled => "throttled",
            Self::Token { .. } => "token",
            Self::Permission(_) => "permission",
            Self::Refused { .. } => "refused",
            Self::Unexpected => "unexpected",
        }
    }

    /// Meta's error as it stands in its answer.
    fn read(status: u16, answer: &Value) -> Self {
        let number = |name: &str| answer.pointer(&format!("/error/{name}")).and_then(Value::as_i64).unwrap_or_default();
        let is_transient = answer.pointer("/error/is_transient").and_then(Value::as_bool) == Some(true);
        let code = number("code");
        match code {
            190 | 102 => Self::Token { code, subcode: number("error_subcode") },
            0 if status == 401 => Self::Token { code, subcode: number("error_subcode") },
            4 | 17 | 32 | 613 | 80_000..=80_999 => Self::Throttled,
            3 | 10 | 200..=299 => Self::Permission(code),
            _ if status == 429 => Self::Throttled,
            1 | 2 => Self::Trouble,
            _ if is_transient || status >= 500 => Self::Trouble,
            _ => Self::Refused { status, code },
        }
    }
}

/// Asks Meta. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    http: Http,
    metrics: Metrics,
}

/// One question.
pub(crate) struct Question<'a> {
    /// As named in the log.
    pub(crate) what: &'static str,
    pub(crate) method: Method,
    /// Where, without the parameters.
    pub(crate) url: Url,
    /// In the query, or in the body of a POST.
    pub(crate) parameters: &'a [(&'a str, &'a str)],
    pub(crate) token: Option<&'a Secret>,
}

/// What Meta answers to a change.
#[derive(Debug, Deserialize)]
struct Done {
    success: bool,
}

impl Graph {
    pub(crate) fn new(metrics: Metrics) -> Result<Self, Problem> {
        Ok(Self { http: Http::new()?, metrics })
    }

    /// The answer, as what is expected of it.
    pub(crate) async fn ask<T: for<'de> Deserialize<'de> + Debug>(
        &self,
        question: Question<'_>,
    ) -> Result<T, GraphError> {
        let what = question.what;
        let answer = self.http.ask(question).await.and_then(|(status, body)| read(status, &body));
        self.metrics.asked_meta(&answer);
        if let Err(error) = &answer {
            warn!(what, %error, "Meta did not do what it was asked ({what}): {error}");
        }
        answer
    }

    /// Asks for a change.
    pub(crate) async fn change(&self, question: Question<'_>) -> Result<(), GraphError> {
        let done: Done = self.ask(question).await?;
        if done.success { Ok(()) } else { Err(GraphError::Unexpected) }
    }
}

fn read<T: for<'de> Deserialize<'de>>(status: u16, body: &[u8]) -> Result<T, GraphError> {
    if (200..300).contains(&status) {
        return serde_json::from_slice(body).map_err(|_| GraphError::Unexpected);
    }
    Err(GraphError::read(status, &serde_json::from_slice(body).unwrap_or_default()))
}

/// An address below another one.
pub(crate) fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// An id as Meta writes it: text, or a number that a float would round.
pub(crate) fn id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(serde::de::Error::custom("no id")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn meta_s_codes_become_what_has_to_be_done() {
        let error =
            |status, code| GraphError::read(status, &json!({ "error": { "code": code, "error_subcode": 463 } }));

        assert_eq!(error(401, 190), GraphError::Token { code: 190, subcode: 463 });
        assert_eq!(error(400, 80_007), GraphError::Throttled);
        assert_eq!(error(403, 200), GraphError::Permission(200));
        assert_eq!(error(500, 2), GraphError::Trouble);
        assert_eq!(error(400, 100), GraphError::Refused { status: 400, code: 100 });
        assert_eq!(GraphError::read(502, &Value::Null), GraphError::Trouble);
    }

    #[test]
    fn a_long_id_keeps_all_of_its_digits() {
        #[derive(Deserialize)]
        struct Answer(#[serde(deserialize_with = "id")] String);

        for written in ["17841400000000001234", "\"17841400000000001234\""] {
            assert_eq!(serde_json::from_str::<Answer>(written).unwrap().0, "17841400000000001234");
        }
    }

    #[test]
    fn what_stands_in_a_path_can_t_leave_it() {
        let base = Url::parse("https://graph.example.com/prefix").unwrap();

        assert_eq!(
            below(&base, &["v26.0", "a/../b?c"]).as_str(),
            "https://graph.example.com/prefix/v26.0/a%2F..%2Fb%3Fc"
        );
    }
}
