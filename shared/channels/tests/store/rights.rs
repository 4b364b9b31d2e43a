//! People's rights through random sequences of what businesses, persons, operators and Meta do: nothing that was erased is
//! shown, kept or delivered, nothing that came later is withheld, and nothing of a held person is delivered. The two persons have the same id, each by another app.

mod model;
mod player;
mod stores;

use chassis::now;
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
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
        2 => (any::<prop::sample::Index>(), any::<bool>(), any::<bool>())
            .prop_map(|(first, backwards, has_key)| Step::Restore { first, backwards, has_key }),
        2 => any::<prop::sample::Index>().prop_map(Step::Deliver),
    ];
    prop::collection::vec(step, 10..STEPS_MAX)
}

/// Plays sequences against stores of one kind. After each step every event is looked up as if it were taken from the queue,
/// or replayed from the dead letters.
fn hold_through_random_sequences<'a>(stores: impl Fn() -> Stores<'a>) {
    let runtime = Runtime::new().unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: SEQUENCES, ..ProptestConfig::default() });
    let play = |steps: Vec<Step>| {
        runtime.block_on(async {
            let mut player = Player::new(stores(), now() - SignedDuration::from_hours(2));
            for step in steps {
                player.play(step).await?;
            }
            Ok(())
        })
    };
    runner.run(&steps(), play).unwrap_or_else(|failure| panic!("{failure}"));
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
