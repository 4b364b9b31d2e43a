//! The HTTP client to Meta: pooled, TLS by rustls, no redirects, every wait and size bounded.

use std::time::Duration;

use bytes::Bytes;
use chassis::{HttpsClient, Problem, Secret, https_client};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use tokio::time::timeout;
use url::Url;
use url::form_urlencoded::Serializer;

use super::{GraphError, Question};

/// Some of Meta's servers refuse requests without one.
const USER_AGENT: &str = concat!("meta-integration-service/", env!("CARGO_PKG_VERSION"));

/// Longest wait for an answer: a code lives 30 s, and several steps follow each other while a person waits.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Most of an answer that is read; the longest are lists of numbers.
const ANSWER_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Debug)]
pub(super) struct Http(HttpsClient);

impl Http {
    /// Connects wherever the settings lead: they are checked when the process starts.
    pub(super) fn new() -> Result<Self, Problem> {
        https_client(|_| true).map(Self)
    }

    /// Status and body, whatever they are.
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<(u16, Bytes), GraphError> {
        let request = request(question).ok_or(GraphError::Unexpected)?;
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|_| GraphError::Away)?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok((status, body.map_err(|_| GraphError::Away)?.to_bytes()))
        };
        timeout(ANSWER_TIME, exchange).await.unwrap_or(Err(GraphError::TimedOut))
    }
}

/// A file that is asked for.
pub(super) struct Fetch<'a> {
    pub(super) url: &'a Url,
    pub(super) token: Option<&'a Secret>,
    pub(super) range: Option<&'a str>,
}

impl Http {
    /// Status and headers; the body comes as it is read.
    pub(super) async fn fetch(&self, fetch: Fetch<'_>) -> Result<Response<Incoming>, GraphError> {
        let mut request = Request::builder().uri(fetch.url.as_str()).header("user-agent", USER_AGENT);
        if let Some(token) = fetch.token {
            request = request.header("authorization", format!("Bearer {}", token.expose()));
        }
        if let Some(range) = fetch.range {
            request = request.header("range", range);
        }
        let request = request.body(Full::default()).map_err(|_| GraphError::Unexpected)?;
        let answer = timeout(ANSWER_TIME, self.0.request(request)).await;
        answer.map_err(|_| GraphError::TimedOut)?.map_err(|_| GraphError::Away)
    }
}

fn request(question: Question<'_>) -> Option<Request<Full<Bytes>>> {
    let Question { method, mut url, parameters, token, .. } = question;
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
        request = request.header("authorization", format!("Bearer {}", token.expose()));
    }
    request.uri(url.as_str()).body(Full::from(body)).ok()
}
