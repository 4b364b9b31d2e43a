//! The HTTPS client for Meta: one bounded request gives one JSON answer, one file, or an error with a name. Tokens travel
//! in addresses and bodies, so neither is ever logged.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use chassis::{HttpsClient, Problem, Secret, https_client};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::time::timeout;
use tracing::warn;
use url::Url;
use url::form_urlencoded::Serializer;

use super::error::GraphError;
use super::usage;
use crate::metrics::{GraphOutcome, Metrics};

/// Some of Meta's servers refuse requests that have none.
const USER_AGENT: &str = concat!("meta-integration-service/", env!("CARGO_PKG_VERSION"));

/// Longest wait for an answer. A code lives for 30 s, and several requests follow each other while a person waits.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How much of an answer is read; the longest answers are lists of numbers.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Sends requests to Meta. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct GraphClient {
    http: HttpsClient,
    metrics: Metrics,
}

/// A request whose answer is JSON.
pub(super) struct GraphRequest<'a> {
    /// What the log calls it.
    pub(super) name: &'static str,
    pub(super) method: Method,
    /// Where it goes, without the parameters.
    pub(super) url: Url,
    /// Travel in the body of a POST, otherwise in the query.
    pub(super) parameters: &'a [(&'a str, &'a str)],
    pub(super) token: Option<&'a Secret>,
}

/// A request whose answer is a file, or a range of it.
pub(super) struct FileRequest<'a> {
    pub(super) url: &'a Url,
    pub(super) token: Option<&'a Secret>,
    pub(super) range: Option<&'a str>,
}

/// What Meta answered, and what it asks for in passing.
pub(crate) struct GraphAnswer<T> {
    pub(crate) content: T,
    /// How long Meta wants to get no further requests for the channel, because a limit is used up.
    pub(crate) pause: Option<Duration>,
}

/// The form in which Meta answers with a list.
#[derive(Debug, Deserialize)]
pub(super) struct GraphList<T> {
    pub(super) data: Vec<T>,
}

/// How Meta answers a change.
#[derive(Debug, Deserialize)]
struct ChangeAnswer {
    success: bool,
}

impl GraphClient {
    /// The settings may lead anywhere, so every address is allowed: they are checked when the process starts.
    pub(crate) fn new(metrics: Metrics) -> Result<Self, Problem> {
        Ok(Self { http: https_client(|_| true)?, metrics })
    }

    /// Gives the answer in the form that the caller expects. A failure is logged here, and nowhere else.
    pub(super) async fn ask<T: for<'de> Deserialize<'de> + Debug>(
        &self,
        request: GraphRequest<'_>,
    ) -> Result<T, GraphError> {
        self.ask_with_pause(request).await.map(|answer| answer.content)
    }

    /// The same for a caller who can wait if Meta asks for it.
    pub(super) async fn ask_with_pause<T: for<'de> Deserialize<'de>>(
        &self,
        request: GraphRequest<'_>,
    ) -> Result<GraphAnswer<T>, GraphError> {
        let name = request.name;
        let answer = self.exchange(request).await;
        let outcome = answer.as_ref().map_or_else(GraphError::outcome, |_| GraphOutcome::Answered);
        self.metrics.graph_requests_total.inc(outcome);
        if let Err(error) = &answer {
            warn!(request = name, %error, "A request to Meta failed");
        }
        answer
    }

    /// Asks for a change; an answer other than success is an error.
    pub(super) async fn change(&self, request: GraphRequest<'_>) -> Result<(), GraphError> {
        let answer: ChangeAnswer = self.ask(request).await?;
        if answer.success { Ok(()) } else { Err(GraphError::Unexpected) }
    }

    /// Gives the status and headers; the body follows as it is read.
    pub(super) async fn open(&self, file: FileRequest<'_>) -> Result<Response<Incoming>, GraphError> {
        let mut request = Request::builder().uri(file.url.as_str()).header("user-agent", USER_AGENT);
        if let Some(token) = file.token {
            request = request.header("authorization", token.bearer().map_err(|_| GraphError::Unexpected)?);
        }
        if let Some(range) = file.range {
            request = request.header("range", range);
        }
        let request = request.body(Full::default()).map_err(|_| GraphError::Unexpected)?;
        let answer = timeout(ANSWER_TIME, self.http.request(request)).await;
        answer.map_err(|_| self.timed_out())?.map_err(|_| GraphError::Away)
    }

    async fn exchange<T: for<'de> Deserialize<'de>>(
        &self,
        request: GraphRequest<'_>,
    ) -> Result<GraphAnswer<T>, GraphError> {
        let request = http_request(request).ok_or(GraphError::Unexpected)?;
        let exchange = async {
            let answer = self.http.request(request).await.map_err(|_| GraphError::Away)?;
            let status = answer.status().as_u16();
            let pause = usage::pause(answer.headers());
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            let content = read(status, &body.map_err(|_| GraphError::Away)?.to_bytes(), pause)?;
            Ok(GraphAnswer { content, pause })
        };
        timeout(ANSWER_TIME, exchange).await.unwrap_or_else(|_| Err(self.timed_out()))
    }

    fn timed_out(&self) -> GraphError {
        self.http.distrust_idle();
        GraphError::TimedOut
    }
}

fn http_request(request: GraphRequest<'_>) -> Option<Request<Full<Bytes>>> {
    let GraphRequest { method, mut url, parameters, token, .. } = request;
    let encoded = Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mut request = Request::builder().method(method.clone()).header("user-agent", USER_AGENT);
    let body = if method == Method::POST {
        request = request.header("content-type", "application/x-www-form-urlencoded");
        encoded
    } else {
        url.set_query((!encoded.is_empty()).then_some(&encoded));
        String::new()
    };
    if let Some(token) = token {
        request = request.header("authorization", token.bearer().ok()?);
    }
    request.uri(url.as_str()).body(Full::from(body)).ok()
}

fn read<T: for<'de> Deserialize<'de>>(status: u16, body: &[u8], pause: Option<Duration>) -> Result<T, GraphError> {
    if (200..300).contains(&status) {
        return serde_json::from_slice(body).map_err(|_| GraphError::Unexpected);
    }
    Err(GraphError::from_answer(status, &serde_json::from_slice(body).unwrap_or_default(), pause))
}

/// The address that `path` has below `base`.
pub(super) fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// Reads an id as Meta writes it: as text, or as a number that a float would round.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(serde::de::Error::custom("not an id")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_id_keeps_all_of_its_digits() {
        #[derive(Deserialize)]
        struct Answer(#[serde(deserialize_with = "id")] String);

        for written in ["17841400000000001234", "\"17841400000000001234\""] {
            assert_eq!(serde_json::from_str::<Answer>(written).unwrap().0, "17841400000000001234");
        }
    }

    #[test]
    fn a_value_in_a_path_cannot_leave_it() {
        let base = Url::parse("https://graph.example.com/prefix").unwrap();

        assert_eq!(
            below(&base, &["v26.0", "a/../b?c"]).as_str(),
            "https://graph.example.com/prefix/v26.0/a%2F..%2Fb%3Fc"
        );
    }
}
