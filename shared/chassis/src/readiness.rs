//! Why a process is not ready, for the admin port and for the supervisor.

use std::sync::Arc;

/// Lists why the process is not ready; empty if it is ready. Each request of `/ready` calls it, and so does what tells
/// systemd, up to ten times a second.
pub type Readiness = Arc<dyn Fn() -> Vec<String> + Send + Sync>;
