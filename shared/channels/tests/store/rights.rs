//! People's rights through random sequences of what businesses, persons, operators and Meta do: nothing that was erased is
//! shown, kept or delivered, nothing that came later is withheld, and nothing of a held person is delivered. The two persons have the same id, each by another app.

mod model;
mod player;
mod stores;

use chassis::now;
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use testkit::Redis;
use tokio::runtime::Runtime;

use self::model::{Step, Time};
use self::player::Player;
use self::stores::Stores;

/// How many steps a sequence has at most.
const STEPS_MAX: usize = 30;
const SEQUENCES: u32 = 64;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let channel = || 0..3_usize;
    let person = || 0..2_usize;
    let time = || prop_oneof![Just(Time::Now), (0..STEPS_MAX).prop_map(Time::AtStep)];
    let step = prop_oneof![
        4 => (channel(), 0..3_usize, 0..2_usize)
            .prop_map(|(channel, by, tenant)| Step::Connect { channel, person: by.checked_sub(1), tenant }),
        6 => (channel(), 0..2_usize).prop_map(|(channel, contact)| Step::Message { channel, contact }),
        1 => Just(Step::AccountNews),
        2 => channel().prop_map(|channel| Step::Disconnect { channel }),
        2 => (person(), time()).prop_map(|(person, asked)| Step::Deauthorize { person, asked }),
        3 => (person(), time()).prop_map(|(person, asked)| Step::Delete { person, asked }),
        1 => channel().prop_map(|channel| Step::EraseChannel { channel }),
        1 => (channel(), 0..2_usize).prop_map(|(channel, contact)| Step::EraseContact { channel, contact }),
        2 => (channel(), 0..2_usize).prop_map(|(channel, contact)| Step::Hold { channel, contact }),
        1 => (channel(), 0..2_usize).prop_map(|(channel, contact)| Step::Release { channel, contact }),
        1 => time().prop_map(|happened| Step::AccountRemoved { happened }),
        2 => Just(Step::Export),
        2 => any::<prop::sample::Index>().prop_map(Step::Import),
        2 => (0..STEPS_MAX, any::<bool>(), any::<bool>())
            .prop_map(|(first, backwards, has_key)| Step::Restore { first, backwards, has_key }),
        2 => any::<prop::sample::Index>().prop_map(Step::Deliver),
    ];
    prop::collection::vec(step, 10..STEPS_MAX)
}

/// Plays a sequence. After each step every event is looked up as if it were taken from the queue, or replayed from the dead
/// letters.
async fn play(stores: Stores<'_>, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut player = Player::new(stores, now() - SignedDuration::from_hours(2));
    for step in steps {
        player.play(step).await?;
    }
    Ok(())
}

/// Plays sequences against stores of one kind.
fn hold_through_random_sequences<'a>(stores: impl Fn() -> Stores<'a>) {
    let runtime = Runtime::new().unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: SEQUENCES, ..ProptestConfig::default() });
    let played = runner.run(&steps(), |steps| runtime.block_on(play(stores(), steps)));
    played.unwrap_or_else(|failure| panic!("{failure}"));
}

/// A request that comes late erases more than it asks for where nobody has the channel any more. What came between the
/// request and the removal of the account is gone with the rest, so after the restore there is nothing to find.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_deletion_finds_nothing_after_a_restore_because_a_late_first_one_erased_all() {
    let restore = || Step::Restore { first: 0, backwards: false, has_key: true };
    let delete = |person, asked| Step::Delete { person, asked };
    let steps = [
        vec![Step::Connect { channel: 1, person: None, tenant: 0 }],
        vec![delete(1, Time::Now), delete(1, Time::Now), delete(0, Time::Now)],
        vec![Step::Message { channel: 1, contact: 0 }, Step::Connect { channel: 1, person: Some(1), tenant: 0 }],
        vec![restore()],
        vec![Step::Message { channel: 1, contact: 1 }; 5],
        vec![Step::AccountRemoved { happened: Time::Now }, delete(1, Time::AtStep(10)), restore()],
        vec![delete(1, Time::AtStep(16))],
    ];

    play(Stores::in_files(), steps.concat()).await.unwrap();
}

/// The record of a channel names only who connected it last.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_after_a_restore_finds_what_came_before_somebody_else_connected_the_channel() {
    let restore = || Step::Restore { first: 0, backwards: true, has_key: false };
    let steps = vec![
        Step::Connect { channel: 2, person: Some(1), tenant: 0 },
        Step::Message { channel: 2, contact: 0 },
        Step::Connect { channel: 2, person: Some(0), tenant: 0 },
        Step::Message { channel: 2, contact: 0 },
        restore(),
        restore(),
        Step::Delete { person: 1, asked: Time::Now },
        Step::Delete { person: 0, asked: Time::Now },
    ];

    play(Stores::in_files(), steps).await.unwrap();
}

#[test]
fn rights_hold_through_random_sequences_in_files() {
    hold_through_random_sequences(Stores::in_files);
}

#[test]
fn rights_hold_through_random_sequences_in_redis() {
    let runtime = Runtime::new().unwrap();
    let redis = runtime.block_on(Redis::start());

    hold_through_random_sequences(|| Stores::in_redis(&redis));
}
