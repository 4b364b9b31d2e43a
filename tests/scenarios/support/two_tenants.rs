//! Two businesses: what people write to the first and to the second, and where the second wants to have it.

use bytes::Bytes;
use channels::NewChannel;
use chassis::{Secret, Shutdown, SigningSecret, now};
use event::Address;
use ops::dsk::{Behaviour, Dsk};
use testkit::eventually;

use crate::support::bodies;
use crate::support::stack::{DSK_TOKEN, SIGNING_SECRET, Stack, key_ring};

/// A second business, with a number of its own.
pub(crate) const OTHER_NUMBER: &str = "100000000000002";
/// Who write to a business in turn.
pub(crate) const PEOPLE: usize = 20;

/// Message number `serial` to a number, from one of twenty people in turn.
pub(crate) fn message(number: &str, serial: usize) -> Bytes {
    bodies::from(number, &format!("491555{:05}", serial % PEOPLE), &format!("{number}.{serial}"))
}

/// One more DSK, which insists on the same secrets, for the second business.
pub(crate) async fn second_dsk(stack: &Stack, shutdown: &Shutdown) -> Dsk {
    let behaviour = Behaviour {
        token: Some(Secret::new(DSK_TOKEN)),
        signing_secret: Some(SigningSecret::parse(&Secret::new(SIGNING_SECRET)).expect("it is one")),
        ..Behaviour::default()
    };
    let dsk = Dsk::start(([127, 0, 0, 1], 0).into(), behaviour, shutdown).await.expect("a free port");
    other_channel(stack, DSK_TOKEN, Some(dsk.url())).await;
    dsk
}

/// Stores the second business, with its own address or at the common one.
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
