//! The HTTP client to Meta: pooled, TLS by rustls, no redirects, every wait and size bounded.

use std::time::Duration;

use bytes::Bytes;
use chassis::Problem;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use url::form_urlencoded::Serializer;

use super::{GraphError, Question};

/// Longest wait for TCP.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// Longest wait for an answer: a code lives 30 s, and several steps follow each other while a person waits.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Shorter than the 60 s after which common proxies close an idle connection.
const IDLE_TIME: Duration = Duration::from_secs(50);
/// Most of an answer that is read; the longest are lists of numbers.
const ANSWER_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Debug)]
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Http {
    pub(super) fn new() -> Result<Self, Problem> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIME));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let no_roots = |error: std::io::Error| {
            let right = "install the package ca-certificates";
            Problem::new("TLS", format!("has no certificate authorities ({error})"), right)
        };
        // http only to this machine: the settings are checked for that.
        let https = HttpsConnectorBuilder::new().with_native_roots().map_err(no_roots)?;
        let connector = https.https_or_http().enable_http1().enable_http2().wrap_connector(connector);
        Ok(Self(
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIME)
                .build(connector),
        ))
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

fn request(question: Question<'_>) -> Option<Request<Full<Bytes>>> {
    let Question { method, mut url, parameters, token, .. } = question;
    let encoded = Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mut request = Request::builder().method(method.clone());
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
