//! What `ops doctor` asks Redis: whether it keeps what it stores, and whether each process may do its work there.

use channels::{AppendOnlyFile, ChannelStore, StoreError};
use jiff::Timestamp;

use super::findings::Findings;

/// Checks the Redis behind the store. Returns its time, if there is one.
pub(super) async fn check(findings: &mut Findings, store: &ChannelStore) -> Option<Timestamp> {
    let server = match store.server().await {
        Ok(Some(server)) => server,
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
    findings.ok("channels", format!("Redis {} is reached", server.version));
    if server.maxmemory_policy != "noeviction" {
        let text = format!("Redis drops tokens when memory is short (maxmemory-policy {})", server.maxmemory_policy);
        findings.wrong("channels", text, "set maxmemory-policy noeviction in redis.conf");
    }
    append_only_file(findings, &server.append_only_file);
    rights(findings, store).await;
    Some(server.now)
}

/// Redis has the only copy of the tokens, so its content has to survive a restart.
fn append_only_file(findings: &mut Findings, file: &AppendOnlyFile) {
    match file {
        AppendOnlyFile::Loadable => {}
        AppendOnlyFile::Off => {
            let next_step = "set appendonly yes in redis.conf: Redis has the only copy of the tokens";
            findings.wrong("channels", "Redis loses everything when it restarts", next_step);
        }
        AppendOnlyFile::Refused => {
            let next_step =
                "make its user list again (runbook, \"A Redis that forgets its channels\") before it restarts";
            let text = "Redis loses every channel when it restarts: its default user may not load the append-only file";
            findings.wrong("channels", text, next_step);
        }
        AppendOnlyFile::Unknown(code) if code == "NOPERM" => {
            let next_step = "make it again (runbook, \"A Redis that forgets its channels\")";
            findings.wrong("channels", "the user list of Redis is older than this version", next_step);
        }
        AppendOnlyFile::Unknown(code) => {
            findings.ok("channels", format!("Redis does not say whether it could load its append-only file ({code})"));
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
