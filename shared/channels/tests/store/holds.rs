//! Holds: what concerns a held person is parked until they are released, or until the hold ends, and nothing else is.

use channels::{ChannelStore, ChannelsSettings, HELD_TIME, HoldOutcome, LookupAnswer, new_erasure_code};
use chassis::now;
use event::Address;
use jiff::{SignedDuration, Timestamp};

use crate::erasing::{lane, plain};
use crate::support::{NUMBER, add, look_up, look_up_received, mark_delivered, open};

contract![
    events_of_a_held_conversation_are_answered_so_until_it_is_released,
    a_hold_ends_after_thirty_days_and_is_renewed_by_asking_again,
    an_erasure_wins_over_a_hold_and_a_removed_channel_is_not_held,
    a_hold_survives_an_export_and_the_later_end_stays,
    no_more_are_held_than_a_look_up_can_read,
];

fn days(number: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * number)
}

async fn is_held(store: &ChannelStore) -> bool {
    matches!(look_up(store, "evt_1", NUMBER).await, LookupAnswer::Held)
}

/// When the hold of the conversation ends, as an export for its person shows it.
async fn until(store: &ChannelStore, now: Timestamp) -> Option<Timestamp> {
    store.held(now).await.unwrap().until(&lane())
}

async fn events_of_a_held_conversation_are_answered_so_until_it_is_released(store: ChannelStore) {
    add(&store, NUMBER).await;
    let received_before = now();

    assert!(matches!(store.hold(&[lane()], now()).await.unwrap(), HoldOutcome::Until(_)));

    assert!(is_held(&store).await);
    assert!(matches!(look_up_received(&store, "evt_1", NUMBER, received_before).await, LookupAnswer::Held));
    add(&store, "instagram:2").await;
    assert!(matches!(look_up(&store, "evt_1", "instagram:2").await, LookupAnswer::Channel(_)), "another conversation");
    assert!(!store.export_erasures().await.unwrap().holds[0].held.contains(&plain(&lane())), "it is keyed");

    assert_eq!(store.release(&[lane(), "a lane of nobody".to_owned()], now()).await.unwrap(), 1);
    assert!(!is_held(&store).await);
    assert_eq!(store.release(&[lane()], now()).await.unwrap(), 0);
}

async fn a_hold_ends_after_thirty_days_and_is_renewed_by_asking_again(store: ChannelStore) {
    add(&store, NUMBER).await;
    let began = now() - SignedDuration::try_from(HELD_TIME).unwrap();
    store.hold(&[lane()], began + days(1)).await.unwrap();

    assert_eq!(until(&store, now()).await, Some(began + days(31)));
    assert!(is_held(&store).await);

    store.hold(&[lane()], began - days(1)).await.unwrap();
    assert!(!is_held(&store).await, "it ended yesterday");
    store.hold(&[lane()], now()).await.unwrap();
    assert!(is_held(&store).await);
}

async fn an_erasure_wins_over_a_hold_and_a_removed_channel_is_not_held(store: ChannelStore) {
    add(&store, NUMBER).await;
    store.hold(&[lane()], now()).await.unwrap();
    let received_at = now();

    store.mark_erased(&lane(), now()).await.unwrap();

    assert!(matches!(look_up_received(&store, "evt_1", NUMBER, received_at).await, LookupAnswer::Erased));
    assert!(is_held(&store).await, "what comes later is held");
    mark_delivered(&store, &[event::EventId::new("evt_1")]).await.unwrap();
    assert!(matches!(look_up(&store, "evt_1", NUMBER).await, LookupAnswer::Delivered));
    store.remove(&Address::new(NUMBER), now()).await.unwrap();
    assert!(matches!(look_up(&store, "evt_2", NUMBER).await, LookupAnswer::Disconnected));
}

async fn a_hold_survives_an_export_and_the_later_end_stays(store: ChannelStore) {
    add(&store, NUMBER).await;
    store.hold(&[lane()], now() - days(10)).await.unwrap();
    let early = store.export_erasures().await.unwrap();
    store.hold(&[lane()], now()).await.unwrap();
    let late = store.export_erasures().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let restored = open(&ChannelsSettings::embedded(folder.path()));
    add(&restored, NUMBER).await;

    for saved in [&early, &late, &early] {
        restored.import_erasures(saved, &new_erasure_code(), now()).await.unwrap();
        assert_eq!(restored.import_holds(&saved.holds, now()).await, Ok(0));
        assert!(is_held(&restored).await);
    }

    assert_eq!(until(&restored, now()).await, until(&store, now()).await);
    assert_eq!(restored.import_holds(&early.holds, now() + days(21)).await, Ok(0));
    assert_eq!(until(&restored, now() + days(31)).await, None, "what is over is not imported");
}

async fn no_more_are_held_than_a_look_up_can_read(store: ChannelStore) {
    add(&store, NUMBER).await;
    let others: Vec<String> = (0..500).map(|contact| format!("instagram:2/{contact}")).collect();
    store.hold(&others, now()).await.unwrap();

    assert_eq!(store.hold(&[lane()], now()).await.unwrap(), HoldOutcome::TooMany(500));
    assert!(!is_held(&store).await);
    assert!(matches!(store.hold(&others[..1], now()).await.unwrap(), HoldOutcome::Until(_)), "it is held already");

    let folder = tempfile::tempdir().unwrap();
    let other = open(&ChannelsSettings::embedded(folder.path()));
    other.hold(&[lane()], now()).await.unwrap();
    let saved = other.export_erasures().await.unwrap();
    store.import_erasures(&saved, &new_erasure_code(), now()).await.unwrap();
    assert_eq!(store.import_holds(&saved.holds, now()).await, Ok(1), "it is left out");
}
