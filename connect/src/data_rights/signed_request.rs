//! Meta's `signed_request`: a signature and the payload that it signs, both in base64url. Source: Meta, "Parsing the
//! signed request".

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use channels::SigningApp;
use chassis::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::Value;
use sha2::Sha256;

use crate::settings::MetaApps;

/// Meta omits the padding, and some libraries add it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// In whose name Meta calls, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// The app that has signed the request, which alone knows the person by this id.
    pub(super) apps: Vec<SigningApp>,
    /// The person, as Meta names them to that app.
    pub(super) user_id: String,
    /// When the person asked. Meta gives whole seconds; without them it is unknown.
    pub(super) asked_at: Option<Timestamp>,
}

/// The person whom the request names, if one of the apps has signed it.
pub(super) fn person(signed_request: &str, apps: &MetaApps) -> Option<Person> {
    let (signature, payload) = signed_request.split_once('.')?;
    let signature = BASE64.decode(signature).ok()?;
    let is_signed_with = |secret: &Secret| {
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
            .is_ok_and(|mac| mac.chain_update(payload).verify_slice(&signature).is_ok())
    };
    let apps = apps.that(is_signed_with);
    if apps.is_empty() {
        return None;
    }
    let payload: Value = serde_json::from_slice(&BASE64.decode(payload).ok()?).ok()?;
    if payload.get("algorithm").and_then(Value::as_str) != Some("HMAC-SHA256") {
        return None;
    }
    let user_id = match payload.get("user_id") {
        Some(Value::String(id)) if !id.is_empty() => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        Some(_) | None => return None,
    };
    let issued_at = payload.get("issued_at").and_then(Value::as_i64);
    let asked_at = issued_at.filter(|at| *at > 0).and_then(|at| Timestamp::from_second(at).ok());
    Some(Person { apps, user_id, asked_at })
}

#[cfg(test)]
mod tests {
    use channels::AppKind;

    use super::*;
    use crate::settings::meta::MetaApp;

    const SECRET: &str = "test_app_secret_0123456789abcdef";

    fn apps(whatsapp: &str, instagram: &str) -> MetaApps {
        let app = |id: &str, secret: &str| Some(MetaApp { id: id.to_owned(), secret: Secret::new(secret) });
        MetaApps { whatsapp: app("100", whatsapp), instagram: app("200", instagram) }
    }

    /// Made with openssl and checked with Python.
    const VECTOR: &str = "fGKNQu_5SA7CM5Ky72ecaJDAuBqniftctr0ZTPa6Obo.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsImlzc3VlZF9hdCI6MTc2NzIyNTYwMCwidXNlcl9pZCI6IjIxODQ3MSJ9";

    #[test]
    fn a_request_names_its_person_as_the_app_that_signed_it_knows_them() {
        let meta = SigningApp { id: "100".to_owned(), kind: AppKind::Meta };
        let instagram = SigningApp { id: "200".to_owned(), kind: AppKind::Instagram };

        for (apps, signed) in [
            (apps(SECRET, "other"), vec![meta.clone()]),
            (apps("other", SECRET), vec![instagram.clone()]),
            (apps(SECRET, SECRET), vec![meta, instagram]),
        ] {
            let asked_at = "2026-01-01T00:00:00Z".parse().ok();
            assert_eq!(person(VECTOR, &apps), Some(Person { apps: signed, user_id: "218471".to_owned(), asked_at }));
        }
        assert_eq!(person(VECTOR, &apps("other", "another")), None);
    }

    #[test]
    fn an_altered_request_names_nobody() {
        let apps = apps(SECRET, "other");

        for altered in ["", ".", &VECTOR[1..], &VECTOR.replace("ITUFDL", "ITUFDM"), &VECTOR.replace('.', "")] {
            assert_eq!(person(altered, &apps), None, "{altered}");
        }
    }
}
