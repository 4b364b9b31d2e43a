//! What Redis says about itself: whether it keeps what it stores, how far a new append-only file is, and what time it has.

use jiff::Timestamp;

/// The servers behind a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// How they belong together.
    pub kind: ServerKind,
    /// Those that can be reached, primaries first.
    pub servers: Vec<Server>,
    /// The addresses of those that can't.
    pub unreachable: Vec<String>,
}

/// How servers belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// There is one.
    One,
    /// Sentinels watch a primary and its replicas.
    Sentinels {
        /// The name by which they know them.
        service: String,
        /// How many there are.
        count: usize,
    },
    /// A cluster.
    Cluster,
}

/// A Redis or Valkey, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub address: String,
    /// Whether it takes writes. If not it is a replica.
    pub is_primary: bool,
    /// How many replicas follow it.
    pub replicas: usize,
    /// What it is, and its version.
    pub version: String,
    /// What it does when memory is short: `noeviction` refuses to store more, every other policy may drop tokens.
    pub maxmemory_policy: String,
    /// Whether what it stores survives its restart.
    pub append_only_file: AppendOnlyFile,
    /// The time on its clock.
    pub now: Timestamp,
}

/// Whether what Redis stores survives its restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendOnlyFile {
    /// There is none: a restart forgets everything.
    Off,
    /// It is written, and a restart can load it.
    Loadable,
    /// It is written, but a restart would refuse to load what scripts wrote, which is every channel: Redis loads the
    /// file as its default user, and that user may not do it (redis/redis issue 14541).
    Refused,
    /// It is written, and this Redis does not say whether a restart can load it, but answers with this error code.
    Unknown(String),
}

/// How far Redis is with rewriting its append-only file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rewriting {
    /// There is no such file, so nothing erased is in it.
    NoFile,
    /// It is being rewritten, or will be soon.
    UnderWay,
    /// It is complete.
    Done,
    /// The last rewrite failed, mostly because the disk is full.
    Failed,
}

impl Rewriting {
    /// Reads the answer to `INFO persistence`.
    pub(crate) fn read(info: &str) -> Self {
        let is = |line: &str| info.lines().any(|other| other.trim_end() == line);
        if !is("aof_enabled:1") {
            Self::NoFile
        } else if !is("aof_rewrite_in_progress:0") || !is("aof_rewrite_scheduled:0") {
            Self::UnderWay
        } else if is("aof_last_bgrewrite_status:ok") {
            Self::Done
        } else {
            Self::Failed
        }
    }
}

impl Server {
    /// Reads the answer to `INFO`. `loading` is what is known about the append-only file if it is on.
    pub(crate) fn read(address: String, info: &str, now: Timestamp, loading: AppendOnlyFile) -> Self {
        let given = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim)
        };
        let field = |name: &str| given(name).unwrap_or("unknown");
        Self {
            address,
            is_primary: field("role") != "slave",
            replicas: field("connected_slaves").parse().unwrap_or_default(),
            version: match given("valkey_version") {
                Some(version) => format!("Valkey {version}"),
                None => format!("Redis {}", field("redis_version")),
            },
            maxmemory_policy: field("maxmemory_policy").to_owned(),
            append_only_file: if field("aof_enabled") == "1" { loading } else { AppendOnlyFile::Off },
            now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(info: &str) -> Server {
        Server::read("host:6379".to_owned(), info, Timestamp::UNIX_EPOCH, AppendOnlyFile::Loadable)
    }

    #[test]
    fn a_redis_that_forgets_is_recognised() {
        let server = server("# Server\r\nredis_version:7.0.15\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:0\r\n");

        assert_eq!((server.version.as_str(), server.maxmemory_policy.as_str()), ("Redis 7.0.15", "allkeys-lru"));
        assert_eq!(server.append_only_file, AppendOnlyFile::Off);
    }

    #[test]
    fn a_server_is_what_it_says_it_is() {
        let primary = server("redis_version:7.2.4\r\nvalkey_version:8.1.1\r\nrole:master\r\nconnected_slaves:2\r\n");
        let replica = server("redis_version:7.0.15\r\nrole:slave\r\nconnected_slaves:0\r\n");

        assert_eq!((primary.version.as_str(), primary.is_primary, primary.replicas), ("Valkey 8.1.1", true, 2));
        assert_eq!((replica.is_primary, replica.replicas), (false, 0));
    }

    #[test]
    fn redis_says_how_far_it_is() {
        let info = "# Persistence\r\naof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\n\
                    aof_last_bgrewrite_status:ok\r\n";

        assert_eq!(Rewriting::read(info), Rewriting::Done);
        for (text, other, expected) in [
            ("aof_enabled:1", "aof_enabled:0", Rewriting::NoFile),
            ("in_progress:0", "in_progress:1", Rewriting::UnderWay),
            ("scheduled:0", "scheduled:1", Rewriting::UnderWay),
            ("status:ok", "status:err", Rewriting::Failed),
        ] {
            assert_eq!(Rewriting::read(&info.replace(text, other)), expected);
        }
    }
}
