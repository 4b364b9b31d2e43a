//! Signs ids that leave us in links, cookies and forms, so that they come back unaltered.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::{Secret, random};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What an id is signed for: the signature of a link is not valid in a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Link,
    Session,
    Form,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Session => "session",
            Self::Form => "form",
        }
    }
}

/// Signs ids and checks their signatures. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Signer(Secret);

/// 32 random bytes as text, for a link, a cookie or a header.
pub(crate) fn random_id() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

impl Signer {
    pub(crate) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The id and its signature as one word.
    pub(crate) fn sign(&self, purpose: Purpose, id: &str) -> String {
        let mac = self.mac(purpose, id).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
        format!("{id}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// The id, if we signed it for this purpose. The comparison takes constant time.
    pub(crate) fn open(&self, purpose: Purpose, signed: &str) -> Option<String> {
        let (id, signature) = signed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(purpose, id)?.verify_slice(&signature).ok()?;
        Some(id.to_owned())
    }

    /// Always there, because HMAC takes keys of any length.
    fn mac(&self, purpose: Purpose, id: &str) -> Option<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()).ok()?;
        Some(mac.chain_update(purpose.as_str()).chain_update(":").chain_update(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_was_signed_for_one_purpose_opens_for_that_purpose_only() {
        let signer = Signer::new(Secret::new("secret"));
        let signed = signer.sign(Purpose::Link, "id");

        assert_eq!(signer.open(Purpose::Link, &signed).as_deref(), Some("id"));
        assert_eq!(signer.open(Purpose::Session, &signed), None);
        assert_eq!(Signer::new(Secret::new("other")).open(Purpose::Link, &signed), None);
    }

    #[test]
    fn an_altered_value_does_not_open() {
        let signer = Signer::new(Secret::new("secret"));
        let signed = signer.sign(Purpose::Session, "id");

        for altered in ["", "id", "id.", &signed[1..], &format!("x{signed}"), &format!("{signed}A")] {
            assert_eq!(signer.open(Purpose::Session, altered), None, "{altered:?}");
        }
    }
}
