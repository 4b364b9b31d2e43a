//! A second business beside the first: its number, the messages to both, and the DSK that it uses.

use bytes::Bytes;
use channels::NewChannel;
use chassis::{Secret, Shutdown, now};
use event::Address;
use ops::dsk::Dsk;
use testkit::eventually;

use crate::support::bodies;
use crate::support::dsk::{DSK_TOKEN, SIGNING_SECRET, start_dsk};
use crate::support::stack::{Stack, key_ring};

/// The number of the second business.
pub(crate) const OTHER_NUMBER: &str = "100000000000002";
/// How many people write to a business in turn.
pub(crate) const PEOPLE: usize = 20;

/// Message number `serial` to a number, from one of twenty people in turn.
pub(crate) fn message(number: &str, serial: usize) -> Bytes {
    bodies::from(number, &format!("491555{:05}", serial % PEOPLE), &format!("{number}.{serial}"))
}

/// Starts a second DSK with the same secrets, and stores the second business with its URL.
pub(crate) async fn second_dsk(stack: &Stack, shutdown: &Shutdown) -> Dsk {
    let dsk = start_dsk(DSK_TOKEN, SIGNING_SECRET, shutdown).await;
    other_channel(stack, DSK_TOKEN, Some(dsk.url())).await;
    dsk
}

/// Stores the second business, with its own URL or, without one, at the common DSK.
pub(crate) async fn other_channel(stack: &Stack, token: &str, dsk_url: Option<String>) {
    let ring = key_ring(&[&stack.processes.key()]);
    let address = Address::new(format!("whatsapp:{OTHER_NUMBER}"));
    let mut channel = NewChannel::new(address, "other", ring.seal(&Secret::new(token)));
    channel.dsk_url = dsk_url;
    let store = stack.store();
    eventually("the channel is stored", async || store.add(&channel, now()).await.ok()).await;
}

/// Posts these messages to a number.
pub(crate) async fn post(stack: &Stack, number: &str, serials: std::ops::Range<usize>) {
    for serial in serials {
        assert_eq!(stack.processes.post(message(number, serial)).await, 200);
    }
}
