//! The HTTP client to DSK: pooled, TLS by rustls, no redirects, every wait bounded.

use std::time::Duration;

use bytes::Bytes;
use chassis::Problem;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{DATE, HeaderMap, RETRY_AFTER};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::time::timeout;
use url::Url;

use crate::Cause;

/// Longest wait for TCP (TLS is within the attempt's own bound).
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// Connections kept for the next attempt; a window of messages and one of updates at once are 256.
const IDLE_CONNECTIONS_MAX: usize = 256;
/// Shorter than the 60 s after which common proxies close an idle connection.
const IDLE_TIME: Duration = Duration::from_secs(50);
/// Most of an answer that is read. DSK's answers are short; more is not for us.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// First bytes of an answer that a dead letter keeps.
const ANSWER_KEPT_BYTES: usize = 500;

/// Where an event goes: an address that we may send to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(hyper::Uri);

impl Destination {
    /// https, or http to this machine, or http at all where the operator allowed it.
    pub fn parse(url: &str, allow_http: bool) -> Result<Self, Problem> {
        let problem = |wrong: String| Problem::new("DSK_URL", wrong, "write https://host/path");
        let parsed = Url::parse(url).map_err(|error| problem(format!("is no URL ({error})")))?;
        let host = parsed.host().ok_or_else(|| problem("names no host".to_owned()))?;
        let is_loopback = match host {
            url::Host::Domain(name) => name == "localhost",
            url::Host::Ipv4(address) => address.is_loopback(),
            url::Host::Ipv6(address) => address.is_loopback(),
        };
        match parsed.scheme() {
            "https" => {}
            "http" if is_loopback || allow_http => {}
            "http" => {
                return Err(Problem::new(
                    "DSK_URL",
                    "is http, which would send tokens in clear",
                    "write https://…, or set DSK_ALLOW_HTTP=true if the network is yours alone",
                ));
            }
            _ => return Err(problem("is neither https nor http".to_owned())),
        }
        parsed.as_str().parse().map(Self).map_err(|_| problem("is no URL that can be requested".to_owned()))
    }

    pub(crate) fn uri(&self) -> hyper::Uri {
        self.0.clone()
    }
}

/// The client. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    attempt_time: Duration,
}

impl Client {
    pub(crate) fn new(attempt_time: Duration) -> Result<Self, Problem> {
        let no_roots = |error: std::io::Error| {
            Problem::new(
                "TLS",
                format!("has no certificate authorities ({error})"),
                "install the package ca-certificates",
            )
        };
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIME));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(no_roots)?
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(connector);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Ok(Self { pool, attempt_time })
    }

    /// One attempt: the cause says how it ended, `Answered` with a 2xx included.
    pub(crate) async fn attempt(&self, request: Request<Full<Bytes>>, now: Timestamp) -> Cause {
        let exchange = async {
            let answer = self.pool.request(request).await.map_err(|_| Cause::Unreachable)?;
            Ok(read(answer, now).await)
        };
        match timeout(self.attempt_time, exchange).await {
            Ok(Ok(cause) | Err(cause)) => cause,
            Err(_) => Cause::TimedOut,
        }
    }
}

/// The status decides, whatever becomes of the body; reading it keeps the connection usable.
async fn read(answer: Response<Incoming>, now: Timestamp) -> Cause {
    let status = answer.status();
    let retry_after = retry_after(answer.headers(), now);
    let body =
        Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map(http_body_util::Collected::to_bytes);
    let answer = if status.is_success() { String::new() } else { kept(&body.unwrap_or_default()) };
    Cause::Answered { status, retry_after, answer }
}

/// Readable in one line, and bounded.
fn kept(body: &[u8]) -> String {
    let start = &body[..body.len().min(ANSWER_KEPT_BYTES)];
    String::from_utf8_lossy(start).chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Seconds, or a date (RFC 9110 §10.2.3); a date counts from the answer's own `Date` where there is one.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wanted = text(RETRY_AFTER)?;
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let from = text(DATE).and_then(date).unwrap_or(now);
    let pause = date(wanted)?.duration_since(from);
    Some(Duration::try_from(pause).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(retry_after_value: &str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, retry_after_value.parse().unwrap())]);
        retry_after(&headers, "2026-11-23T18:00:00Z".parse().unwrap())
    }

    #[test]
    fn retry_after_is_understood_as_seconds_and_as_a_date() {
        assert_eq!(pause("120"), Some(Duration::from_mins(2)));
        assert_eq!(pause("Mon, 23 Nov 2026 18:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(pause("Mon, 23 Nov 2026 17:00:00 GMT"), Some(Duration::ZERO), "a date that is past");
        assert_eq!(pause("soon"), None);
    }

    #[test]
    fn tokens_leave_in_clear_only_to_this_machine_or_where_allowed() {
        assert!(Destination::parse("https://dsk.example/events", false).is_ok());
        assert!(Destination::parse("http://127.0.0.1:9000/", false).is_ok());
        assert!(Destination::parse("http://dsk.example/events", true).is_ok());
        for refused in ["http://dsk.example/events", "ftp://dsk.example", "dsk.example", "https://"] {
            assert!(Destination::parse(refused, false).is_err(), "{refused}");
        }
    }
}
