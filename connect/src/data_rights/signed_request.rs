//! Meta's `signed_request`: a signature and the payload that it signs, both in base64url. Source: Meta, "Parsing the
//! signed request".

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chassis::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::Value;
use sha2::Sha256;

/// Meta omits the padding, and some libraries add it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// In whose name Meta calls, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// The person, as Meta names them to the app.
    pub(super) user_id: String,
    /// When the person asked. Meta gives whole seconds; without them it is unknown.
    pub(super) asked_at: Option<Timestamp>,
}

/// The person whom the request names, if it was signed with one of the secrets.
pub(super) fn person(signed_request: &str, secrets: &[Secret]) -> Option<Person> {
    let (signature, payload) = signed_request.split_once('.')?;
    let signature = BASE64.decode(signature).ok()?;
    let is_signed_with = |secret: &Secret| {
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
            .is_ok_and(|mac| mac.chain_update(payload).verify_slice(&signature).is_ok())
    };
    if !secrets.iter().any(is_signed_with) {
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
    Some(Person { user_id, asked_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with openssl and checked with Python.
    const VECTOR: &str = "fGKNQu_5SA7CM5Ky72ecaJDAuBqniftctr0ZTPa6Obo.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsImlzc3VlZF9hdCI6MTc2NzIyNTYwMCwidXNlcl9pZCI6IjIxODQ3MSJ9";

    #[test]
    fn a_request_signed_with_either_secret_names_its_person() {
        let other = Secret::new("other");
        let secret = Secret::new("test_app_secret_0123456789abcdef");

        let asked_at = "2026-01-01T00:00:00Z".parse().ok();
        let named = Some(Person { user_id: "218471".to_owned(), asked_at });
        assert_eq!(person(VECTOR, &[other.clone(), secret]), named);
        assert_eq!(person(VECTOR, &[other]), None);
    }

    #[test]
    fn an_altered_request_names_nobody() {
        let secret = [Secret::new("test_app_secret_0123456789abcdef")];

        for altered in ["", ".", &VECTOR[1..], &VECTOR.replace("ITUFDL", "ITUFDM"), &VECTOR.replace('.', "")] {
            assert_eq!(person(altered, &secret), None, "{altered}");
        }
    }
}
