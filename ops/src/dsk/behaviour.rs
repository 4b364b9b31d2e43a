//! What the stand-in for DSK insists on, and how it fails.

use std::collections::VecDeque;
use std::time::Duration;

use axum::http::HeaderMap;
use bytes::Bytes;
use chassis::{Secret, SignedContent, SigningSecret, now};
use serde_json::Value;

/// How old or new a signature may be.
const SIGNATURE_SECONDS_MAX: i64 = 300;

/// What the stand-in insists on, and how it fails.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// The bearer token that requests must have; any token, if `None`.
    pub token: Option<Secret>,
    /// The secret that must have signed the requests; signatures are not checked, if `None`.
    pub signing_secret: Option<SigningSecret>,
    /// The answers to the next good requests, one after the other; `answer` comes after them.
    pub script: VecDeque<u16>,
    /// The answer to good requests after the script; 200 if `None`.
    pub answer: Option<u16>,
    /// The value of `Retry-After` in every answer that is not 200.
    pub retry_after: Option<String>,
    /// Wait before each answer.
    pub delay: Duration,
    /// Share of good requests answered 503 instead.
    pub fail_ratio: f64,
    /// Good requests with this bearer token are answered 429.
    pub throttled_token: Option<Secret>,
    /// Good requests whose body contains one of these are answered 503.
    pub failing_texts: Vec<String>,
    /// Good requests with this `webhook-id` are refused (422), which parks their event.
    pub refused_id: Option<String>,
    /// What is kept of a request once it is answered.
    pub keeps: Keeps,
    /// Whether to keep the headers of every request, if requests are kept. Those of a long drill would fill the memory.
    pub keeps_headers: bool,
}

/// What is kept of a request once it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeps {
    /// The request with its body, for a test that reads it.
    #[default]
    Everything,
    /// The id of each event.
    Ids,
    /// The ids of the latest events. A stand-in that runs for days has a bounded size.
    LatestIds,
}

/// A request as it came, with its body parsed.
pub(super) struct Parts<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a Bytes,
    pub(super) json: &'a Value,
}

/// Why a request is not a good one, and its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) fault: &'static str,
}

impl Refusal {
    const fn unauthorized(fault: &'static str) -> Self {
        Self { status: 401, fault }
    }

    const fn bad(fault: &'static str) -> Self {
        Self { status: 400, fault }
    }
}

impl Parts<'_> {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn bearer(&self) -> Option<&str> {
        self.header("authorization").strip_prefix("Bearer ")
    }
}

impl Behaviour {
    /// Checks that a request is a good one.
    pub(super) fn check(&self, request: &Parts) -> Result<(), Refusal> {
        match (request.bearer(), &self.token) {
            (None, _) => return Err(Refusal::unauthorized("no bearer token")),
            (Some(token), Some(expected)) if token != expected.expose() => {
                return Err(Refusal::unauthorized("another bearer token"));
            }
            (Some(_), _) => {}
        }
        let id = request.header("webhook-id");
        if let Some(secret) = &self.signing_secret {
            let timestamp = request.header("webhook-timestamp").parse();
            let timestamp: i64 = timestamp.map_err(|_| Refusal::bad("the timestamp is not a number"))?;
            let content = SignedContent { id, timestamp, body: request.body };
            if !secret.verify(content, request.header("webhook-signature")) {
                return Err(Refusal::bad("the signature does not match"));
            }
            if (now().as_second() - timestamp).abs() > SIGNATURE_SECONDS_MAX {
                return Err(Refusal::bad("the timestamp is not of now"));
            }
        }
        if request.json.pointer("/data/id").and_then(Value::as_str) != Some(id) || id.is_empty() {
            return Err(Refusal::bad("data.id is not webhook-id"));
        }
        Ok(())
    }

    /// The answer to a good request that is treated unlike the others.
    pub(super) fn special_answer(&self, request: &Parts) -> Option<u16> {
        if self.refused_id.as_deref() == Some(request.header("webhook-id")) {
            return Some(422);
        }
        if self.throttled_token.as_ref().is_some_and(|token| request.bearer() == Some(token.expose())) {
            return Some(429);
        }
        let contains = |text: &String| request.body.windows(text.len()).any(|part| part == text.as_bytes());
        self.failing_texts.iter().any(contains).then_some(503)
    }
}
