//! `ops channels check`: asks Meta whether the channels' tokens work, and whether it posts their events to us.

use channels::{ChannelState, ChannelStore, KeyRing, KeyRingSettings, Metrics};
use chassis::now;
use clap::Args;
use connect::{ChannelHealth, CheckMode, Maintenance, MetaSettings};
use event::{Address, Family};
use prometheus::Registry;

use super::{find, parse_address};
use crate::cli::Failed;
use crate::open::StoreAt;

/// Asks Meta about tokens and subscriptions, as `connect` does once a day. Exit code 1 if anything is wrong.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Only this channel.
    #[arg(value_parser = parse_address)]
    address: Option<Address>,
    /// Makes subscriptions again that Meta has ended, and writes down which tokens work; without it the command only
    /// looks.
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    meta: MetaSettings,
    #[command(flatten)]
    key_ring: KeyRingSettings,
    #[command(flatten)]
    store: StoreAt,
}

impl Check {
    pub(super) async fn run(self) -> Result<(), Failed> {
        let registry = Registry::new();
        let key_ring = KeyRing::load(&self.key_ring, &Metrics::register(&registry)?).map_err(Failed::wrong)?;
        let metrics = connect::Metrics::register(&registry)?;
        self.store
            .with(async |store| {
                let maintenance =
                    Maintenance::new(&self.meta, store.clone(), key_ring, metrics).map_err(Failed::wrong)?;
                self.check(&maintenance, &store).await
            })
            .await
    }

    async fn check(&self, maintenance: &Maintenance, store: &ChannelStore) -> Result<(), Failed> {
        let records = match &self.address {
            Some(address) => vec![find(store, address).await?],
            None => store.list().await?,
        };
        let (mut well, mut wrong) = (0, 0);
        for record in records.iter().filter(|record| record.state != ChannelState::Disconnected) {
            // An account is asked about with its numbers.
            if record.address.family() == Family::WhatsAppAccount && self.address.is_none() {
                continue;
            }
            let mode = if self.repair { CheckMode::Repair } else { CheckMode::ReadOnly };
            let finding = maintenance.check(record, mode, now()).await;
            println!("{:<36} {:<20} {}", record.address, record.tenant, text(finding));
            *if is_well(finding) { &mut well } else { &mut wrong } += 1;
        }
        println!("{} channels: {well} well, {wrong} not", well + wrong);
        if wrong == 0 { Ok(()) } else { Err(Failed::tried(self.next_step())) }
    }

    fn next_step(&self) -> &'static str {
        if self.repair {
            "not every channel is well: the log above says why; `ops connect-link` makes a link for reconnecting"
        } else {
            "not every channel is well: `ops channels check --repair` subscribes again"
        }
    }
}

const fn is_well(finding: ChannelHealth) -> bool {
    match finding {
        ChannelHealth::Healthy | ChannelHealth::Repaired | ChannelHealth::NotChecked => true,
        ChannelHealth::Unsubscribed | ChannelHealth::ReconnectNeeded | ChannelHealth::Unknown => false,
    }
}

const fn text(finding: ChannelHealth) -> &'static str {
    match finding {
        ChannelHealth::Healthy => "well",
        ChannelHealth::Repaired => "subscribed again: Meta had ended it",
        ChannelHealth::Unsubscribed => "NOT SUBSCRIBED: Meta does not post its events",
        ChannelHealth::ReconnectNeeded => "RECONNECT: its token at Meta no longer works",
        ChannelHealth::Unknown => "UNKNOWN: no answer about it",
        ChannelHealth::NotChecked => "not asked: it has no token at Meta, or its app is not given",
    }
}
