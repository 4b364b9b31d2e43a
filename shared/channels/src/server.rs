//! What Redis says about itself: whether it keeps what it stores, how far a new append-only file is, and what time it has.

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
