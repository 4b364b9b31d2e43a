//! The whole service of a drill: its processes with cables to their servers, and the DSK of each tenant.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use channels::{ChannelStore, ChannelsSettings, KeyRing, KeyRingSettings, NewChannel, new_key};
use chassis::{Secret, Shutdown, now};
use prometheus::Registry;
use testkit::with_rights;

use super::cables::Cables;
use super::dsk::Dsk;
use super::engines::Engines;
use super::fault::{Cable, DISPATCHERS, Ground, INGESTS, Role, TENANTS};
use super::notification;
use super::slot::Slot;
use crate::notifications::SECRET;
use crate::processes::SIGNING_SECRET;
use crate::rig;

/// The service, its servers and DSK.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) engines: Engines,
    pub(crate) slots: Vec<Slot>,
    pub(crate) dsk: Dsk,
    redis: Option<Cables>,
    dsk_cables: Vec<Cables>,
}

impl World {
    /// Starts everything, with logs in `folder`. Times count from `start`.
    pub(crate) async fn start(ground: Ground, folder: &Path, start: Instant) -> Self {
        let engines = Engines::start(ground, folder).await;
        let dsk = Dsk::start(start).await;
        let mut dsk_cables = Vec::new();
        for address in &dsk.addresses {
            dsk_cables.push(Cables::to(&[*address]).await);
        }
        let redis = match &engines.redis {
            Some(redis) => Some(Cables::to(&[redis.address()]).await),
            None => None,
        };
        let mut world = Self { engines, slots: Vec::new(), dsk, redis, dsk_cables };
        let key = new_key();
        let key_ring_file = rig::write(folder, "key-ring", key.expose());
        world.store_channels(key).await;
        let roles = match ground {
            Ground::Embedded => vec![Role::Standalone],
            Ground::Rabbitmq | Ground::Cluster => {
                (0..INGESTS).map(Role::Ingest).chain((0..DISPATCHERS).map(Role::Dispatcher)).collect()
            }
        };
        for role in roles {
            let slot = world.prepare(role, &key_ring_file, folder).await;
            slot.start().await;
            world.slots.push(slot);
        }
        world
    }

    /// Where notifications are taken.
    pub(crate) fn listens(&self) -> Vec<SocketAddr> {
        let accepting = self.slots.iter().filter(|slot| !matches!(slot.role, Role::Dispatcher(_)));
        accepting.map(|slot| slot.listens).collect()
    }

    pub(crate) fn slot(&self, role: Role) -> &Slot {
        self.slots.iter().find(|slot| slot.role == role).expect("this ground has such a process")
    }

    pub(crate) fn cables(&self, cable: Cable) -> &Cables {
        match cable {
            Cable::Broker(role) => self.slot(role).broker.as_ref().expect("this ground has a broker"),
            Cable::Redis => self.redis.as_ref().expect("this ground has a Redis"),
            Cable::Dsk(tenant) => &self.dsk_cables[tenant],
        }
    }

    /// The most memory that any process has had at once, in bytes.
    pub(crate) async fn peak(&self) -> u64 {
        let mut peak = 0;
        for slot in &self.slots {
            peak = peak.max(slot.peak().await);
        }
        peak
    }

    /// Stops every process and starts it again.
    pub(crate) async fn restart(&self) {
        for slot in &self.slots {
            slot.stop().await;
        }
        for slot in &self.slots {
            slot.start().await;
        }
    }

    /// Stops every process, and returns those that did not end as they should.
    pub(crate) async fn stop(&self) -> Vec<String> {
        let mut failed = Vec::new();
        for slot in &self.slots {
            let code = slot.stop().await;
            if code != Some(0) {
                failed.push(format!("{} ended with {code:?}", slot.role));
            }
        }
        failed
    }

    async fn prepare(&self, role: Role, key_ring_file: &str, folder: &Path) -> Slot {
        let nodes = self.engines.nodes();
        let broker = if nodes.is_empty() { None } else { Some(Cables::to(&nodes).await) };
        let queue_url = &self.engines.queue_url;
        let queue_url = broker.as_ref().map_or(queue_url.clone(), |cables| cables.through(queue_url, &nodes));
        let channels_url = match (&self.redis, &self.engines.redis) {
            (Some(cables), Some(redis)) => cables.through(&self.engines.channels_url, &[redis.address()]),
            _ => self.engines.channels_url.clone(),
        };
        let settings = vec![
            ("QUEUE_URL", queue_url),
            ("CHANNELS_URL", channels_url),
            ("CHANNELS_KEY_PREFIX", self.engines.key_prefix.clone()),
            ("KEY_RING_FILE", key_ring_file.to_owned()),
            ("META_APP_SECRETS", SECRET.to_owned()),
            ("META_VERIFY_TOKENS", "verify".to_owned()),
            ("TRUSTED_PROXIES", "127.0.0.0/8".to_owned()),
            ("DSK_URL", self.dsk_url(0)),
            ("DSK_ALLOW_PRIVATE", "true".to_owned()),
            ("DSK_SIGNING_SECRET", SIGNING_SECRET.to_owned()),
            ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ];
        let user = match role {
            Role::Ingest(_) => "ingest",
            Role::Dispatcher(_) => "dispatcher",
            Role::Standalone => "ops",
        };
        Slot::new(role, broker, with_rights(user, &settings), folder)
    }

    fn dsk_url(&self, tenant: usize) -> String {
        let address = self.dsk.addresses[tenant];
        self.dsk_cables[tenant].through(&format!("http://{address}/events"), &[address])
    }

    async fn store_channels(&self, key: Secret) {
        let shutdown = Shutdown::default();
        let metrics = channels::Metrics::register(&Registry::new()).expect("metrics register once");
        let settings = KeyRingSettings { key_ring: Some(key), key_ring_file: None };
        let ring = KeyRing::load(&settings, &metrics).expect("the ring is good");
        let settings = ChannelsSettings::at(&self.engines.channels_url, &self.engines.key_prefix);
        let store = ChannelStore::open(&settings, metrics, &shutdown).expect("the store opens").with_key_ring(&ring);
        for tenant in 0..TENANTS {
            let token = ring.seal(&Secret::new(Dsk::token(tenant)));
            let mut channel = NewChannel::new(notification::address(tenant), format!("tenant-{tenant}"), token);
            channel.dsk_url = Some(self.dsk_url(tenant));
            store.add(&channel, now()).await.expect("the store works");
        }
        shutdown.request();
    }
}
