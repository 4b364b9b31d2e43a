//! The addresses of a broker's nodes, as lapin takes them: each with the host that stands in the URL, IPv6 included.

use chassis::{HostList, Secret};
use lapin::uri::AMQPUri;
use url::{Host, Url};

/// Divisible by every number up to 12, so that each of so many addresses has the same chance.
const CHANCES: f64 = 27_720.0;

/// Parses `amqp://user:password@host:port,host:port/vhost`. There is at least one address; all have one user, one vhost and
/// one scheme. The error repeats nothing of the URL, which holds a password.
///
/// lapin's own parser (amq-protocol-uri 10.6.3) knows no list, and repeats a URL without `//` in its error.
pub(crate) fn parse(url: &Secret) -> Result<Vec<AMQPUri>, String> {
    let Some((scheme, rest)) = url.expose().split_once("://") else {
        return Err("it does not begin with amqp:// or amqps://".to_owned());
    };
    let list = HostList::of(rest)?;
    if list.tail.split(['?', '#']).next().is_some_and(|vhost| vhost.contains(',')) {
        return Err(
            "it has a comma in the vhost: write the vhost once, after the last address, and a comma in its name as %2C"
                .to_owned(),
        );
    }
    list.parse_each(
        |host| parse_one(&format!("{scheme}://{}{host}{}", list.user, list.tail)),
        |one, other| one.authority == other.authority,
    )
}

/// Host and port, as logs and reports show an address.
pub(crate) fn shown(address: &AMQPUri) -> String {
    let host = &address.authority.host;
    let port = address.authority.port;
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The number of an address that is chosen by chance: its remainder counts. `dice` lies in `[0, 1)`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the dice lie in [0, 1)")]
pub(crate) fn by_chance(dice: f64) -> usize {
    (dice * CHANCES) as usize
}

/// lapin's parser knows no IPv6 host and takes `localhost` in its place: events and password would go to another broker. So
/// the host is parsed here, and must be there.
fn parse_one(url: &str) -> Result<AMQPUri, String> {
    let mut uri: AMQPUri = url.parse()?;
    let parsed = Url::parse(url).map_err(|error| error.to_string())?;
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

    fn shown_of(url: &str) -> Vec<String> {
        let addresses = parse(&Secret::new(url)).unwrap();
        assert!(addresses.iter().all(|one| one.authority.userinfo.password == "pa55word"), "{url}");
        addresses.iter().map(shown).collect()
    }

    #[test]
    fn the_host_is_the_one_in_the_url() {
        for (url, address) in [
            ("amqp://meta:pa55word@[2001:db8::5]:5673/meta", "[2001:db8::5]:5673"),
            ("amqps://meta:pa55word@[::1]/meta", "[::1]:5671"),
            ("amqp://meta:pa55word@192.0.2.7/%2f", "192.0.2.7:5672"),
            ("amqp://meta:pa55word@rabbit.example:5672/meta", "rabbit.example:5672"),
        ] {
            assert_eq!(shown_of(url), [address], "{url}");
        }
    }

    #[test]
    fn a_url_names_every_node_of_a_cluster_and_each_has_a_port_of_its_own_or_the_usual_one() {
        let url = "amqp://meta:pa55word@a.example:5673,[2001:db8::5],[::1]:7,192.0.2.7/meta?heartbeat=20";
        let addresses = parse(&Secret::new(url)).unwrap();

        assert_eq!(shown_of(url), ["a.example:5673", "[2001:db8::5]:5672", "[::1]:7", "192.0.2.7:5672"]);
        assert_eq!(shown_of("amqps://meta:pa55word@a,b:7/meta"), ["a:5671", "b:7"]);
        assert!(addresses.iter().all(|one| one.vhost == "meta" && one.query.heartbeat == Some(20)));
        assert!(addresses.iter().all(|one| one.authority.userinfo.username == "meta"));
        assert_eq!(shown_of("amqp://meta:pa55word@a,b").len(), 2, "the vhost may be left out");
    }

    #[test]
    fn a_comma_or_an_at_sign_in_a_password_does_not_part_addresses() {
        let password = |url: &str| parse(&Secret::new(url)).map(|all| all[0].authority.userinfo.password.clone());

        assert_eq!(password("amqp://meta:pa,55@a,b/meta").as_deref(), Ok("pa,55"));
        assert_eq!(password("amqp://meta:pa@55@a,b/meta").as_deref(), Ok("pa@55"));
        assert_eq!(password("amqp://meta:pa%4055%2C@a,b/meta").as_deref(), Ok("pa@55,"));
    }

    #[test]
    fn a_malformed_address_is_refused_with_what_to_do_and_without_the_password() {
        for (url, part) in [
            ("amqp://", "no host"),
            ("amqp:///meta", "no host"),
            ("amqp://meta:pa55word@/meta", "empty host"),
            ("amqp://[2001:db8::5/meta", "invalid IPv6"),
            ("amqp:meta:pa55word@host", "begin with amqp://"),
            ("meta:pa55word@host/meta", "begin with amqp://"),
            ("amqp://meta:pa55word@a,,c/meta", "address 2 of 3 is empty"),
            ("amqp://meta:pa55word@a,b,/meta", "address 3 of 3 is empty"),
            ("amqp://meta:pa55word@a,b:five,c/meta", "address 2 of 3: invalid port"),
            ("amqp://meta:pa55word@a,b:70000/meta", "address 2 of 2: invalid port"),
            ("amqp://meta:pa55word@a, b/meta", "address 2 of 2: invalid"),
            ("amqp://meta:pa55word@a,[::1/meta", "address 2 of 2: invalid IPv6"),
            ("amqp://meta:pa55word@a,:5672/meta", "address 2 of 2: "),
            ("amqp://meta:pa55word@a,b:5672,a:5672/meta", "address 3 of 3 is the same as address 1"),
            ("amqp://meta:pa55word@a,amqp://meta:pa55word@b/meta", "write both once"),
            ("amqp://meta:pa55word@a/meta,amqp://meta:pa55word@b/meta", "write both once"),
            ("amqp://meta:pa55word@a,meta:pa55word@b/meta", "write both once"),
            ("amqp://meta:pa55word@a/meta,b/meta", "write the vhost once"),
            ("amqp://meta:pa55/word@a,b/meta", "comma in the vhost"),
            ("http://meta:pa55word@a,b/meta", "Invalid AMQP scheme"),
        ] {
            let error = parse(&Secret::new(url)).map(|all| all.len()).unwrap_err();

            assert!(error.contains(part), "{url}: {error}");
            assert!(!error.contains("pa55"), "{error}");
        }
    }

    #[test]
    fn each_address_has_the_same_chance_to_be_the_first() {
        let mut chosen = [0; 3];

        (0..3_000).map(|roll| f64::from(roll) / 3_000.0).for_each(|dice| chosen[by_chance(dice) % 3] += 1);

        assert!(chosen.iter().all(|count| (900..=1_100).contains(count)), "{chosen:?}");
    }
}
