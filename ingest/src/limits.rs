//! The bounds of one notification, and why each has its value.

use std::time::Duration;

/// Meta sends at most 3 MB (WhatsApp throughput page). A little more is accepted, and nothing beyond.
pub(crate) const BODY_BYTES_MAX: usize = 4 << 20;
/// Meta waits 5 s for an answer, so nobody waits for the answer to a body that takes longer.
pub(crate) const BODY_READ_TIME: Duration = Duration::from_secs(5);
/// Shorter than Meta's 5 s, so that Meta gets our 503 and sends again, instead of giving up on a silent connection.
pub(crate) const PUBLISH_TIME: Duration = Duration::from_secs(4);

const _: () = assert!(PUBLISH_TIME.as_secs() < BODY_READ_TIME.as_secs(), "Meta must get our answer while it waits");
