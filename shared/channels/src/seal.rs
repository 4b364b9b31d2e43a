//! Secrets on their way into the store and out of it: each is sealed for its place, and opens only there.

use std::fmt;

use chassis::Secret;
use zeroize::Zeroizing;

use crate::key_ring::{Key, KeyRing, Reread};
use crate::place::Place;

/// What the plaintext of a bound seal begins with. The text of a token, which older releases sealed alone, never begins
/// with it: no UTF-8 has the first byte. The second is the version of what follows: the length of the place (four bytes,
/// the highest one first), the place, the secret.
const BOUND: [u8; 2] = [0xFF, 1];
/// Bytes of the length of the place.
const LENGTH_BYTES: usize = 4;

/// A token or signing secret as a place of the store holds it: encrypted with Fernet, so that it opens only with a key of
/// the ring, and only if it was sealed for this place.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SealedSecret {
    text: String,
    place: Place,
}

/// A secret that is to be stored. It is sealed by whatever stores it, which knows the place.
#[derive(Clone)]
pub struct NewSecret {
    ring: KeyRing,
    secret: Secret,
}

/// Why a sealed secret does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The key that sealed it is not in the ring.
    #[error("it opens with no key of KEY_RING")]
    NoKey,
    /// It was copied from another place, or what belongs to it was changed by hand.
    #[error("it was sealed for {0}, and opens only there: store the right one again with `ops channels add`")]
    OtherPlace(String),
    /// It opens here, but also somewhere else where it can't belong as well.
    #[error("the same seal, without its place, stands elsewhere too: it was copied, so store the right one again")]
    Copied,
    /// It could have been copied from anywhere.
    #[error("it is sealed without its place, and its key in KEY_RING is marked `bound:`: store it again")]
    Unbound,
}

/// A secret that was opened.
pub(crate) struct Opened {
    pub(crate) secret: Secret,
    /// The key that opens it, counted from 0.
    pub(crate) key: usize,
    /// Whether it was sealed for its place, and not by an older release for any.
    pub(crate) is_bound: bool,
}

impl KeyRing {
    /// Takes a secret that is to be stored. It is sealed with the first key as soon as it is known for which place.
    pub fn seal(&self, secret: &Secret) -> NewSecret {
        NewSecret { ring: self.clone(), secret: secret.clone() }
    }

    /// Opens a secret with the key that fits. If no key fits, it reads the file again first: the missing key may just have
    /// been added.
    pub fn open(&self, sealed: &SealedSecret) -> Result<Secret, OpenError> {
        let opened = match self.examine(sealed) {
            Err(OpenError::NoKey) => self.with_keys(Reread::Always, |keys| open(keys, sealed)),
            examined => examined,
        };
        opened.map(|opened| opened.secret).inspect_err(|_| self.count_unopenable())
    }

    /// Opens a secret, and says how it was sealed.
    pub(crate) fn examine(&self, sealed: &SealedSecret) -> Result<Opened, OpenError> {
        self.with_keys(Reread::IfChanged, |keys| open(keys, sealed))
    }
}

impl NewSecret {
    /// Seals it for its place.
    pub fn sealed_for(&self, place: Place) -> SealedSecret {
        let name = place.to_text();
        let length = u32::try_from(name.len()).expect("no name of a place has 4 GiB");
        let secret = self.secret.expose();
        let mut plain = Zeroizing::new(Vec::with_capacity(BOUND.len() + LENGTH_BYTES + name.len() + secret.len()));
        plain.extend_from_slice(&BOUND);
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(name.as_bytes());
        plain.extend_from_slice(secret.as_bytes());
        SealedSecret { text: self.ring.encrypt(&plain), place }
    }
}

impl SealedSecret {
    /// Takes the text that a place of the store holds.
    pub(crate) fn new(text: impl Into<String>, place: Place) -> Self {
        Self { text: text.into(), place }
    }

    /// The text that the store holds.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it stands.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }
}

fn open(keys: &[Key], sealed: &SealedSecret) -> Result<Opened, OpenError> {
    let decrypt = |key: &Key| key.fernet.decrypt(&sealed.text).ok().map(Zeroizing::new);
    let fits = keys.iter().enumerate().find_map(|(index, key)| Some((index, key, decrypt(key)?)));
    let (index, key, plain) = fits.ok_or(OpenError::NoKey)?;
    let is_bound = plain.starts_with(&BOUND);
    let bytes = match plain.strip_prefix(&BOUND) {
        Some(rest) => secret_of_place(rest, &sealed.place)?,
        None if key.opens_unbound => &plain,
        None => return Err(OpenError::Unbound),
    };
    let secret = std::str::from_utf8(bytes).map_err(|_| OpenError::NoKey)?;
    Ok(Opened { secret: Secret::new(secret), key: index, is_bound })
}

/// The secret behind its place, if that is the place where it was found.
fn secret_of_place<'a>(bound: &'a [u8], place: &Place) -> Result<&'a [u8], OpenError> {
    let parts = bound.split_first_chunk::<LENGTH_BYTES>();
    let parts = parts.and_then(|(length, rest)| rest.split_at_checked(u32::from_be_bytes(*length).try_into().ok()?));
    let (name, secret) = parts.ok_or_else(|| OpenError::OtherPlace("a place that can't be read".to_owned()))?;
    if name == place.to_text().as_bytes() {
        return Ok(secret);
    }
    let other = Place::from_text(name);
    let other =
        other.map_or_else(|| "a place that this version does not know".to_owned(), |other| place.name_of_other(&other));
    Err(OpenError::OtherPlace(other))
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedSecret(..)")
    }
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewSecret(..)")
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Secrets for the tests of other modules.

    use std::sync::LazyLock;

    use super::*;
    use crate::key_ring::new_key;
    use crate::key_ring::samples::ring;

    static RING: LazyLock<KeyRing> = LazyLock::new(|| ring(&[&new_key()]));

    /// A secret to be stored.
    pub(crate) fn secret(text: &str) -> NewSecret {
        RING.seal(&Secret::new(text))
    }

    /// The text of such a secret, once it is stored.
    pub(crate) fn opened(sealed: &SealedSecret) -> String {
        RING.open(sealed).expect("it was sealed for its place").expose().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use event::Address;
    use fernet::Fernet;

    use super::*;
    use crate::key_ring::new_key;
    use crate::key_ring::samples::ring;

    const URL: Option<&str> = Some("https://dsk.example/events");

    fn place() -> Place {
        Place::dsk_token(&Address::new("whatsapp:1"), URL)
    }

    /// What an older release sealed, with a key that had no mark then.
    fn unbound(key: &Secret) -> SealedSecret {
        let key = key.expose().trim_start_matches("bound:");
        SealedSecret::new(Fernet::new(key).unwrap().encrypt(b"dsk-token"), place())
    }

    #[test]
    fn the_first_key_seals_and_every_key_opens() {
        let old = new_key();
        let new = new_key();
        let token = Secret::new("dsk-token");
        let by_old = ring(&[&old]).seal(&token).sealed_for(place());
        let both = ring(&[&new, &old]);

        assert_eq!(both.open(&by_old).unwrap(), token);
        assert_eq!(ring(&[&new]).open(&both.seal(&token).sealed_for(place())).unwrap(), token);
        assert_eq!(ring(&[&new]).open(&by_old), Err(OpenError::NoKey));
    }

    #[test]
    fn what_was_sealed_for_another_place_does_not_open_and_its_place_is_named() {
        let ring = ring(&[&new_key()]);
        let address = Address::new("whatsapp:1");
        for (other, named) in [
            (Place::access_token(&address), "the access_token of whatsapp:1,"),
            (Place::dsk_token(&Address::new("instagram:2"), URL), "the dsk_token of instagram:2,"),
            (Place::dsk_token(&address, None), "the dsk_token of whatsapp:1 with another dsk_url,"),
            (Place::dsk_token(&address, Some("https://evil.example/")), "with another dsk_url,"),
            (Place::of_ticket("acme", "dsk_token", URL), "the dsk_token of a ticket of acme,"),
        ] {
            let sealed = ring.seal(&Secret::new("t")).sealed_for(other);
            let copied = SealedSecret::new(sealed.as_str(), place());

            let error = ring.open(&copied).unwrap_err().to_string();

            assert!(error.contains(named) && !error.contains("evil"), "{error}");
            assert!(ring.open(&sealed).is_ok(), "it opens in its own place");
        }
    }

    #[test]
    fn a_seal_without_a_place_opens_until_its_key_is_marked() {
        let key = new_key();
        let unmarked = Secret::new(key.expose().trim_start_matches("bound:"));

        assert_eq!(ring(&[&unmarked]).open(&unbound(&key)).unwrap().expose(), "dsk-token");
        assert_eq!(ring(&[&key]).open(&unbound(&key)), Err(OpenError::Unbound));
        assert_eq!(ring(&[&new_key(), &unmarked]).open(&unbound(&key)).unwrap().expose(), "dsk-token");
    }

    #[test]
    fn neither_a_sealed_secret_nor_one_to_be_sealed_shows_in_debug_output() {
        let secret = samples::secret("t");

        assert_eq!(format!("{secret:?} {:?}", secret.sealed_for(place())), "NewSecret(..) SealedSecret(..)");
    }
}
