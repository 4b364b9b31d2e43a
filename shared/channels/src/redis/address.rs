//! The address of Redis: of one server, of a service that sentinels watch, or of a cluster.

use chassis::{HostList, Secret};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};
use url::{Url, form_urlencoded};

/// Where Redis listens if the address does not say.
const PORT: u16 = 6379;
/// Where a sentinel listens if the address does not say.
const SENTINEL_PORT: u16 = 26379;
/// The user and the password for the sentinels, which have their own.
const SENTINEL_USER: &str = "sentinel_user";
const SENTINEL_PASSWORD: &str = "sentinel_password";

/// A parsed address.
#[derive(Clone, Debug)]
pub(crate) enum RedisAddress {
    One(Box<ConnectionInfo>),
    Sentinels(Box<SentinelAddress>),
    Cluster(Vec<ConnectionInfo>),
}

/// A service that sentinels watch.
#[derive(Clone, Debug)]
pub(crate) struct SentinelAddress {
    pub(super) sentinels: Vec<ConnectionInfo>,
    pub(super) service: String,
    /// How to log in to the service's servers. The host in it is that of a sentinel.
    pub(super) server: ConnectionInfo,
}

impl RedisAddress {
    /// Parses `redis://…`, `redis+sentinel://…/service/db` or `redis+cluster://…`. The error repeats nothing of the URL, which
    /// holds a password.
    pub(crate) fn parse(url: &Secret) -> Result<Self, String> {
        let url = url.expose();
        match url.split_once("://") {
            Some(("redis+sentinel", rest)) => Parts::of("redis", rest)?.sentinels(),
            Some(("rediss+sentinel", rest)) => Parts::of("rediss", rest)?.sentinels(),
            Some(("redis+cluster", rest)) => Parts::of("redis", rest)?.cluster(),
            Some(("rediss+cluster", rest)) => Parts::of("rediss", rest)?.cluster(),
            Some((scheme, rest)) if Parts::of(scheme, rest).is_ok_and(|parts| parts.list.is_several()) => Err(
                "it names several hosts: write redis+sentinel:// before sentinels, and redis+cluster:// before the nodes of \
                 a cluster"
                    .to_owned(),
            ),
            // The parser's own error is not shown: it might repeat the password.
            _ => url.into_connection_info().map(|one| Self::One(Box::new(one))).map_err(|_| "it is malformed".to_owned()),
        }
    }
}

/// What all hosts of a URL share, and their list.
struct Parts<'u> {
    /// `redis`, or `rediss` for TLS.
    scheme: &'u str,
    list: HostList<'u>,
    path: &'u str,
    query: &'u str,
}

impl<'u> Parts<'u> {
    /// `rest`: what follows after the scheme.
    fn of(scheme: &'u str, rest: &'u str) -> Result<Self, String> {
        let list = HostList::of(rest)?;
        if list.tail.contains('#') {
            return Err("it has a #: write one in a password as %23".to_owned());
        }
        let (path, query) = list.tail.split_once('?').unwrap_or((list.tail, ""));
        if path.contains(',') {
            return Err(
                "it has a comma after the first /: write what follows the addresses once, after the last, and a / in a password as %2F".to_owned()
            );
        }
        Ok(Self { scheme, list, path, query })
    }

    /// The addresses, each with the user and the password of all.
    fn addresses(&self, user: &str, port: u16) -> Result<Vec<ConnectionInfo>, String> {
        self.list.parse_each(
            |host| parse_one(&format!("{}://{user}{host}", self.scheme), port),
            |one, other| one.addr() == other.addr(),
        )
    }

    fn sentinels(&self) -> Result<RedisAddress, String> {
        let (service, db) = self.path.trim_matches('/').split_once('/').unwrap_or((self.path.trim_matches('/'), "0"));
        // What a sentinel takes as a name.
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || ['.', '-', '_'].contains(&letter);
        if service.is_empty() || !service.chars().all(is_name) {
            return Err("it does not name the service that the sentinels watch: write it after the last address, as \
                        in /service/0"
                .to_owned());
        }
        let db: i64 = db.parse().map_err(|_| "what follows the service is not the number of a database".to_owned())?;
        let mut servers = self.addresses(self.list.user, SENTINEL_PORT)?;
        let server = servers.swap_remove(0);
        let server = server.clone().set_redis_settings(server.redis_settings().clone().set_db(db));
        let sentinels = self.with_own_password(self.addresses("", SENTINEL_PORT)?)?;
        Ok(RedisAddress::Sentinels(Box::new(SentinelAddress { sentinels, service: service.to_owned(), server })))
    }

    /// The sentinels, with the user and the password that the query has for them.
    fn with_own_password(&self, mut sentinels: Vec<ConnectionInfo>) -> Result<Vec<ConnectionInfo>, String> {
        // In a form a plus is a space. In a password that somebody pastes it is a plus.
        let query = self.query.replace('+', "%2B");
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            for sentinel in &mut sentinels {
                let settings = sentinel.redis_settings().clone();
                let settings = match &*name {
                    SENTINEL_USER => settings.set_username(&value),
                    SENTINEL_PASSWORD => settings.set_password(&value),
                    _ => {
                        return Err(format!(
                            "after the ? it may have {SENTINEL_USER} and {SENTINEL_PASSWORD} only, with a & in a password \
                             as %26"
                        ));
                    }
                };
                *sentinel = sentinel.clone().set_redis_settings(settings);
            }
        }
        Ok(sentinels)
    }

    fn cluster(&self) -> Result<RedisAddress, String> {
        if !["", "/", "/0"].contains(&self.path) || !self.query.is_empty() {
            return Err("a cluster has no databases and no options: write nothing after the last address".to_owned());
        }
        self.addresses(self.list.user, PORT).map(RedisAddress::Cluster)
    }
}

/// Parses an address of one host.
fn parse_one(url: &str, port: u16) -> Result<ConnectionInfo, String> {
    let mut url = Url::parse(url).map_err(|error| error.to_string())?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it names no host".to_owned());
    }
    if url.port().is_none() {
        url.set_port(Some(port)).map_err(|()| "it names no host".to_owned())?;
    }
    url.into_connection_info().map_err(|_| "it is malformed".to_owned())
}

/// Host and port, as logs and reports show an address.
pub(super) fn shown(address: &ConnectionAddr) -> String {
    if let ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } = address
        && host.contains(':')
    {
        return format!("[{host}]:{port}");
    }
    address.to_string()
}

/// The address of another server, which is reached like this one.
pub(super) fn beside(server: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let mut address = server.addr().clone();
    if let ConnectionAddr::Tcp(host_there, port_there)
    | ConnectionAddr::TcpTls { host: host_there, port: port_there, .. } = &mut address
    {
        *host_there = host;
        *port_there = port;
    }
    server.clone().set_addr(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> RedisAddress {
        RedisAddress::parse(&Secret::new(url)).unwrap()
    }

    fn shown_of(addresses: &[ConnectionInfo]) -> Vec<String> {
        addresses.iter().map(|one| shown(one.addr())).collect()
    }

    fn login(address: &ConnectionInfo) -> [Option<&str>; 2] {
        [address.redis_settings().username(), address.redis_settings().password()]
    }

    fn sentinels(url: &str) -> SentinelAddress {
        let RedisAddress::Sentinels(address) = parse(url) else { panic!("{url} names sentinels") };
        *address
    }

    fn cluster(url: &str) -> Vec<ConnectionInfo> {
        let RedisAddress::Cluster(nodes) = parse(url) else { panic!("{url} names a cluster") };
        nodes
    }

    #[test]
    fn a_url_names_several_sentinels_the_service_and_the_logins_of_both() {
        let address = sentinels(
            "redis+sentinel://meta:pa%4055@a,b:7,[::1]/my-service.1/3?sentinel_user=guard&sentinel_password=w%26o+rd",
        );

        assert_eq!(shown_of(&address.sentinels), ["a:26379", "b:7", "[::1]:26379"]);
        assert_eq!((address.service.as_str(), address.server.redis_settings().db()), ("my-service.1", 3));
        assert_eq!(login(&address.server), [Some("meta"), Some("pa@55")]);
        for sentinel in &address.sentinels {
            assert_eq!(login(sentinel), [Some("guard"), Some("w&o+rd")]);
            assert_eq!(sentinel.redis_settings().db(), 0, "a sentinel has no databases");
        }
        assert_eq!(sentinels("redis+sentinel://a/service").server.redis_settings().db(), 0);
        assert_eq!(login(&sentinels("redis+sentinel://meta:pa55word@a/service").sentinels[0]), [None, None]);
    }

    #[test]
    fn a_url_names_several_nodes_of_a_cluster() {
        let nodes = cluster("redis+cluster://meta:pa,55@a:7000,b,[2001:db8::5]:7002/");

        assert_eq!(shown_of(&nodes), ["a:7000", "b:6379", "[2001:db8::5]:7002"]);
        assert!(nodes.iter().all(|node| login(node) == [Some("meta"), Some("pa,55")]));
    }

    #[test]
    fn tls_holds_for_sentinels_servers_and_nodes() {
        let is_tls = |address: &ConnectionInfo| matches!(address.addr(), ConnectionAddr::TcpTls { .. });
        let address = sentinels("rediss+sentinel://a,b/service/0");
        let server = beside(&address.server, "c".to_owned(), 6390);

        assert!(address.sentinels.iter().chain([&server]).all(is_tls));
        assert_eq!(shown(server.addr()), "c:6390");
        assert!(cluster("rediss+cluster://a,b").iter().all(is_tls));
        assert!(!cluster("redis+cluster://a,b").iter().any(is_tls));
    }

    #[test]
    fn a_malformed_address_is_refused_with_what_to_do_and_without_the_password() {
        for (url, part) in [
            ("amqp://meta:pa55word@host", "malformed"),
            ("meta:pa55word@host", "malformed"),
            ("redis://meta:pa55word@a:1,b:2/0", "redis+sentinel:// before sentinels"),
            ("redis+sentinel://meta:pa55word@a,b", "does not name the service"),
            ("redis+sentinel://meta:pa55word@a,b/se%20rvice", "does not name the service"),
            ("redis+sentinel://meta:pa55word@a,b/service/one", "number of a database"),
            ("redis+sentinel://meta:pa55word@a/service,b/service", "write what follows the addresses once"),
            ("redis+sentinel://meta:pa55word@a/service?password=pa55word", "sentinel_user and sentinel_password"),
            ("redis+sentinel://meta:pa55/word@a,b/service", "as %2F"),
            ("redis+sentinel://meta:pa55#word@a,b/service", "as %23"),
            ("redis+sentinel:///service", "no host"),
            ("redis+sentinel://meta:pa55word@/service", "empty host"),
            ("redis+cluster://", "no host"),
            ("redis+cluster://meta:pa55word@a,,c", "address 2 of 3 is empty"),
            ("redis+cluster://meta:pa55word@a,b:five", "address 2 of 2: invalid port"),
            ("redis+cluster://meta:pa55word@a,[::1", "address 2 of 2: invalid IPv6"),
            ("redis+cluster://meta:pa55word@a,b:7,a:6379", "address 3 of 3 is the same as address 1"),
            ("redis+cluster://meta:pa55word@a,meta:pa55word@b", "write both once"),
            ("redis+cluster://meta:pa55word@a,redis+cluster://meta:pa55word@b", "write both once"),
            ("redis+cluster://meta:pa55word@a,b/1", "no databases"),
            ("redis+cluster://meta:pa55word@a,b?sentinel_user=pa55word", "no options"),
        ] {
            let error = RedisAddress::parse(&Secret::new(url)).unwrap_err();

            assert!(error.contains(part), "{url}: {error}");
            assert!(!error.contains("pa55"), "{error}");
        }
    }
}
