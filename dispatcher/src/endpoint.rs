//! Checks where events may be sent: no token travels in clear, and a channel's own URL leads into no private network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use chassis::Problem;
use url::{Host, Url};

/// What the operator allows of endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Endpoints on other machines may be http (`DSK_ALLOW_HTTP`).
    pub http: bool,
    /// A channel's own URL may be an address of a private network (`DSK_ALLOW_PRIVATE`).
    pub private: bool,
}

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
        Self::new(&check(url, allowance)?, false)
    }

    /// A channel's own URL must also lead into no private network. A name is resolved for each connection, and the
    /// address that it leads to is checked then.
    pub fn of_channel(url: &str, allowance: Allowance) -> Result<Self, Problem> {
        let url = check(url, allowance)?;
        let is_private = match url.host() {
            Some(Host::Ipv4(address)) => !is_public(address.into()),
            Some(Host::Ipv6(address)) => !is_public(address.into()),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => true,
        };
        if is_private && !allowance.private {
            return Err(Problem::new(
                "DSK_URL",
                "is an address of a private network",
                "give a public one, or set DSK_ALLOW_PRIVATE=true if channels may name private ones",
            ));
        }
        Self::new(&url, !allowance.private)
    }

    fn new(url: &Url, is_guarded: bool) -> Result<Self, Problem> {
        let uri = url.as_str().parse().map_err(|_| problem("is not a URL that can be requested".to_owned()))?;
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

fn problem(wrong: String) -> Problem {
    Problem::new("DSK_URL", wrong, "write https://host/path")
}

/// Refuses a URL over which a token would travel in clear.
fn check(url: &str, allowance: Allowance) -> Result<Url, Problem> {
    let parsed = Url::parse(url).map_err(|error| problem(format!("is not a URL ({error})")))?;
    let host = parsed.host().ok_or_else(|| problem("has no host".to_owned()))?;
    let is_loopback = match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    match parsed.scheme() {
        "https" => Ok(parsed),
        "http" if is_loopback || allowance.http => Ok(parsed),
        "http" => Err(Problem::new(
            "DSK_URL",
            "is http, which would send tokens in clear",
            "write https://…, or set DSK_ALLOW_HTTP=true if the network is yours alone",
        )),
        _ => Err(problem("is neither https nor http".to_owned())),
    }
}

/// Why a channel's own URL is not used whose name leads into a private network.
pub(crate) const PRIVATE_ADDRESS: &str =
    "its dsk_url leads to an address of a private network (DSK_ALLOW_PRIVATE=true would allow it)";

/// Whether a machine on the Internet could have the address. Source: the IANA special-purpose address registries.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match (address.to_ipv4_mapped(), address.segments()) {
            (Some(address), _) => is_public_v4(address),
            // A NAT64 translator would connect to the IPv4 address in the last 32 bits.
            (None, [0x64, 0xff9b, 0, 0, 0, 0, high, low]) => {
                is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
            }
            (None, segments) => is_public_v6(address, segments),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    let is_protocol_assignment = (first, second, third) == (192, 0, 0);
    let is_benchmark = first == 198 && (second == 18 || second == 19);
    let is_unassigned = first == 0 || first >= 224;
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || is_shared
        || is_protocol_assignment
        || is_benchmark
        || is_unassigned)
}

/// Only addresses of `2000::/3` are allocated at all.
fn is_public_v6(address: Ipv6Addr, segments: [u16; 8]) -> bool {
    let is_allocated = segments[0] & 0xe000 == 0x2000;
    let is_documentation = (segments[0], segments[1]) == (0x2001, 0xdb8);
    let is_tunnel = segments[0] == 0x2002 || (segments[0], segments[1]) == (0x2001, 0);
    is_allocated && !is_documentation && !is_tunnel && !address.is_multicast()
}

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

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for public in ["9.9.9.9", "203.0.114.1", "100.128.0.1", "2a00:1450::1", "64:ff9b::909:909"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "203.0.113.1",
            "fe80::1",
            "::",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "::ffff:127.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }
}
