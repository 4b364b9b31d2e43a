//! What `ops doctor` asks Redis: whether it keeps what it stores, and whether each process may do its work there.

use channels::{AppendOnlyFile, ChannelStore, Server, ServerKind, Servers, StoreError};
use jiff::Timestamp;

use super::findings::Findings;
use crate::output::counted;

/// Fewer sentinels can't agree that a primary is lost while one of them is lost with it.
const SENTINELS_MIN: usize = 3;

/// Checks the Redis behind the store. Returns its time, if there is one.
pub(super) async fn check(findings: &mut Findings, store: &ChannelStore) -> Option<Timestamp> {
    let servers = match store.servers().await {
        Ok(Some(servers)) => servers,
        Ok(None) => {
            findings.ok("channels", "in files on this machine");
            return None;
        }
        Err(StoreError::Refused(code)) if code == "NOPERM" => {
            let text = format!("Redis does not let us read its configuration ({code}): allow INFO and TIME");
            findings.ok("channels", text);
            return None;
        }
        // The next check reports it.
        Err(_) => return None,
    };
    findings.ok("channels", kind(&servers));
    for [text, next_step] in lacking(&servers) {
        findings.wrong("channels", text, next_step);
    }
    for server in &servers.servers {
        if server.maxmemory_policy != "noeviction" {
            let text = format!("drops tokens when memory is short (maxmemory-policy {})", server.maxmemory_policy);
            let next_step = "set maxmemory-policy noeviction in redis.conf";
            findings.wrong("channels", format!("{} {text}", named(&servers, server)), next_step);
        }
        append_only_file(findings, &named(&servers, server), &server.append_only_file);
    }
    rights(findings, store).await;
    servers.servers.first().map(|server| server.now)
}

/// What stands behind the store.
fn kind(servers: &Servers) -> String {
    let primaries: Vec<&Server> = servers.servers.iter().filter(|server| server.is_primary).collect();
    let version = primaries.first().map_or("Redis", |server| server.version.as_str());
    let places = primaries.iter().map(|server| server.address.as_str()).collect::<Vec<_>>().join(", ");
    let replicas = counted(servers.servers.len() - primaries.len(), "replica");
    match &servers.kind {
        ServerKind::One => format!("{version} is reached"),
        ServerKind::Sentinels { service, count } => {
            let sentinels = counted(*count, "sentinel");
            format!(
                "{version} is reached: {places} is the primary of {service}, with {replicas}, watched by {sentinels}"
            )
        }
        ServerKind::Cluster => {
            let count = counted(primaries.len(), "primary node");
            format!("{version} Cluster is reached: {count} ({places}), {replicas}")
        }
    }
}

/// What the servers lack to survive the loss of one, and what to do about it.
fn lacking(servers: &Servers) -> Vec<[String; 2]> {
    let mut lacking = Vec::new();
    if let ServerKind::Sentinels { service, count } = &servers.kind
        && *count < SENTINELS_MIN
    {
        let text = format!("{service} is watched by {} only", counted(*count, "sentinel"));
        lacking.push([text, "start three, each on a machine of its own: two must agree while one is lost".to_owned()]);
    }
    if servers.kind != ServerKind::One {
        for primary in servers.servers.iter().filter(|server| server.is_primary && server.replicas == 0) {
            let next_step = "add one: when it is lost, nothing is delivered until it is back with its disk";
            lacking.push([format!("the primary {} has no replica", primary.address), next_step.to_owned()]);
        }
    }
    for address in &servers.unreachable {
        let next_step = "start it: meanwhile nothing takes its place, or the place of what it follows";
        lacking.push([format!("the server at {address} can't be reached"), next_step.to_owned()]);
    }
    lacking
}

/// What a server is called in a complaint.
fn named(servers: &Servers, server: &Server) -> String {
    match servers.kind {
        ServerKind::One => "Redis".to_owned(),
        ServerKind::Sentinels { .. } | ServerKind::Cluster => format!("Redis at {}", server.address),
    }
}

/// Redis has the only copy of the tokens, so its content has to survive a restart.
fn append_only_file(findings: &mut Findings, redis: &str, file: &AppendOnlyFile) {
    match file {
        AppendOnlyFile::Loadable => {}
        AppendOnlyFile::Off => {
            let next_step = "set appendonly yes in redis.conf: Redis has the only copy of the tokens";
            findings.wrong("channels", format!("{redis} loses everything when it restarts"), next_step);
        }
        AppendOnlyFile::Refused => {
            let next_step =
                "make its user list again (runbook, \"A Redis that forgets its channels\") before it restarts";
            let text = "loses every channel when it restarts: its default user may not load the append-only file";
            findings.wrong("channels", format!("{redis} {text}"), next_step);
        }
        AppendOnlyFile::Unknown(code) if code == "NOPERM" => {
            let next_step = "make it again (runbook, \"A Redis that forgets its channels\")";
            findings.wrong("channels", format!("the user list of {redis} is older than this version"), next_step);
        }
        AppendOnlyFile::Unknown(code) => {
            findings
                .ok("channels", format!("{redis} does not say whether it could load its append-only file ({code})"));
        }
    }
}

/// A process with a user list of an older release would fail later, at the first command that it is refused.
async fn rights(findings: &mut Findings, store: &ChannelStore) {
    // A failure is reported by the check of the records, and a refusal by that of the append-only file.
    let Ok(rights) = store.rights().await else { return };
    let mut unchecked = Vec::new();
    for rights in rights {
        let process = rights.process;
        match rights.missing {
            None => unchecked.push(process),
            Some(missing) if missing.is_empty() => {}
            Some(missing) => {
                let text = format!("Redis refuses its user {process} what the process needs: {}", missing.join(" "));
                let next_step = format!(
                    "add that to the line \"user {process}\" of users.acl, or make the list again (runbook, \"A Redis \
                     that forgets its channels\"), and restart Redis"
                );
                findings.wrong("channels", text, next_step);
            }
        }
    }
    if !unchecked.is_empty() {
        let users = unchecked.join(", ");
        let text = format!("the rights of {users} are not checked: Redis has no such user, or is older than 7.0");
        findings.ok("channels", text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(address: &str, is_primary: bool, replicas: usize) -> Server {
        Server {
            address: address.to_owned(),
            is_primary,
            replicas,
            version: "Redis 7.0.15".to_owned(),
            maxmemory_policy: "noeviction".to_owned(),
            append_only_file: AppendOnlyFile::Loadable,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    fn servers(kind: ServerKind, servers: Vec<Server>) -> Servers {
        Servers { kind, servers, unreachable: Vec::new() }
    }

    fn complaints(servers: &Servers) -> Vec<String> {
        lacking(servers).into_iter().map(|[text, _]| text).collect()
    }

    #[test]
    fn a_single_redis_lacks_nothing_that_it_could_have() {
        let one = servers(ServerKind::One, vec![server("a:1", true, 0)]);

        assert_eq!(kind(&one), "Redis 7.0.15 is reached");
        assert_eq!(complaints(&one), [""; 0]);
    }

    #[test]
    fn a_service_with_two_sentinels_and_no_replica_is_complained_of() {
        let sentinels = |count| ServerKind::Sentinels { service: "channels".to_owned(), count };
        let whole = servers(sentinels(3), vec![server("a:1", true, 1), server("b:1", false, 0)]);
        let weak = servers(sentinels(2), vec![server("a:1", true, 0)]);

        let expected =
            "Redis 7.0.15 is reached: a:1 is the primary of channels, with 1 replica, watched by 3 sentinels";
        assert_eq!(kind(&whole), expected);
        assert_eq!(complaints(&whole), [""; 0]);
        assert_eq!(complaints(&weak), ["channels is watched by 2 sentinels only", "the primary a:1 has no replica"]);
    }

    #[test]
    fn a_primary_of_a_cluster_without_a_replica_and_a_lost_node_are_complained_of() {
        let nodes = vec![server("a:1", true, 1), server("b:1", true, 0), server("c:1", false, 0)];
        let cluster = Servers { unreachable: vec!["d:1".to_owned()], ..servers(ServerKind::Cluster, nodes) };

        assert_eq!(kind(&cluster), "Redis 7.0.15 Cluster is reached: 2 primary nodes (a:1, b:1), 1 replica");
        assert_eq!(complaints(&cluster), ["the primary b:1 has no replica", "the server at d:1 can't be reached"]);
    }
}
