//! Which hosts are public: the addresses that a machine on the Internet could have, and the names that may lead to one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The zones that are resolved within one machine or network (RFC 6761, 6762, 8375 and 9476, and ICANN's `internal`).
const PRIVATE_ZONES: [&str; 8] =
    ["localhost", "localdomain", "local", "internal", "home.arpa", "lan", "intranet", "alt"];

/// Whether a name leads into no public network: those of this machine, of one network, and those without a dot. A name that does
/// not say so is found out by the address that it leads to.
pub(crate) fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_within = |zone: &&str| name.strip_suffix(*zone).is_some_and(|rest| rest.ends_with('.'));
    !name.contains('.') || PRIVATE_ZONES.iter().any(is_within)
}

/// Whether a machine on the Internet could have the address. Source: the IANA special-purpose address registries.
pub fn is_public(address: IpAddr) -> bool {
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
    let is_documentation =
        (segments[0], segments[1]) == (0x2001, 0xdb8) || (segments[0] == 0x3fff && segments[1] < 0x1000);
    let is_tunnel = segments[0] == 0x2002 || (segments[0], segments[1]) == (0x2001, 0);
    is_allocated && !is_documentation && !is_tunnel && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

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
