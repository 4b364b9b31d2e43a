//! The client of a request: the peer, or the client that a trusted proxy names. Log lines show it; nothing depends on it.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The proxies whose `X-Forwarded-For` header is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// A part of the list is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network such as 10.0.0.0/8")]
pub struct NoNetwork(String);

impl FromStr for TrustedProxies {
    type Err = NoNetwork;

    fn from_str(list: &str) -> Result<Self, NoNetwork> {
        let parts = list.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
        let network = |part: &str| {
            let address = part.parse::<IpAddr>().map(IpNet::from);
            address.or_else(|_| part.parse::<IpNet>()).map_err(|_| NoNetwork(part.to_owned()))
        };
        parts.map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl TrustedProxies {
    /// The client of a request. Each proxy appends its own client at the right end, so entries are believed from there,
    /// while the one that wrote them is trusted. Anyone may have made up the entries further left.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for entry in entries {
            if !self.trusts(client) {
                break;
            }
            let Ok(named) = address(entry.trim()) else { break };
            client = named.to_canonical();
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Reads an entry. Some proxies write a port behind the address, and some write IPv6 addresses in brackets.
fn address(entry: &str) -> Result<IpAddr, std::net::AddrParseError> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse().or_else(|_| entry.parse::<SocketAddr>().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(trusted: &str, peer: &str, forwarded: &[&'static str]) -> String {
        let trusted: TrustedProxies = trusted.parse().unwrap();
        let lines = forwarded.iter().map(|line| ("x-forwarded-for".parse().unwrap(), HeaderValue::from_static(line)));
        trusted.client(peer.parse().unwrap(), &lines.collect()).to_string()
    }

    #[test]
    fn a_proxy_that_is_not_trusted_is_not_believed() {
        assert_eq!(client("", "203.0.113.9", &["198.51.100.7"]), "203.0.113.9");
        assert_eq!(client("10.0.0.0/8", "203.0.113.9", &["198.51.100.7"]), "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_names_its_client() {
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.1.2.3", "10.1.2.3", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(client("fd00::/8", "fd00::1", &["[2001:db8::7]"]), "2001:db8::7");
    }

    #[test]
    fn an_entry_that_a_client_made_up_is_not_believed() {
        let forwarded = ["1.1.1.1, 198.51.100.7, 10.9.9.9"];

        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &forwarded), "198.51.100.7");
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &["1.1.1.1", "198.51.100.7"]), "198.51.100.7");
    }

    #[test]
    fn the_last_known_address_counts_if_an_entry_is_not_an_address() {
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &["unknown"]), "10.1.2.3");
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn an_ipv4_address_in_ipv6_form_is_shown_as_ipv4() {
        assert_eq!(client("10.0.0.0/8", "::ffff:10.1.2.3", &["198.51.100.7"]), "198.51.100.7");
    }

    #[test]
    fn the_error_names_the_part_that_is_not_a_network() {
        let error = "10.0.0.0/8, proxy.example".parse::<TrustedProxies>().unwrap_err();

        assert!(error.to_string().contains("proxy.example"), "{error}");
    }
}
