//! What became of a request that Redis did not serve: each failure has a name, and says whether its connection is of use.

use redis::{ErrorKind, RedisError};

use crate::error::StoreError;

/// Errors of a Redis that is the wrong one (a replica, after a failover) or not able to serve yet. The connection is made
/// again, and the name resolved again or the sentinels asked again, until there is one that serves.
const WRONG_SERVER: [&str; 9] =
    ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "MOVED", "ASK", "TRYAGAIN", "NOAUTH", WRONG_PASSWORD];
/// The crate keeps Redis' own word for this one to itself.
const WRONG_PASSWORD: &str = "WRONGPASS";

/// Names an error by what is safe to show: the texts of Redis may repeat what was sent.
pub(super) fn name(error: &RedisError) -> StoreError {
    if error.is_timeout() {
        return StoreError::TimedOut;
    }
    let is_away = error.is_io_error() || error.is_connection_dropped() || error.is_connection_refusal();
    // The last: the node of a cluster that has the key is gone, and no other has taken its place yet.
    if is_away || error.kind() == ErrorKind::ClusterConnectionNotFound {
        return StoreError::Away;
    }
    if error.kind() == ErrorKind::AuthenticationFailed {
        return StoreError::Refused(WRONG_PASSWORD.to_owned());
    }
    // A pipeline has an error for each of its commands.
    let code = error.clone().into_server_errors().and_then(|errors| Some(errors.first()?.1.code().to_owned()));
    StoreError::Refused(code.unwrap_or_else(|| error.category().to_owned()))
}

/// Whether the connection that gave this error has to be replaced.
pub(super) fn is_of_no_use(error: &StoreError) -> bool {
    match error {
        StoreError::Away | StoreError::TimedOut => true,
        StoreError::Refused(code) => WRONG_SERVER.contains(&code.as_str()),
        StoreError::NotInitialised
        | StoreError::Files(_)
        | StoreError::Conflict
        | StoreError::OtherTenant { .. }
        | StoreError::ErasureKey(_) => false,
    }
}
