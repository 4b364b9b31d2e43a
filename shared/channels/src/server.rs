//! What `ops doctor` asks the Redis behind the store: whether it keeps what it stores, and what time it has.

use jiff::Timestamp;

/// A Redis, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its version.
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

impl Server {
    /// Reads the answers to `INFO` and `TIME`. `loading` is what is known about the append-only file if it is on.
    pub(crate) fn read(info: &str, seconds: i64, microseconds: i32, loading: AppendOnlyFile) -> Self {
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or("unknown").trim().to_owned()
        };
        Self {
            version: field("redis_version"),
            maxmemory_policy: field("maxmemory_policy"),
            append_only_file: if field("aof_enabled") == "1" { loading } else { AppendOnlyFile::Off },
            now: Timestamp::new(seconds, microseconds * 1_000).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_forgets_is_recognised() {
        let info = "# Server\r\nredis_version:7.0.15\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:0\r\n";

        let server = Server::read(info, 1_790_000_000, 500_000, AppendOnlyFile::Loadable);

        assert_eq!((server.version.as_str(), server.maxmemory_policy.as_str()), ("7.0.15", "allkeys-lru"));
        assert_eq!(server.append_only_file, AppendOnlyFile::Off);
        assert_eq!(server.now.as_millisecond(), 1_790_000_000_500);
    }
}
