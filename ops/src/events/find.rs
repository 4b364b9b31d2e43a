//! Finds events: asks the store what it knows of them, the dispatchers what they have paused, and, if the store does not know
//! how an event ended, the dead letters and a queue that can be looked into.

use std::collections::BTreeSet;
use std::time::Duration;

use ::channels::{ChannelStore, StoredEvent};
use chassis::{Shutdown, now};
use event::EventId;
use jiff::Timestamp;
use queue::{Queue, QueueName, Whereabouts};

use super::channel::ChannelStanding;
use super::standing::{Parked, Standing, View};
use super::steps::{Step, steps};
use super::wanted::{Wanted, WantedEvent};
use crate::dead_letters::{Search, search};
use crate::failure::Failure;

/// What is known of the wanted events.
#[derive(Clone, Debug)]
pub(crate) struct Trail {
    /// Those of which something is known.
    pub(crate) events: Vec<FoundEvent>,
    /// How many ids were looked for.
    pub(crate) looked_for: usize,
    /// How the channel stands, if it was given.
    pub(crate) channel: Option<ChannelStanding>,
    pub(crate) dead_letters: Looked,
    /// How many envelopes wait in each queue: nobody can look into these.
    pub(crate) waiting: Vec<Waiting>,
    /// How many dispatchers have reported lately.
    pub(crate) dispatchers: usize,
    pub(crate) found_at: Timestamp,
}

/// An event of which something is known.
#[derive(Clone, Debug)]
pub(crate) struct FoundEvent {
    pub(crate) id: EventId,
    pub(crate) what: Option<String>,
    pub(crate) standing: Standing,
    /// What happened, oldest first.
    pub(crate) steps: Vec<Step>,
}

/// How many envelopes wait in a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) queue: QueueName,
    pub(crate) envelopes: u64,
}

/// Where dead letters are looked for.
#[derive(Clone, Debug)]
pub(crate) enum LetterSource {
    /// In the queue, for this time at most. It is not asked if the store knows how everything ended.
    Queue(Duration),
    /// In what somebody has read of the queue before.
    Read(Vec<Parked>),
}

/// How far the dead letters were looked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// Not at all: the store knows enough.
    NotNeeded,
    /// At all of them.
    AtAll { count: usize },
    /// At the oldest of them, until the time was over.
    AtSome { count: usize },
    /// At those that somebody had read before.
    AtThoseRead,
    /// Somebody else is looking through them.
    Busy { holder: String },
}

/// Where to look.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) queue: &'a Queue,
    pub(crate) store: &'a ChannelStore,
    pub(crate) shutdown: &'a Shutdown,
}

/// Finds what is known of events.
pub(crate) async fn find(wanted: &Wanted, source: LetterSource, places: Places<'_>) -> Result<Trail, Failure> {
    let Places { queue, store, .. } = places;
    let found_at = now();
    let mut view = View::of_reports(&store.reports().await?, found_at);
    let stored = store.find_events(&wanted.ids()).await?;
    view.hides_erasures = stored.hides_erasures;
    let depths = queue.depths().await?;
    let open = open_ids(wanted, &stored.events, &view);
    let seen = if open.is_empty() { None } else { queue.whereabouts(open.iter().cloned().collect()).await? };
    let seen = seen.unwrap_or_default();
    let looked = look_through(source, &open, places).await?;
    view.has_seen_all = matches!(looked.how, Looked::AtAll { .. });
    let sights = Sights { letters: &looked.letters, seen: &seen, view: &view };
    let events = wanted.events.iter().zip(&stored.events);
    let events = events.filter_map(|(wanted, stored)| sights.found(wanted, stored)).collect();
    let channel = match &wanted.channel {
        Some(address) => Some(ChannelStanding::read(store, address, &view).await?),
        None => None,
    };
    let waiting = depths.into_iter().map(|(queue, envelopes)| Waiting { queue, envelopes });
    Ok(Trail {
        events,
        looked_for: wanted.events.len(),
        channel,
        dead_letters: looked.how,
        waiting: waiting.collect(),
        dispatchers: view.living.len(),
        found_at,
    })
}

/// The ids that may be those of dead letters: those that the store parked, and if it knows no end of any event, all.
fn open_ids(wanted: &Wanted, stored: &[StoredEvent], view: &View) -> BTreeSet<EventId> {
    let standings: Vec<Option<Standing>> = stored.iter().map(|event| Standing::of(event, None, None, view)).collect();
    let knows_end = standings.iter().flatten().any(Standing::is_final);
    let is_open = |standing: &Option<Standing>| match standing {
        Some(Standing::Delivered { .. } | Standing::Erased { .. }) => false,
        // It comes back from there by itself, and nobody else has parked it meanwhile.
        Some(Standing::Retrying { .. } | Standing::Deferred { .. }) => false,
        Some(_) => true,
        None => !knows_end,
    };
    wanted.ids().into_iter().zip(standings).filter(|(_, standing)| is_open(standing)).map(|(id, _)| id).collect()
}

/// What was found among the dead letters.
struct LookedThrough {
    letters: Vec<Parked>,
    how: Looked,
}

async fn look_through(
    source: LetterSource,
    open: &BTreeSet<EventId>,
    places: Places<'_>,
) -> Result<LookedThrough, Failure> {
    let nothing = |how| Ok(LookedThrough { letters: Vec::new(), how });
    let time = match source {
        LetterSource::Read(letters) => return Ok(LookedThrough { letters, how: Looked::AtThoseRead }),
        LetterSource::Queue(_) if open.is_empty() => return nothing(Looked::NotNeeded),
        LetterSource::Queue(time) if time.is_zero() => return nothing(Looked::AtSome { count: 0 }),
        LetterSource::Queue(time) => time,
    };
    let Search { found, looked_at, is_complete, holder } = search(open, time, places.queue, places.shutdown).await?;
    let how = match holder {
        Some(holder) => Looked::Busy { holder },
        None if is_complete => Looked::AtAll { count: looked_at },
        None => Looked::AtSome { count: looked_at },
    };
    Ok(LookedThrough { letters: found.iter().map(Parked::from).collect(), how })
}

/// What was seen of all wanted events.
struct Sights<'a> {
    letters: &'a [Parked],
    seen: &'a [Whereabouts],
    view: &'a View,
}

impl Sights<'_> {
    fn found(&self, wanted: &WantedEvent, stored: &StoredEvent) -> Option<FoundEvent> {
        // A replay may have left several of one event: the newest says where it is.
        let letter = self.letters.iter().filter(|letter| letter.id == wanted.id).max_by_key(|letter| letter.at);
        let seen = self.seen.iter().rfind(|seen| seen.id == wanted.id);
        let standing = Standing::of(stored, letter, seen, self.view)?;
        let steps = steps(stored, letter);
        Some(FoundEvent { id: wanted.id.clone(), what: wanted.what.clone(), standing, steps })
    }
}
