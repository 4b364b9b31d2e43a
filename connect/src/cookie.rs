//! The one cookie: a session's signed id. No script reads it, no other site sends it, and it ends with the session.

use axum::http::HeaderMap;

/// `__Host-`: only over https, for this host and all of its paths (RFC 6265bis §4.1.3.2).
const NAME: &str = "__Host-session";

/// `Set-Cookie` for a session. Lax, because the return from Instagram's login has to carry it.
pub(crate) fn set(signed: &str, seconds: u64) -> String {
    format!("{NAME}={signed}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax")
}

/// `Set-Cookie` that ends it.
pub(crate) fn clear() -> String {
    format!("{NAME}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")
}

/// What the browser sent. Two of them are one too many to know which was meant.
pub(crate) fn get(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all("cookie").iter().filter_map(|line| line.to_str().ok());
    let mut values = lines.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == NAME).then_some(value)
    });
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(line: &'static str) -> Option<String> {
        let headers = HeaderMap::from_iter([("cookie".parse().unwrap(), axum::http::HeaderValue::from_static(line))]);
        get(&headers).map(str::to_owned)
    }

    #[test]
    fn ours_is_found_among_others_and_two_are_none() {
        assert_eq!(sent("a=1; __Host-session=x.y; b=2").as_deref(), Some("x.y"));
        assert_eq!(sent("session=x.y"), None);
        assert_eq!(sent("__Host-session=x.y; __Host-session=z"), None);
    }
}
