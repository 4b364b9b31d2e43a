//! The client of a request: the peer, or the client that a trusted proxy names. Log lines show it, and limits count it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The proxies whose `X-Forwarded-For` header is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    is_given: bool,
}

/// What the setting says if there is no proxy.
const NONE: &str = "none";
/// The bits of an IPv6 address that name a subscriber's network. The subscriber chooses the others.
const IPV6_NETWORK: u128 = !0 << 64;

/// A part of the list is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network such as 10.0.0.0/8, and not the word none alone")]
pub struct NoNetwork(String);

impl FromStr for TrustedProxies {
    type Err = NoNetwork;

    fn from_str(list: &str) -> Result<Self, NoNetwork> {
        if list.trim() == NONE {
            return Ok(Self { networks: Vec::new(), is_given: true });
        }
        let parts = list.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
        let network = |part: &str| {
            let address = part.parse::<IpAddr>().map(IpNet::from);
            address.or_else(|_| part.parse::<IpNet>()).map_err(|_| NoNetwork(part.to_owned()))
        };
        let networks = parts.map(network).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { is_given: !networks.is_empty(), networks })
    }
}

impl TrustedProxies {
    /// Whether the operator has said which proxies there are, or that there are none.
    pub fn is_given(&self) -> bool {
        self.is_given
    }

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

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Whom a limit counts as one client: an IPv4 address, or the network of /64 that an IPv6 address belongs to, because one
/// subscriber has all addresses of such a network.
pub fn counted_as(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK)),
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
    fn the_word_none_says_that_there_is_no_proxy() {
        let is_given = |list: &str| list.parse::<TrustedProxies>().unwrap().is_given();

        assert!(is_given("none") && is_given("10.0.0.0/8"));
        assert!(!is_given("") && !is_given(" , "));
        assert_eq!(client("none", "10.1.2.3", &["198.51.100.7"]), "10.1.2.3");
    }

    #[test]
    fn all_ipv6_addresses_of_a_subscriber_count_as_one_client() {
        let counted = |address: &str| counted_as(address.parse().unwrap());

        assert_eq!(counted("2001:db8:1:2::1"), counted("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(counted("2001:db8:1:2::1"), counted("2001:db8:1:3::1"));
        assert_eq!(counted("::ffff:192.0.2.1"), counted("192.0.2.1"));
        assert_ne!(counted("192.0.2.1"), counted("192.0.2.2"));
    }

    #[test]
    fn the_error_names_the_part_that_is_not_a_network() {
        let error = "10.0.0.0/8, proxy.example".parse::<TrustedProxies>().unwrap_err();

        assert!(error.to_string().contains("proxy.example"), "{error}");
    }
}
