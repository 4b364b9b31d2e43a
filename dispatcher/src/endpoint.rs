//! Checks where events may be sent: no token travels in clear, and a channel's own URL leads into no private network.

use std::sync::Arc;

use channels::{Allowance, check_channel_url, check_url};
use chassis::Problem;
use url::Url;

/// A URL that was checked: events may be sent to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    uri: hyper::Uri,
    origin: Arc<str>,
    url: Arc<str>,
    /// Connections to it may lead to public addresses only.
    is_guarded: bool,
}

impl Endpoint {
    /// `DSK_URL` has to be https; http is accepted for this machine, and for any machine if the operator allows it.
    pub fn parse(url: &str, allowance: Allowance) -> Result<Self, Problem> {
        Self::new(&check_url("DSK_URL", url, allowance)?, false)
    }

    /// A channel's own URL must also lead into no private network. A name is resolved for each connection, and the
    /// address that it leads to is checked then.
    pub fn of_channel(url: &str, allowance: Allowance) -> Result<Self, Problem> {
        let url = check_channel_url("its dsk_url", url, allowance)?;
        Self::new(&url, !allowance.private)
    }

    fn new(url: &Url, is_guarded: bool) -> Result<Self, Problem> {
        let uri = url
            .as_str()
            .parse()
            .map_err(|_| Problem::new("DSK_URL", "is not a URL that can be requested", "write https://host/path"))?;
        Ok(Self { uri, origin: url.origin().ascii_serialization().into(), url: url.as_str().into(), is_guarded })
    }

    pub(crate) fn uri(&self) -> hyper::Uri {
        self.uri.clone()
    }

    pub(crate) fn origin(&self) -> Arc<str> {
        Arc::clone(&self.origin)
    }

    pub(crate) fn url(&self) -> Arc<str> {
        Arc::clone(&self.url)
    }

    pub(crate) fn is_guarded(&self) -> bool {
        self.is_guarded
    }
}

/// Why a channel's own URL is not used whose name leads into a private network.
pub(crate) const PRIVATE_ADDRESS: &str =
    "its dsk_url leads to an address of a private network (DSK_ALLOW_PRIVATE=true would allow it)";

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Allowance = Allowance { http: false, private: false };

    #[test]
    fn tokens_travel_in_clear_only_to_this_machine_unless_the_operator_allows_more() {
        assert!(Endpoint::parse("https://dsk.example/events", STRICT).is_ok());
        assert!(Endpoint::parse("http://127.0.0.1:9000/", STRICT).is_ok());
        assert!(Endpoint::parse("http://dsk.example/events", Allowance { http: true, ..STRICT }).is_ok());
        for refused in ["http://dsk.example/events", "ftp://dsk.example", "dsk.example", "https://"] {
            assert!(Endpoint::parse(refused, STRICT).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_channels_own_url_leads_into_no_private_network() {
        assert!(Endpoint::of_channel("https://dsk.example/events", STRICT).is_ok_and(|url| url.is_guarded()));
        for refused in [
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://[::1]/",
            "https://[fd00::1]/",
            "https://localhost/",
            "https://169.254.169.254/latest",
            "https://[::ffff:192.168.0.1]/",
            "https://0x7f.1/",
            "https://2130706433/",
        ] {
            assert!(Endpoint::of_channel(refused, STRICT).is_err(), "{refused}");
            assert!(Endpoint::of_channel(refused, Allowance { private: true, ..STRICT }).is_ok(), "{refused}");
        }
    }
}
