//! The addresses by which browsers reach the console. Under any other one, a foreign site could read it by letting its own
//! name lead to this machine (DNS rebinding).

use std::net::SocketAddr;

use axum::extract::Request;
use axum::http::Method;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use chassis::Sender;
use url::Url;

use super::refusal::Refusal;

/// The addresses by which browsers reach the console.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// Such as `http://127.0.0.1:9400`; the first one is printed.
    origins: Vec<String>,
    port: u16,
}

impl Reach {
    pub(crate) fn new(listening: SocketAddr, exposed_as: Option<&Url>) -> Self {
        let port = listening.port();
        if let Some(url) = exposed_as {
            return Self { origins: vec![url.origin().ascii_serialization()], port };
        }
        // A tunnel's other end mostly has one of the other names of its own machine.
        let mut hosts = vec![listening.to_string()];
        hosts.extend(["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}")));
        let origin = |host: &String| {
            let url = Url::parse(&format!("http://{host}"));
            url.map_or_else(|_| format!("http://{host}"), |url| url.origin().ascii_serialization())
        };
        Self { origins: hosts.iter().map(origin).collect(), port }
    }

    /// The address of the console, without a slash at its end.
    pub(crate) fn url(&self) -> &str {
        self.origins.first().map_or("", String::as_str)
    }

    /// Whether browsers encrypt what they send.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.url().starts_with("https:")
    }

    /// A browser sends a host's cookies to all of its ports, so each console has a name of its own for its cookie.
    pub(crate) fn cookie_name(&self) -> String {
        let prefix = if self.is_encrypted() { "__Host-" } else { "" };
        format!("{prefix}console-{}", self.port)
    }

    /// Refuses what is meant for another host, and what a page of another site has sent.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), Refusal> {
        // HTTP/1.1 names the host in a header, HTTP/2 in the address; what has both must mean us with both.
        let header = request.headers().get(HOST).map(|host| host.to_str().unwrap_or_default());
        let authority = request.uri().authority().map(Authority::as_str);
        let named = [header, authority];
        if named.iter().flatten().count() == 0 || !named.into_iter().flatten().all(|host| self.is_our_host(host)) {
            return Err(Refusal::Host);
        }
        let is_reading = [Method::GET, Method::HEAD].contains(request.method());
        match Sender::of(request.headers(), &self.origins) {
            Sender::Ours => Ok(()),
            Sender::Unsaid if is_reading => Ok(()),
            Sender::Unsaid | Sender::Foreign => Err(Refusal::Origin),
        }
    }

    fn is_our_host(&self, host: &str) -> bool {
        let mut hosts = self.origins.iter().filter_map(|origin| origin.split_once("://"));
        hosts.any(|(_, own)| own.eq_ignore_ascii_case(host))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn reach() -> Reach {
        Reach::new("127.0.0.1:9400".parse().unwrap(), None)
    }

    fn admit(method: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let request = Request::builder().method(method).uri("/dead-letters");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        reach().admit(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn another_host_is_refused() {
        for ours in ["127.0.0.1:9400", "localhost:9400", "LocalHost:9400", "[::1]:9400"] {
            assert_eq!(admit("GET", &[("host", ours)]), Ok(()), "{ours}");
        }
        for other in ["evil.example:9400", "127.0.0.1", "127.0.0.1:9401", "localhost:9400.evil.example", ""] {
            assert_eq!(admit("GET", &[("host", other)]), Err(Refusal::Host), "{other}");
        }
        assert_eq!(admit("GET", &[]), Err(Refusal::Host), "no host at all");
    }

    #[test]
    fn what_a_page_of_another_site_sends_is_refused() {
        let host = ("host", "127.0.0.1:9400");
        let ours = ("origin", "http://127.0.0.1:9400");

        assert_eq!(admit("POST", &[host, ours]), Ok(()));
        assert_eq!(admit("GET", &[host, ("sec-fetch-site", "none")]), Ok(()));
        for foreign in [
            ("origin", "http://evil.example"),
            ("origin", "http://127.0.0.1:8080"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(admit("POST", &[host, foreign]), Err(Refusal::Origin), "{foreign:?}");
            assert_eq!(admit("GET", &[host, foreign]), Err(Refusal::Origin), "{foreign:?}");
        }
        assert_eq!(admit("POST", &[host]), Err(Refusal::Origin), "no browser sends a form that names no origin");
        assert_eq!(admit("DELETE", &[host]), Err(Refusal::Origin));
    }

    #[test]
    fn a_console_that_is_exposed_answers_only_under_that_address() {
        let url: Url = "https://console.example.com".parse().unwrap();
        let reach = Reach::new("0.0.0.0:9400".parse().unwrap(), Some(&url));
        let admits = |host: &str| {
            let request = Request::builder().uri("/").header("host", host).body(Body::empty()).unwrap();
            reach.admit(&request)
        };

        assert_eq!(admits("console.example.com"), Ok(()));
        assert_eq!(admits("127.0.0.1:9400"), Err(Refusal::Host));
        assert_eq!(reach.cookie_name(), "__Host-console-9400");
    }
}
