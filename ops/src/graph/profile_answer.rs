//! What the stand-in for Meta answers when it is asked for a person.

use axum::http::StatusCode;
use serde_json::Value;

/// How the stand-in answers when it is asked for a person.
#[derive(Clone, Debug)]
pub enum ProfileAnswer {
    /// With these members.
    Known(Value),
    /// With this error.
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// Meta's code.
        code: i64,
        /// Meta's subcode.
        subcode: i64,
    },
}

/// A header of an answer, such as `x-app-usage`.
#[derive(Clone, Debug)]
pub struct UsageHeader {
    /// In small letters.
    pub name: &'static str,
    /// JSON.
    pub value: String,
}
