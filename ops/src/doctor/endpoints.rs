//! The channels whose own URL the dispatchers refuse: their events wait as misconfigured.

use ::channels::{Allowance, ChannelState, ChannelStore, check_channel_url};

use super::findings::Findings;
use crate::failure::Failure;

/// Checks each URL as the dispatchers do. An older version may have stored one that this version refuses.
pub(super) async fn check(findings: &mut Findings, store: &ChannelStore, allowance: Allowance) -> Result<(), Failure> {
    for record in store.list().await? {
        let Some(url) = record.dsk_url.as_deref().filter(|_| record.state != ChannelState::Disconnected) else {
            continue;
        };
        if let Err(problem) = check_channel_url("dsk_url", url, allowance) {
            let next_step = "store a URL that is taken with `ops channels add --dsk-url`, and the DSK token with it";
            findings.wrong("channels", format!("events of {} wait: its {problem}", record.address), next_step);
        }
    }
    Ok(())
}
