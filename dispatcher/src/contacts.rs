//! Finds the events of erased and held people under every id that an event has of them, and their own messages in groups.
//!
//! An erasure or a hold names conversations, and an event's own conversation is only one of the names of its people. Bodies
//! are read for the others, but only those that were received before the latest erasure of a contact, or while anybody is held.

use channels::{ChannelStore, DeferredLane, LookedUp, Lookup, LookupAnswer, StoreError};
use event::{Address, Envelope, EventId, Family, Lane, numbers, person_lanes};

/// What becomes of an account at Meta, such as that we were added to it or removed from it. DSK gets that whatever the
/// account's state is here.
const ACCOUNT_NEWS: &str = "whatsapp.account_update";

/// The kinds of channels.
const FAMILIES: [Family; 4] = [Family::WhatsApp, Family::WhatsAppAccount, Family::Instagram, Family::Messenger];

/// Most channels of ours in a body that is no event of which each number is looked for among the erased people. Such a body
/// names one.
const KNOWN_CHANNELS_MAX: usize = 4;

/// What the store knows of an envelope.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) answer: LookupAnswer,
    /// What comes before any other event of its lane.
    pub(crate) deferred: Option<DeferredLane>,
}

/// What the store knows of these envelopes, in their order.
pub(crate) async fn look_up(store: &ChannelStore, envelopes: &[&Envelope]) -> Result<Vec<Found>, StoreError> {
    let lookups = lookups_of(envelopes.iter().copied());
    let LookedUp { mut answers, contacts_erased_until, held, deferred } = store.look_up_with_contacts(&lookups).await?;
    if !held.is_empty() {
        for (answer, envelope) in answers.iter_mut().zip(envelopes) {
            answer.hold_if(&held, person_lanes(envelope).iter().map(Lane::as_str));
        }
    }
    let found = answers.into_iter().zip(deferred);
    let mut found: Vec<Found> = found.map(|(answer, deferred)| Found { answer, deferred }).collect();
    let Some(erased_until) = contacts_erased_until else { return Ok(found) };

    let is_open = |index: &usize| !matches!(found[*index].answer, LookupAnswer::Erased);
    let older = (0..envelopes.len()).filter(|index| envelopes[*index].received_at <= erased_until).filter(is_open);
    let others: Vec<(usize, Lane)> = older.flat_map(|index| other_lanes(index, envelopes[index])).collect();
    if others.is_empty() {
        return Ok(found);
    }
    let lookups: Vec<_> = others.iter().map(|other| Lookup { lane: &other.1, ..lookups[other.0] }).collect();
    let others_answers = store.look_up(&lookups).await?;
    for (other, answer) in others.iter().zip(others_answers) {
        if matches!(answer, LookupAnswer::Erased) {
            found[other.0].answer = answer;
        }
    }
    Ok(found)
}

/// Whether a body that is no event names a channel that was erased since, or a channel of ours and a person of it who was.
/// Nobody can say whose such a body is. A person is found by their number, and not by a user id with a country.
pub(crate) async fn names_erased(store: &ChannelStore, envelope: &Envelope) -> Result<bool, StoreError> {
    let numbers = numbers(envelope);
    let of_family = |id: &String| FAMILIES.map(|family| Address::of(family, id));
    let channels: Vec<Address> = numbers.iter().flat_map(of_family).collect();
    let lanes: Vec<Lane> = channels.iter().map(|channel| Lane::new(channel.as_str())).collect();
    if channels.is_empty() {
        return Ok(false);
    }
    // The event itself is marked once it is parked, and what is asked here is not about the event.
    let id = EventId::new("");
    let about =
        |address, lane| Lookup { id: &id, address, lane, is_about_account: false, received_at: envelope.received_at };
    let lookups: Vec<_> = channels.iter().zip(&lanes).map(|(channel, lane)| about(channel, lane)).collect();
    let LookedUp { answers, contacts_erased_until, .. } = store.look_up_with_contacts(&lookups).await?;
    if answers.iter().any(is_erased) {
        return Ok(true);
    }
    if contacts_erased_until.is_none_or(|until| envelope.received_at > until) {
        return Ok(false);
    }
    let known = channels.iter().zip(&answers).filter(|(_, answer)| !matches!(answer, LookupAnswer::Unknown));
    let known: Vec<&Address> = known.map(|(channel, _)| channel).take(KNOWN_CHANNELS_MAX).collect();
    let lanes = known.iter().flat_map(|channel| numbers.iter().map(move |id| Lane::new(format!("{channel}/{id}"))));
    let lanes: Vec<Lane> = lanes.collect();
    let channels = known.iter().flat_map(|channel| std::iter::repeat_n(*channel, numbers.len()));
    let lookups: Vec<_> = channels.zip(&lanes).map(|(channel, lane)| about(channel, lane)).collect();
    Ok(store.look_up(&lookups).await?.iter().any(is_erased))
}

fn is_erased(answer: &LookupAnswer) -> bool {
    matches!(answer, LookupAnswer::Erased)
}

/// The lanes of an envelope's people that are not its own, each with the envelope's index.
fn other_lanes(index: usize, envelope: &Envelope) -> impl Iterator<Item = (usize, Lane)> {
    person_lanes(envelope).into_iter().filter(|lane| *lane != envelope.lane).map(move |lane| (index, lane))
}

/// What is asked about each envelope.
fn lookups_of<'e>(envelopes: impl Iterator<Item = &'e Envelope>) -> Vec<Lookup<'e>> {
    let lookup = |envelope: &'e Envelope| Lookup {
        id: &envelope.id,
        address: &envelope.address,
        lane: &envelope.lane,
        is_about_account: envelope.event_type.as_str() == ACCOUNT_NEWS,
        received_at: envelope.received_at,
    };
    envelopes.map(lookup).collect()
}
