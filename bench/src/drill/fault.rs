//! What can happen during a drill: each fault, what it may explain, and how long the service may take afterwards.

use std::fmt;
use std::time::Duration;

/// How many of each process there are, beside servers.
pub(crate) const INGESTS: usize = 2;
pub(crate) const DISPATCHERS: usize = 3;
/// Businesses, each with a DSK of its own.
pub(crate) const TENANTS: usize = 3;
/// How long one attempt may take (`ATTEMPT_TIMEOUT`): one that began during a fault may end so long after it.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long RabbitMQ or lapin may take to find that a silent connection is dead (a heartbeat of 10 s, missed twice).
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How often a destination that is misconfigured is probed.
const MISCONFIGURED: Duration = Duration::from_mins(1);

/// What the service runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Ground {
    /// One RabbitMQ and one Redis.
    Rabbitmq,
    /// Three RabbitMQ nodes and one Redis.
    Cluster,
    /// Files: one process, `ops standalone`.
    Embedded,
}

/// A process of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Ingest(usize),
    Dispatcher(usize),
    Standalone,
}

/// The way from the processes to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cable {
    /// From one process to the broker.
    Broker(Role),
    /// From every dispatcher to Redis.
    Redis,
    /// From every dispatcher to the DSK of one tenant.
    Dsk(usize),
}

/// What becomes of a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Connections break, and new ones end at once.
    Cut,
    /// Connections stay, and nothing passes.
    Stalled,
    /// Everything passes late.
    Slow,
    /// The connections that exist stay silent for ever, new ones work.
    HalfOpen,
}

/// How DSK treats requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    #[default]
    Well,
    /// Answers 503.
    Unavailable,
    /// Takes some seconds for each answer.
    Slow,
    /// Never answers.
    Hanging,
    /// Takes the event, and answers one byte a second.
    Dripping,
    /// Takes the event, and closes within the head of its answer.
    ClosingHalfWay,
    /// Redirects to another place.
    Redirecting,
    /// Takes the event, and its answer's body never ends.
    Endless,
    /// Answers with something that is not HTTP.
    Wrong,
    /// Asks for a pause (429).
    Throttling,
    /// Refuses the event (422).
    Rejecting,
}

/// Something that happens to the service or to what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A process is killed (-9), and started again at the end.
    Kill(Role),
    /// A process is stopped (SIGSTOP) until the end.
    Freeze(Role),
    /// Every process is stopped as an upgrade does, and started again, one after the other.
    Upgrade,
    /// RabbitMQ is killed, and started again at the end.
    KillBroker,
    /// RabbitMQ reads nothing from publishers.
    Alarm,
    /// A queue is deleted with what is in it.
    DeleteQueue(usize),
    /// RabbitMQ closes every connection.
    CloseConnections,
    /// Every queue gets another leader.
    MoveLeaders,
    /// A node of the cluster is killed, and started again at the end.
    KillNode(usize),
    /// A node of the cluster hangs until the end.
    FreezeNode(usize),
    /// Something becomes of a cable.
    Cable(Cable, Damage),
    /// Redis is killed and away until the end.
    KillRedis,
    /// Redis loses every marker of a delivered event.
    ForgetMarkers,
    /// Redis refuses to store anything.
    FillRedis,
    /// The DSK of one tenant, or of all, behaves in another manner.
    Dsk(Option<usize>, Manner),
    /// No file can grow.
    FillDisk,
}

/// What a fault concerns. Two faults that happen at once concern different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Processes,
    Broker,
    Cables,
    Redis,
    Dsk,
    Disk,
}

impl Fault {
    pub(crate) fn part(self) -> Part {
        match self {
            Self::Kill(_) | Self::Freeze(_) | Self::Upgrade => Part::Processes,
            Self::KillBroker | Self::Alarm | Self::DeleteQueue(_) | Self::CloseConnections => Part::Broker,
            Self::MoveLeaders | Self::KillNode(_) | Self::FreezeNode(_) => Part::Broker,
            Self::Cable(Cable::Broker(_), _) => Part::Cables,
            Self::Cable(Cable::Redis, _) | Self::KillRedis | Self::ForgetMarkers | Self::FillRedis => Part::Redis,
            Self::Cable(Cable::Dsk(_), _) | Self::Dsk(..) => Part::Dsk,
            Self::FillDisk => Part::Disk,
        }
    }

    /// Whether DSK may get an event twice because of it: it had the event, and the service cannot know that.
    pub(crate) fn explains_repeats(self) -> bool {
        match self {
            // What is under way is finished before a process stops, and a marker tells of what was delivered.
            Self::Upgrade | Self::Alarm | Self::Cable(_, Damage::Slow) => false,
            Self::Dsk(_, manner) => matches!(manner, Manner::Dripping | Manner::ClosingHalfWay),
            Self::Kill(role) | Self::Freeze(role) => !matches!(role, Role::Ingest(_)),
            Self::Cable(Cable::Broker(role), _) => !matches!(role, Role::Ingest(_)),
            Self::KillBroker | Self::DeleteQueue(_) | Self::CloseConnections | Self::MoveLeaders => true,
            Self::KillNode(_) | Self::FreezeNode(_) | Self::Cable(Cable::Redis | Cable::Dsk(_), _) => true,
            Self::KillRedis | Self::ForgetMarkers | Self::FillRedis | Self::FillDisk => true,
        }
    }

    /// How much longer than usual the design lets the service need after the end.
    pub(crate) fn allowance(self) -> Duration {
        let is_silent = matches!(self, Self::Cable(Cable::Broker(_), Damage::HalfOpen) | Self::FreezeNode(_));
        let holds_attempts = matches!(
            self,
            Self::Dsk(_, Manner::Hanging | Manner::Dripping)
                | Self::Cable(Cable::Dsk(_), Damage::Stalled | Damage::HalfOpen)
        );
        if matches!(self, Self::Dsk(_, Manner::Redirecting)) {
            MISCONFIGURED
        } else if is_silent {
            HEARTBEAT
        } else if holds_attempts {
            ATTEMPT
        } else {
            Duration::ZERO
        }
    }

    /// Whether it has no end of its own: it is over as soon as it has happened.
    pub(crate) fn is_moment(self) -> bool {
        matches!(
            self,
            Self::Upgrade | Self::DeleteQueue(_) | Self::CloseConnections | Self::MoveLeaders | Self::ForgetMarkers
        ) || matches!(self, Self::Cable(_, Damage::HalfOpen))
    }

    /// Every fault that can happen on a ground.
    pub(crate) fn all(ground: Ground) -> Vec<Self> {
        let mut faults = dsk_faults();
        if ground == Ground::Embedded {
            faults.extend([Self::Kill(Role::Standalone), Self::Freeze(Role::Standalone), Self::Upgrade]);
            faults.push(Self::FillDisk);
            return faults;
        }
        let ingests = (0..INGESTS).map(Role::Ingest);
        for role in ingests.chain((0..DISPATCHERS).map(Role::Dispatcher)) {
            faults.extend([Self::Kill(role), Self::Freeze(role)]);
            faults.extend(Damage::ALL.map(|damage| Self::Cable(Cable::Broker(role), damage)));
        }
        faults.extend(Damage::ALL.map(|damage| Self::Cable(Cable::Redis, damage)));
        faults.extend([Self::Upgrade, Self::Upgrade, Self::KillRedis, Self::ForgetMarkers, Self::FillRedis]);
        match ground {
            Ground::Cluster => {
                faults.extend((0..testkit::NODES).flat_map(|node| [Self::KillNode(node), Self::FreezeNode(node)]));
                faults.extend([Self::MoveLeaders, Self::MoveLeaders]);
            }
            Ground::Rabbitmq | Ground::Embedded => {
                faults.extend([Self::KillBroker, Self::KillBroker, Self::Alarm, Self::Alarm]);
                faults.extend([Self::CloseConnections, Self::CloseConnections]);
                faults.extend([0, 7].map(Self::DeleteQueue));
            }
        }
        faults
    }
}

fn dsk_faults() -> Vec<Fault> {
    let mut faults = Vec::new();
    for manner in Manner::TROUBLE {
        faults.extend([Fault::Dsk(None, manner), Fault::Dsk(Some(1), manner)]);
    }
    faults.extend(Damage::ALL.map(|damage| Fault::Cable(Cable::Dsk(0), damage)));
    faults
}

impl Damage {
    const ALL: [Self; 4] = [Self::Cut, Self::Stalled, Self::Slow, Self::HalfOpen];
}

impl Manner {
    const TROUBLE: [Self; 10] = [
        Self::Unavailable,
        Self::Slow,
        Self::Hanging,
        Self::Dripping,
        Self::ClosingHalfWay,
        Self::Redirecting,
        Self::Endless,
        Self::Wrong,
        Self::Throttling,
        Self::Rejecting,
    ];
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rabbitmq => "rabbitmq",
            Self::Cluster => "cluster",
            Self::Embedded => "embedded",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ingest(number) => write!(f, "ingest-{number}"),
            Self::Dispatcher(number) => write!(f, "dispatcher-{number}"),
            Self::Standalone => f.write_str("standalone"),
        }
    }
}

impl fmt::Display for Cable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(role) => write!(f, "{role} to the broker"),
            Self::Redis => f.write_str("dispatchers to Redis"),
            Self::Dsk(tenant) => write!(f, "dispatchers to the DSK of tenant {tenant}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(role) => write!(f, "{role} killed"),
            Self::Freeze(role) => write!(f, "{role} stopped (SIGSTOP)"),
            Self::Upgrade => f.write_str("rolling upgrade"),
            Self::KillBroker => f.write_str("RabbitMQ killed"),
            Self::Alarm => f.write_str("RabbitMQ's memory alarm"),
            Self::DeleteQueue(queue) => write!(f, "queue {queue} of class messages deleted"),
            Self::CloseConnections => f.write_str("RabbitMQ closed its connections"),
            Self::MoveLeaders => f.write_str("leaders moved"),
            Self::KillNode(node) => write!(f, "node {node} killed"),
            Self::FreezeNode(node) => write!(f, "node {node} hung"),
            Self::Cable(cable, damage) => write!(f, "cable from {cable} {damage:?}"),
            Self::KillRedis => f.write_str("Redis killed"),
            Self::ForgetMarkers => f.write_str("Redis emptied of markers"),
            Self::FillRedis => f.write_str("Redis full"),
            Self::Dsk(None, manner) => write!(f, "every DSK {manner:?}"),
            Self::Dsk(Some(tenant), manner) => write!(f, "DSK of tenant {tenant} {manner:?}"),
            Self::FillDisk => f.write_str("disk full"),
        }
    }
}
