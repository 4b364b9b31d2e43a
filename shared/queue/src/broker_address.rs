//! The address of a broker, as lapin takes it: with the host that stands in the URL, IPv6 included.

use chassis::Secret;
use lapin::uri::AMQPUri;
use url::{Host, Url};

/// Parses `amqp://user:password@host:port/vhost`. The error repeats nothing of the URL, which holds a password.
///
/// lapin's own parser (amq-protocol-uri 10.6.3) knows no IPv6 host and takes `localhost` in its place: events and
/// password would go to another broker. So the host is parsed here, and must be there.
pub(crate) fn parse(url: &Secret) -> Result<AMQPUri, String> {
    let mut uri: AMQPUri = url.expose().parse()?;
    let parsed = Url::parse(url.expose()).map_err(|error| error.to_string())?;
    uri.authority.host = match parsed.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
        Some(Host::Domain(_)) | None => return Err("it names no host".to_owned()),
    };
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_one_in_the_url() {
        for (url, host, port) in [
            ("amqp://meta:pa55word@[2001:db8::5]:5673/meta", "2001:db8::5", 5673),
            ("amqps://meta:pa55word@[::1]/meta", "::1", 5671),
            ("amqp://meta:pa55word@192.0.2.7/%2f", "192.0.2.7", 5672),
            ("amqp://meta:pa55word@rabbit.example:5672/meta", "rabbit.example", 5672),
        ] {
            let authority = parse(&Secret::new(url)).unwrap().authority;

            assert_eq!((authority.host.as_str(), authority.port), (host, port), "{url}");
            assert_eq!(authority.userinfo.password, "pa55word");
        }
    }

    #[test]
    fn an_address_without_a_host_is_refused_instead_of_leading_to_this_machine() {
        for url in ["amqp://", "amqp:///meta", "amqp://meta:pa55word@/meta", "amqp://[2001:db8::5/meta"] {
            let error = parse(&Secret::new(url)).unwrap_err();

            assert!(!error.contains("pa55word"), "{error}");
        }
    }
}
