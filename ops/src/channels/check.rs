//! `ops channels check`: asks Meta whether the channels' tokens work and whether it posts their events to us.

use channels::{ChannelState, ChannelStore};
use chassis::now;
use clap::Args;
use connect::{ChannelHealth, CheckMode, Maintenance, MetaSettings};
use event::{Address, Family};
use prometheus::Registry;

use super::record;
use crate::address::parse_address;
use crate::failure::Failure;
use crate::open::StoreAccess;
use crate::output::{counted, outln};

/// Asks Meta about tokens and subscriptions, as `connect` does once a day. The exit code is 1 if anything is wrong.
#[derive(Args, Debug)]
pub(crate) struct CheckChannels {
    /// Checks only this channel.
    #[arg(value_parser = parse_address)]
    address: Option<Address>,
    /// Subscribes again where Meta has ended a subscription, and stores which tokens work. Without it the command changes
    /// nothing.
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    meta: MetaSettings,
    #[command(flatten)]
    store: StoreAccess,
}

impl CheckChannels {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let registry = Registry::new();
        let key_ring = self.store.key_ring()?;
        let metrics = connect::Metrics::register(&registry)?;
        self.store
            .with(async |store| {
                let maintenance =
                    Maintenance::new(&self.meta, store.clone(), key_ring, metrics).map_err(Failure::usage)?;
                self.check(&maintenance, &store).await
            })
            .await
    }

    async fn check(&self, maintenance: &Maintenance, store: &ChannelStore) -> Result<(), Failure> {
        let records = match &self.address {
            Some(address) => vec![record::find(store, address).await?],
            None => store.list().await?,
        };
        let mut healthy = 0_usize;
        let mut unhealthy = 0_usize;
        for record in records.iter().filter(|record| record.state != ChannelState::Disconnected) {
            // An account is checked with its numbers.
            if record.address.family() == Family::WhatsAppAccount && self.address.is_none() {
                continue;
            }
            let mode = if self.repair { CheckMode::Repair } else { CheckMode::ReadOnly };
            let health = maintenance.check(record, mode, now()).await;
            outln!("{:<36} {:<20} {}", record.address, record.tenant, health_text(health))?;
            *if is_healthy(health) { &mut healthy } else { &mut unhealthy } += 1;
        }
        outln!("{}: {healthy} healthy, {unhealthy} not", counted(healthy + unhealthy, "channel"))?;
        if unhealthy == 0 { Ok(()) } else { Err(Failure::runtime(self.next_step())) }
    }

    fn next_step(&self) -> &'static str {
        if self.repair {
            "not every channel is healthy: `--log warn` shows why; `ops connect-link` makes a link for reconnecting"
        } else {
            "not every channel is healthy: `ops channels check --repair` subscribes again, and `--log warn` shows more"
        }
    }
}

pub(crate) const fn is_healthy(health: ChannelHealth) -> bool {
    match health {
        ChannelHealth::Healthy | ChannelHealth::Repaired | ChannelHealth::NotChecked => true,
        ChannelHealth::Unsubscribed | ChannelHealth::ReconnectNeeded | ChannelHealth::Unknown => false,
    }
}

/// What a check has found, for a person.
pub(crate) const fn health_text(health: ChannelHealth) -> &'static str {
    match health {
        ChannelHealth::Healthy => "healthy",
        ChannelHealth::Repaired => "subscribed again: Meta had ended the subscription",
        ChannelHealth::Unsubscribed => "NOT SUBSCRIBED: Meta does not post its events",
        ChannelHealth::ReconnectNeeded => "RECONNECT: its token at Meta no longer works",
        ChannelHealth::Unknown => "UNKNOWN: there was no answer about it",
        ChannelHealth::NotChecked => "not checked: it has no token at Meta, or the settings of its app are missing",
    }
}
