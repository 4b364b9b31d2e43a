//! Tests of fair turns: shares, the reserve for newcomers, and that everything that is ready begins.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;

/// Turns at a window of this size, whose group "a" has this much ready.
fn ready(window: usize, count: u64) -> Turns<&'static str, u64> {
    let mut turns = Turns::new(window);
    (0..count).for_each(|serial| turns.enter(&"a", serial, serial));
    turns
}

/// Begins as much as may begin; returns how much of it is of each group.
fn begin_all(turns: &mut Turns<&'static str, u64>) -> HashMap<&'static str, usize> {
    let mut begun = HashMap::new();
    while let Some(turn) = turns.next() {
        *begun.entry(turn.group).or_default() += 1;
    }
    begun
}

#[test]
fn a_group_that_is_alone_leaves_an_eighth_of_the_window_to_newcomers() {
    let mut turns = ready(192, 1_000);
    assert_eq!(begin_all(&mut turns), HashMap::from([("a", 168)]));

    (0..100).for_each(|serial| turns.enter(&"b", 2_000 + serial, serial));

    assert_eq!(begin_all(&mut turns), HashMap::from([("b", 12)]), "less than a sixteenth is little");
    turns.end(&"a");
    assert_eq!(begin_all(&mut turns), HashMap::new(), "the rest of the reserve is for the next newcomer");
}

#[test]
fn a_group_has_at_most_a_quarter_of_the_window_under_way_while_another_is_ready() {
    let mut turns = ready(192, 1_000);
    (0..1_000).for_each(|serial| turns.enter(&"b", 2_000 + serial, serial));
    (0..3).for_each(|serial| turns.enter(&"c", 4_000 + serial, serial));

    assert_eq!(begin_all(&mut turns), HashMap::from([("a", 48), ("b", 48), ("c", 3)]));
}

#[test]
fn a_window_of_one_is_used_by_each_group_in_turn() {
    let mut turns = ready(1, 2);
    turns.enter(&"b", 5, 5);

    let mut groups = Vec::new();
    while let Some(turn) = turns.next() {
        groups.push(turn.group);
        assert!(turns.next().is_none(), "one is under way");
        turns.end(&turn.group);
    }

    assert_eq!(groups, ["a", "b", "a"]);
}

#[test]
fn what_turns_out_to_belong_to_a_group_that_has_its_share_does_not_go_on() {
    let mut turns = ready(16, 4);
    assert_eq!(begin_all(&mut turns), HashMap::from([("a", 4)]));
    turns.enter(&"b", 9, 9);
    turns.enter(&"c", 10, 10);
    assert_eq!(turns.next().map(|turn| turn.group), Some("b"));

    assert!(!turns.transfer(&"b", &"a"), "it has a quarter of the window under way, and another is ready");
    assert_eq!(turns.next().map(|turn| turn.group), Some("c"));
    assert!(turns.transfer(&"c", &"b"));
}

#[derive(Clone, Debug)]
enum Step {
    Enter(usize),
    Begin,
    /// The nth of what is under way ends.
    End(usize),
    /// The nth of what is under way turns out to belong to this group.
    Transfer(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_usize..5).prop_map(Step::Enter),
        3 => Just(Step::Begin),
        2 => any::<usize>().prop_map(Step::End),
        1 => (any::<usize>(), 0_usize..5).prop_map(|(which, group)| Step::Transfer(which, group)),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn shares_hold_and_all_that_is_ready_begins_in_the_end(window in 1_usize..40, steps in steps()) {
        let mut turns: Turns<usize, u64> = Turns::new(window);
        let mut under_way: Vec<usize> = Vec::new();
        let mut ready: BTreeSet<(usize, u64)> = BTreeSet::new();
        let mut serial = 0;
        for step in steps {
            match step {
                Step::Enter(group) => {
                    serial += 1;
                    turns.enter(&group, serial, serial);
                    ready.insert((group, serial));
                }
                Step::Begin => if let Some(Turn { group, member }) = turns.next() {
                    let first = ready.iter().find(|(other, _)| *other == group).copied();
                    prop_assert_eq!(first, Some((group, member)), "a group's members begin in their order");
                    let are_others_ready = ready.iter().any(|(other, _)| *other != group);
                    ready.remove(&(group, member));
                    under_way.push(group);
                    let own = under_way.iter().filter(|other| **other == group).count();
                    let most = if are_others_ready { part(window, SHARE) } else { window };
                    prop_assert!(own <= most);
                },
                Step::End(which) if !under_way.is_empty() => {
                    turns.end(&under_way.swap_remove(which % under_way.len()));
                }
                Step::Transfer(which, to) if !under_way.is_empty() => {
                    let from = under_way.swap_remove(which % under_way.len());
                    if turns.transfer(&from, &to) {
                        under_way.push(to);
                    }
                }
                Step::End(_) | Step::Transfer(..) => {}
            }
            prop_assert!(under_way.len() <= window);
        }

        // However many turns the others get, what is ready begins within as many turns as things are ready.
        for _ in 0..=ready.len() + under_way.len() {
            while let Some(Turn { group, member }) = turns.next() {
                ready.remove(&(group, member));
                under_way.push(group);
            }
            if let Some(group) = under_way.pop() {
                turns.end(&group);
            }
        }
        prop_assert!(ready.is_empty(), "{ready:?} never begins");
    }
}
