//! What a browser says about a request: its cookies, and the page that sent it.

use axum::http::HeaderMap;

/// What a request says about the page that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// One of our own pages, or the person themselves, by typing an address or loading a page again.
    Ours,
    /// A page of somebody else.
    Foreign,
    /// It says nothing. No browser sends a form like that.
    Unsaid,
}

impl Sender {
    /// Browsers name the origin of a form's page in `Origin`, or its relation to us in `Sec-Fetch-Site` (Fetch Metadata,
    /// §2.3); no page can change either. `ours` are the origins of our pages, such as `https://connect.example.com`.
    pub fn of(headers: &HeaderMap, ours: &[impl AsRef<str>]) -> Self {
        let is_ours = |origin: &[u8]| ours.iter().any(|own| own.as_ref().as_bytes() == origin);
        let origin = headers.get("origin").map(|origin| is_ours(origin.as_bytes()));
        // `none` is the person's own doing, such as loading the page again.
        let site = headers.get("sec-fetch-site").map(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
        let claims = [origin, site];
        match claims.iter().flatten().count() {
            0 => Self::Unsaid,
            _ if claims.into_iter().flatten().all(|is_ours| is_ours) => Self::Ours,
            _ => Self::Foreign,
        }
    }
}

/// The value of the cookie of this name that the browser sent. Two of them count as none, because nothing says which one is
/// right.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all("cookie").iter().filter_map(|line| line.to_str().ok());
    let mut values = lines.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (given, value) = pair.trim().split_once('=')?;
        (given == name).then_some(value)
    });
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        headers.collect()
    }

    fn sender(given: &[(&'static str, &'static str)]) -> Sender {
        Sender::of(&headers(given), &["https://connect.example.com"])
    }

    #[test]
    fn a_request_is_ours_only_if_a_header_says_so_and_none_says_otherwise() {
        let ours = ("origin", "https://connect.example.com");

        assert_eq!(sender(&[ours]), Sender::Ours);
        assert_eq!(sender(&[ours, ("sec-fetch-site", "same-origin")]), Sender::Ours);
        assert_eq!(sender(&[("sec-fetch-site", "none")]), Sender::Ours);
        assert_eq!(sender(&[]), Sender::Unsaid);
        for foreign in [
            &[("origin", "null")][..],
            &[("origin", "https://connect.example.com.evil.example")],
            &[ours, ("sec-fetch-site", "same-site")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "cross-site")],
        ] {
            assert_eq!(sender(foreign), Sender::Foreign, "{foreign:?}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others_and_two_count_as_none() {
        let session = |line| cookie(&headers(&[("cookie", line)]), "session").map(str::to_owned);

        assert_eq!(session("a=1; session=x.y; b=2").as_deref(), Some("x.y"));
        assert_eq!(session("other-session=x.y"), None);
        assert_eq!(session("session=x.y; session=z"), None);
    }
}
