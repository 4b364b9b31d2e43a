//! What each process needs of Redis, and whether Redis grants it: an operator may have kept the user list of an older release.

use redis::{Pipeline, cmd};

use super::servers::OneServer;
use super::{Placement, RedisStore};
use crate::error::StoreError;

/// What Redis grants a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRights {
    /// The process, whose user in the shipped list has its name.
    pub process: &'static str,
    /// The words that its line of the user list lacks, such as `+sadd` and `~erasures:*`. `None`: Redis has no user of this
    /// name, or is older than 7.0 and can't be asked.
    pub missing: Option<Vec<String>>,
}

/// What a process needs beside what all need: the commands and the keys of its user in `ops/redis/users.acl`, which every
/// test of the process runs as. A test compares this table with that file.
struct Need {
    process: &'static str,
    keys: &'static [&'static str],
    /// What is asked once, because it names no key.
    keyless: &'static [&'static str],
}

/// The keys that every process changes.
const KEYS: &[&str] = &["channel:*", "channels:*", "user:*", "erased:*", "erasure:*", "erasures:*"];
/// What every process asks of a connection and of the scripts.
const KEYLESS: &[&str] = &["ping", "scan", "script|load"];
/// What every process asks of a cluster only. A single Redis may do without them, as the user lists of older releases do.
const OF_CLUSTERS: &[&str] = &["cluster|slots", "cluster|shards", "asking"];
/// By these every process reads, changes and finds records: what is asked with a key of each kind.
const COMMANDS: &[&str] = &[
    "exists",
    "mget",
    "hgetall",
    "hset",
    "hincrby",
    "del",
    "expire",
    "setex",
    "sadd",
    "srem",
    "sismember",
    "smembers",
    "evalsha",
];

const NEEDS: [Need; 3] = [
    Need {
        process: "dispatcher",
        keys: &["delivered:*", "trail:*", "dispatcher:*", "lease:rewrite*"],
        keyless: &["info", "bgrewriteaof"],
    },
    Need { process: "connect", keys: &["ticket:*", "session:*", "deletion:*", "lease:*"], keyless: &[] },
    Need {
        process: "ops",
        keys: &["delivered:*", "trail:*", "dispatcher:*", "ticket:*", "session:*", "deletion:*", "lease:*"],
        keyless: &["info", "time", "acl|dryrun", "script|kill"],
    },
];

impl Need {
    fn keys(&self) -> impl Iterator<Item = &'static str> {
        KEYS.iter().chain(self.keys).copied()
    }

    fn keyless(&self, is_cluster: bool) -> impl Iterator<Item = &'static str> {
        let of_clusters = if is_cluster { OF_CLUSTERS } else { &[] };
        KEYLESS.iter().chain(of_clusters).chain(self.keyless).copied()
    }

    /// What the user list of a server lacks; `None` if it has no such user.
    async fn missing_at(&self, server: &OneServer, placement: &Placement) -> Result<Option<Vec<String>>, StoreError> {
        match self.ask(server, placement).await {
            Ok(missing) => Ok(Some(missing)),
            Err(StoreError::Refused(code)) if code == "ERR" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for every command with every kind of key. A word is missing if Redis refuses it whatever it is combined with.
    async fn ask(&self, server: &OneServer, placement: &Placement) -> Result<Vec<String>, StoreError> {
        let keys: Vec<_> = self.keys().map(|pattern| placement.key(&matching(pattern))).collect();
        let keyless = || self.keyless(placement.is_spread);
        let mut questions = Pipeline::new();
        let mut ask = |words: Vec<&str>| {
            questions.add_command(cmd("ACL").arg("DRYRUN").arg(self.process).arg(words).clone());
        };
        keyless().for_each(|command| ask(whole(command, "")));
        for command in COMMANDS {
            keys.iter().for_each(|key| ask(whole(command, key)));
        }
        let answers: Vec<String> = server.query(&questions).await?;
        let granted: Vec<bool> = answers.iter().map(|answer| answer == "OK").collect();
        let (of_keyless, of_commands) = granted.split_at(keyless().count().min(granted.len()));
        let of_commands: Vec<&[bool]> = of_commands.chunks(keys.len()).collect();

        let refused = |granted: &[bool]| !granted.contains(&true);
        let refused_keyless = keyless().zip(of_keyless).filter(|(_, granted)| !**granted);
        let mut missing: Vec<String> = refused_keyless.map(|(command, _)| format!("+{command}")).collect();
        let commands = COMMANDS.iter().zip(&of_commands);
        missing.extend(commands.filter(|(_, of)| refused(of)).map(|(command, _)| format!("+{command}")));
        for (at, pattern) in self.keys().enumerate() {
            // A key that may only be read, say, is refused to some of the commands that are granted.
            if of_commands.iter().any(|of| !refused(of) && !of[at]) || of_commands.iter().all(|of| refused(of)) {
                missing.push(format!("~{}{pattern}", placement.prefix));
            }
        }
        Ok(missing)
    }
}

impl RedisStore {
    /// Asks every server what it would refuse each process: each has a user list of its own.
    pub(crate) async fn rights(&self) -> Result<Vec<ProcessRights>, StoreError> {
        let servers = self.all_servers().await?.reached;
        let mut rights = Vec::with_capacity(NEEDS.len());
        for need in &NEEDS {
            let mut missing = Some(Vec::new());
            for server in &servers {
                let here = need.missing_at(server, &self.0.placement).await?;
                missing = missing.zip(here).map(|(missing, here)| joined(missing, here));
            }
            rights.push(ProcessRights { process: need.process, missing });
        }
        Ok(rights)
    }
}

/// A key that a pattern matches. In a cluster its name goes on.
fn matching(pattern: &str) -> String {
    let beginning = pattern.trim_end_matches('*');
    if beginning.ends_with(':') { format!("{beginning}any") } else { beginning.to_owned() }
}

fn joined(mut words: Vec<String>, more: Vec<String>) -> Vec<String> {
    for word in more {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// A whole command, as Redis wants to be asked about it.
fn whole<'a>(command: &'a str, key: &'a str) -> Vec<&'a str> {
    let mut words: Vec<&str> = command.split('|').collect();
    words.extend(match command {
        "scan" => &["0"][..],
        "acl|dryrun" => &["default", "ping"],
        "script|load" => &["return 1"],
        "evalsha" => &["0000000000000000000000000000000000000000", "1"],
        _ => &[],
    });
    if !key.is_empty() {
        words.push(key);
    }
    words.extend(match command {
        "hset" => &["field", "value"][..],
        "hincrby" => &["field", "1"],
        "expire" => &["1"],
        "setex" => &["1", "value"],
        "sadd" | "srem" | "sismember" => &["member"],
        _ => &[],
    });
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chassis::Shutdown;
    use prometheus::Registry;
    use testkit::{PASSWORD, Redis, RedisCluster};

    use super::*;
    use crate::{ChannelStore, ChannelsSettings, Metrics};

    /// The line of the shipped user list for a process.
    fn shipped(process: &str) -> String {
        let of_process = format!("user {process} ");
        Redis::shipped_users().into_iter().find(|line| line.starts_with(&of_process)).unwrap()
    }

    fn rights_in(line: &str) -> BTreeSet<String> {
        line.split(' ').filter(|word| word.starts_with(['~', '+'])).map(str::to_owned).collect()
    }

    fn open(redis: &Redis, prefix: &str) -> ChannelStore {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let settings = ChannelsSettings::at(redis.url_for("admin"), prefix);
        ChannelStore::open(&settings, metrics, &Shutdown::default()).unwrap()
    }

    /// What Redis refuses one process.
    async fn missing(store: &ChannelStore, process: &str) -> Option<Vec<String>> {
        let rights = store.rights().await.unwrap();
        rights.into_iter().find(|rights| rights.process == process).unwrap().missing
    }

    #[test]
    fn what_the_processes_need_is_what_the_shipped_user_list_grants() {
        for need in NEEDS {
            let keys = need.keys().map(|key| format!("~{key}"));
            let commands = need.keyless(true).chain(COMMANDS.iter().copied()).map(|command| format!("+{command}"));
            let needed: BTreeSet<String> = keys.chain(commands).collect();

            assert_eq!(needed, rights_in(&shipped(need.process)), "{}", need.process);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_word_that_a_user_list_lacks_is_found() {
        let redis = Redis::start_with_shipped_users().await;
        let store = open(&redis, "");

        for process in NEEDS.map(|need| need.process) {
            let line = shipped(process);
            assert_eq!(missing(&store, process).await, Some(Vec::new()), "{process}");
            let of_clusters: Vec<String> = OF_CLUSTERS.iter().map(|command| format!("+{command}")).collect();
            for word in rights_in(&line).into_iter().filter(|word| !of_clusters.contains(word)) {
                let older: Vec<&str> = line.split(' ').skip(1).filter(|other| *other != word).collect();
                let set = [&["ACL", "SETUSER"][..], &older].concat();
                assert_eq!(redis.command_as("admin", PASSWORD, &set).await, "+OK\r\n");
                assert_eq!(missing(&store, process).await, Some(vec![word.clone()]), "{process}");
            }
            let set = [vec!["ACL", "SETUSER"], line.split(' ').skip(1).collect()].concat();
            redis.command_as("admin", PASSWORD, &set).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_node_of_a_cluster_is_asked() {
        let cluster = RedisCluster::start().await;
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let settings = ChannelsSettings::at(cluster.url(), &cluster.prefix());
        let store = ChannelStore::open(&settings, metrics, &Shutdown::default()).unwrap();

        for process in NEEDS.map(|need| need.process) {
            assert_eq!(missing(&store, process).await, Some(Vec::new()), "{process}");
        }
        cluster.command_at(4, &["ACL", "SETUSER", "connect", "-asking"]).await.unwrap();
        cluster.command_at(5, &["ACL", "SETUSER", "connect", "-mget"]).await.unwrap();

        let mut found = missing(&store, "connect").await.unwrap();
        found.sort_unstable();
        assert_eq!(found, ["+asking", "+mget"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn keys_are_asked_for_with_their_prefix_and_a_user_that_does_not_exist_is_not_judged() {
        let redis = Redis::start_with_shipped_users().await;
        redis.command_as("admin", PASSWORD, &["ACL", "DELUSER", "connect"]).await;
        let store = open(&redis, "other:");

        assert!(missing(&store, "dispatcher").await.unwrap().contains(&"~other:channel:*".to_owned()));
        assert_eq!(missing(&store, "connect").await, None);
    }
}
