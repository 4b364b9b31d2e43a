//! When a store uses which key, and which keys it refuses.

use super::*;
use crate::key_ring::new_key;
use crate::key_ring::samples::ring;

const LANE: &str = "whatsapp:1/4915112345678";
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn after(hours: i64) -> Timestamp {
    NOW + SignedDuration::from_hours(hours)
}

/// The hashes of a text without a key, and whether that is how it is written.
fn is_plain_honoured_and_written(keys: &ErasureKeys, at: Timestamp) -> [bool; 2] {
    let hashing = keys.at(at);
    let plain = keys::hash(LANE);
    [hashing.all(LANE).contains(&plain), hashing.hash(LANE) == plain]
}

#[test]
fn a_new_store_never_hashes_without_a_key_and_one_in_use_does_for_a_day_and_recognises_it_for_30_more() {
    let ring = ring(&[&new_key()]);
    for (is_in_use, expected) in
        [(false, [[false, false]; 4]), (true, [[true, true], [true, false], [true, false], [false, false]])]
    {
        let mut fields = Fields::new();
        NewErasureKey::random(&ring).begin(&mut fields, is_in_use, NOW);
        let keys = ErasureKeys::open(fields, Some(&ring), NOW).unwrap();

        let found = [23, 24, 24 * 31 - 1, 24 * 31].map(|hours| is_plain_honoured_and_written(&keys, after(hours)));

        assert_eq!(found, expected);
    }
}

#[test]
fn the_key_of_an_export_is_needed_for_30_days_and_the_stores_own_for_ever() {
    let ring = ring(&[&new_key()]);
    let mut fields = Fields::new();
    NewErasureKey::random(&ring).begin(&mut fields, false, NOW);
    NewErasureKey::random(&ring).join(&mut fields, NOW);
    let keys = ErasureKeys::open(fields.clone(), Some(&ring), NOW).unwrap();

    let forms = [0, 24 * 30 - 1, 24 * 30].map(|hours| keys.at(after(hours)).all(LANE).len());

    assert_eq!(forms, [2, 2, 1]);
    drop_needless(&mut fields, after(24 * 30 - 1));
    assert_eq!(sealed_keys(&fields, NOW).len(), 2);
    drop_needless(&mut fields, after(24 * 30));
    assert_eq!(sealed_keys(&fields, NOW).len(), 1);
    assert_eq!(fields.len(), 2, "nothing else is left of it");
}

#[test]
fn a_rotation_makes_another_key_while_there_are_few_and_the_old_one_ends_after_30_days() {
    let mut rings = vec![new_key()];
    let mut fields = Fields::new();
    NewErasureKey::random(&ring(&[&rings[0]])).begin(&mut fields, false, NOW);
    for expected in [2, 3, 4, 4, 4] {
        rings.insert(0, new_key());
        let ring = ring(&rings.iter().collect::<Vec<_>>());

        reseal_keys(&mut fields, &ring, NOW);

        assert_eq!(sealed_keys(&fields, NOW).len(), expected);
        assert!(ErasureKeys::open(fields.clone(), Some(&ring), NOW).is_ok());
    }
    assert_eq!(sealed_keys(&fields, after(24 * 30)).len(), 1);
}

#[test]
fn a_key_that_somebody_has_put_there_is_refused() {
    let ring = ring(&[&new_key()]);
    let mut fields = Fields::new();
    let key = NewErasureKey::random(&ring);
    let id = key.id.clone();
    key.begin(&mut fields, false, NOW);
    // A secret of ours that was sealed for another place, and one that an older release has sealed without any.
    let elsewhere = ring.seal(&Secret::new("11".repeat(32))).sealed_for(Place::erasure_key("another"));
    for forged in [elsewhere.as_str().to_owned(), ring.encrypt("11".repeat(32).as_bytes())] {
        fields::set(&mut fields, &key_field(&id), forged);

        let refused = ErasureKeys::open(fields.clone(), Some(&ring), NOW).unwrap_err();

        assert_eq!(refused, ErasureKeyError::Unopenable { id: id.clone() });
    }
}
