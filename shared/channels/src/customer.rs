//! The one check of whose a channel is and where its events may go, before a channel or a ticket is stored: for the
//! operator's commands, DSK's tickets and the pages alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chassis::{Problem, Secret};
use url::{Host, Url};

/// A tenant's name is shown on pages, and stands in logs and in the names of fields.
const TENANT_CHARACTERS_MAX: usize = 200;
/// Longer URLs are refused by servers.
const URL_BYTES_MAX: usize = 2_048;
/// Servers accept 8 KiB of headers at least, and this is one of them.
const TOKEN_BYTES_MAX: usize = 4_096;

/// What the operator allows of endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Endpoints on other machines may be http (`DSK_ALLOW_HTTP`).
    pub http: bool,
    /// A channel's own URL may be an address of a private network (`DSK_ALLOW_PRIVATE`).
    pub private: bool,
}

/// Checks a tenant's name and, if its channels have one of their own, the URL that their events are to go to.
pub fn check_customer(tenant: &str, dsk_url: Option<&str>, allowance: Allowance) -> Result<(), Problem> {
    let wrong = |wrong: &str| Err(Problem::new("tenant", wrong, "name the DSK customer in a few plain characters"));
    if tenant.trim().is_empty() {
        return wrong("must not be empty");
    }
    if tenant.chars().count() > TENANT_CHARACTERS_MAX {
        return wrong("is longer than 200 characters");
    }
    if tenant.chars().any(changes_lines) {
        return wrong("has a control character");
    }
    let Some(url) = dsk_url else { return Ok(()) };
    let wrong = |wrong: &str| Err(Problem::new("dsk_url", wrong, "write https://host/path"));
    if url.len() > URL_BYTES_MAX {
        return wrong("is longer than 2,048 bytes");
    }
    // The parser of URLs would leave some of them out, and what is stored would not be what is requested.
    if url.chars().any(|character| changes_lines(character) || character.is_whitespace()) {
        return wrong("has a space or a control character");
    }
    let url = check_channel_url("dsk_url", url, allowance)?;
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("holds a user or a password: DSK is given the DSK token instead");
    }
    Ok(())
}

/// Checks a token that is to authorise us at DSK. The problem does not repeat it.
pub fn check_dsk_token(token: &Secret) -> Result<(), Problem> {
    let wrong = |wrong: &str| Err(Problem::new("dsk_token", wrong, "give the token as DSK made it"));
    if token.expose().trim().is_empty() {
        return wrong("must not be empty");
    }
    if token.expose().len() > TOKEN_BYTES_MAX {
        return wrong("is longer than 4,096 bytes");
    }
    if token.bearer().is_err() || token.expose().chars().any(char::is_control) {
        return wrong("has a character that no header may hold");
    }
    Ok(())
}

/// Refuses a URL over which a token would travel in clear. `setting` names it in the problem.
pub fn check_url(setting: &'static str, url: &str, allowance: Allowance) -> Result<Url, Problem> {
    let problem = |wrong: String| Problem::new(setting, wrong, "write https://host/path");
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
            setting,
            "is http, which would send tokens in clear",
            "write https://…, or set DSK_ALLOW_HTTP=true if the network is yours alone",
        )),
        _ => Err(problem("is neither https nor http".to_owned())),
    }
}

/// A channel's own URL must also lead into no private network. A name is resolved for each connection, and the address that
/// it leads to is checked then.
pub fn check_channel_url(setting: &'static str, url: &str, allowance: Allowance) -> Result<Url, Problem> {
    let url = check_url(setting, url, allowance)?;
    let is_private = match url.host() {
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => true,
    };
    if is_private && !allowance.private {
        return Err(Problem::new(
            setting,
            "is an address of a private network",
            "give a public one, or set DSK_ALLOW_PRIVATE=true if channels may name private ones",
        ));
    }
    Ok(url)
}

/// Whether a character ends a line, or changes how what follows is shown: a name with one could forge a line of a log.
fn changes_lines(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
    let is_documentation = (segments[0], segments[1]) == (0x2001, 0xdb8);
    let is_tunnel = segments[0] == 0x2002 || (segments[0], segments[1]) == (0x2001, 0);
    is_allocated && !is_documentation && !is_tunnel && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(tenant: &str, dsk_url: &str) -> String {
        let checked = check_customer(tenant, Some(dsk_url), Allowance::default());
        checked.err().map(|problem| problem.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_customer_has_a_plain_name_and_a_public_https_url_without_a_password() {
        let url = "https://dsk.example/events";
        for tenant in ["acme", "Müller & Söhne", "株式会社"] {
            assert_eq!(problem(tenant, url), "");
        }
        let long = "a".repeat(60 << 10);
        for tenant in ["", " ", "acme\nlevel=error", "acme\u{1b}[2J", "acme\u{202e}", long.as_str()] {
            assert!(problem(tenant, url).starts_with("tenant "), "{}", tenant.escape_debug());
        }
        let long = format!("https://dsk.example/{long}");
        for url in [
            "https://10.1.2.3/",
            "https://localhost/",
            "https://169.254.169.254/latest",
            "http://dsk.example/",
            "http://127.0.0.1:9100/",
            "https://user:password@dsk.example/",
            "https://user@dsk.example/",
            "https://dsk.exa\tmple/",
            " https://dsk.example/",
            "https://dsk.example/\r\nx",
            "dsk.example",
            long.as_str(),
        ] {
            assert!(problem("acme", url).starts_with("dsk_url "), "{}: {}", url.escape_debug(), problem("acme", url));
        }
    }

    #[test]
    fn a_token_that_no_header_can_hold_is_refused_without_repeating_it() {
        let problem = |token: &str| check_dsk_token(&Secret::new(token)).err().map(|problem| problem.to_string());

        assert_eq!(problem("dsk-token"), None);
        for wrong in ["", " ", "hunter2\r\nx: y", &"hunter2".repeat(1_000)] {
            assert!(problem(wrong).is_some_and(|problem| !problem.contains("hunter2")), "{}", wrong.escape_debug());
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
