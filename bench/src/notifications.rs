//! The notifications that are posted: a message of about 1 KiB each, from many people, to one channel or many.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use chassis::Secret;

/// The app secret with which they are signed.
pub(crate) const SECRET: &str = "app-secret";
/// The number of the channel that `bench::message` is about.
const PHONE_NUMBER_ID: &str = "106540352242922";
/// What stands before the serial number of a message in its id.
const BEFORE_SERIAL: &str = "MDAwMRU";
/// Digits of that number.
const SERIAL_DIGITS: usize = 20;
/// Digits in which people differ.
const PERSON_DIGITS: usize = 6;

/// What the notifications are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Channels that they are about, by turns.
    pub(crate) channels: usize,
    /// People who write to each channel.
    pub(crate) people: usize,
    /// Bytes added to each message.
    pub(crate) padding: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { channels: 1, people: 5_000, padding: 0 }
    }
}

/// A notification's body and the signature that Meta would send with it.
#[derive(Clone, Debug)]
pub(crate) struct SignedNotification {
    pub(crate) body: Bytes,
    pub(crate) signature: String,
}

impl SignedNotification {
    pub(crate) fn new(body: Bytes) -> Self {
        Self { signature: ingest::sign(&body, &Secret::new(SECRET)), body }
    }
}

/// Makes notifications with one event each.
pub(crate) fn signed(events: usize, shape: Shape) -> Arc<Vec<SignedNotification>> {
    Arc::new((0..events).map(|serial| SignedNotification::new(notification(serial, shape))).collect())
}

/// What is posted.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// These, which cost nothing while they are posted.
    Made(Arc<Vec<SignedNotification>>),
    /// As many as are asked for, each made when it is posted, which takes some microseconds.
    Endless(Arc<Template>),
}

impl Source {
    pub(crate) fn endless() -> Self {
        Self::Endless(Arc::new(Template::new()))
    }

    /// The notification of this number; `None` behind the last one.
    pub(crate) fn get(&self, serial: usize) -> Option<Cow<'_, SignedNotification>> {
        match self {
            Self::Made(notifications) => notifications.get(serial).map(Cow::Borrowed),
            Self::Endless(template) => Some(Cow::Owned(template.fill(serial))),
        }
    }
}

/// A notification in which only digits have to be replaced.
#[derive(Debug)]
pub(crate) struct Template {
    body: Vec<u8>,
    serial_at: usize,
    /// Where the last digits of the person's number and id stand.
    person_at: Vec<usize>,
}

impl Template {
    fn new() -> Self {
        let body = notification(0, Shape::default()).to_vec();
        let text = String::from_utf8_lossy(&body).into_owned();
        let ends = |of: &str| text.match_indices(of).map(|(at, _)| at + of.len() - PERSON_DIGITS).collect::<Vec<_>>();
        let person_at = [ends(&phone_number(0)), ends(&user_id(0))].concat();
        let serial_at = text.find(BEFORE_SERIAL).map(|at| at + BEFORE_SERIAL.len()).expect("it has a serial number");
        Self { body, serial_at, person_at }
    }

    fn fill(&self, serial: usize) -> SignedNotification {
        let mut body = self.body.clone();
        let person = format!("{:0PERSON_DIGITS$}", serial % Shape::default().people);
        for at in &self.person_at {
            body[*at..at + PERSON_DIGITS].copy_from_slice(person.as_bytes());
        }
        let digits = format!("{serial:0SERIAL_DIGITS$}");
        body[self.serial_at..self.serial_at + SERIAL_DIGITS].copy_from_slice(digits.as_bytes());
        SignedNotification::new(body.into())
    }
}

/// The address of one of the channels.
pub(crate) fn address(channel: usize) -> String {
    format!("whatsapp:{}", phone_number_id(channel))
}

fn phone_number_id(channel: usize) -> String {
    if channel == 0 { PHONE_NUMBER_ID.to_owned() } else { format!("2{channel:014}") }
}

fn phone_number(person: usize) -> String {
    format!("49155{person:08}")
}

fn user_id(person: usize) -> String {
    format!("DE.1349120865530{person:07}")
}

/// Notification number `serial`.
pub(crate) fn notification(serial: usize, shape: Shape) -> Bytes {
    let body = String::from_utf8_lossy(&bench::message()).into_owned();
    let person = serial / shape.channels % shape.people;
    let body = body.replace("4915550000001", &phone_number(person));
    let body = body.replace("DE.13491208655302741918", &user_id(person));
    let body = body.replace(PHONE_NUMBER_ID, &phone_number_id(serial % shape.channels));
    let body = body.replace("Guten Tag", &format!("{}Guten Tag", "x".repeat(shape.padding)));
    body.replace("CABIYFDNBRXhhbXBsZQA", &format!("{serial:0SERIAL_DIGITS$}")).into()
}

/// The serial number of the message in a body, wherever it stands.
pub(crate) fn serial(body: &[u8]) -> Option<usize> {
    let body = std::str::from_utf8(body).ok()?;
    let (_, behind) = body.split_once(BEFORE_SERIAL)?;
    behind.get(..SERIAL_DIGITS)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_that_is_made_when_it_is_posted_is_the_same() {
        let endless = Source::endless();

        for serial in [0, 7, 12_345_678] {
            let made = endless.get(serial).expect("it has no end");
            assert_eq!(made.body, notification(serial, Shape::default()));
        }
    }

    #[test]
    fn a_notification_holds_its_number_channel_and_size() {
        let shape = Shape { channels: 3, people: 10, padding: 4_000 };

        let body = notification(7, shape);

        assert_eq!(serial(&body), Some(7));
        assert!(body.len() > 4_800, "{}", body.len());
        let event = event::split(&body, chassis::now()).into_iter().next().expect("an event");
        assert_eq!(event.address.as_str(), address(1));
    }
}
