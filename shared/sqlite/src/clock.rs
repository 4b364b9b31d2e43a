//! The time in a database: it goes on while processes work with it, whatever the machine's own clock does.
//!
//! What is kept for 14 days must not be deleted because the machine's clock was wrong for one commit, and what may be
//! taken now must not disappear because the clock was set back. So the time between two transactions is measured by a
//! clock that nobody sets. It is stored now and then, and beside it what the machine's clock showed: after a restart, the
//! difference says how long the absence was, and is believed up to [`ABSENCE_MAX`].

use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// The longest absence that counts. Everything that waits on purpose (a retry, a one-time link) waits no longer, and what
/// expires in days loses no more than this when the machine's clock jumps while no process is there to see it.
const ABSENCE_MAX: i64 = 60 * 60 * 1_000;
/// How often the time is stored. A crash makes the database's time stand still for as long.
const STORE_PERIOD: i64 = 10_000;

/// What stands for the machine's clock when nothing is stored yet: no absence can follow from it.
const NEVER: i64 = i64::MAX;

/// The table of the clock. It has one row.
pub(crate) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS clock (
        id   INTEGER PRIMARY KEY CHECK (id = 1),
        time INTEGER NOT NULL, -- ms since 1970 when the database was made, and from there on by its own count
        wall INTEGER NOT NULL  -- ms since 1970 by the machine's clock when `time` was stored
    ) STRICT;
";

/// What the machine's clocks show, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Since 1970. It can be wrong, and be set.
    pub(crate) wall: i64,
    /// Since the process began to use the database. It only goes forward.
    pub(crate) running: i64,
}

/// What is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    time: i64,
    wall: i64,
}

/// Tells the database's time in one process. Several processes may use a database: each measures from the moment at which
/// it first saw what is stored now, so none counts a time that another has counted.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    seen: Option<Seen>,
}

/// What was stored when this process first saw it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    stored: Stored,
    /// The database's time at that moment.
    time: i64,
    /// What [`Machine::running`] was at that moment.
    running: i64,
}

impl Clock {
    /// The database's time.
    pub(crate) fn now(&mut self, stored: Stored, machine: Machine) -> i64 {
        let seen = match self.seen {
            Some(seen) if seen.stored == stored => seen,
            Some(_) | None => {
                let absence = machine.wall.saturating_sub(stored.wall).clamp(0, ABSENCE_MAX);
                Seen { stored, time: stored.time.saturating_add(absence), running: machine.running }
            }
        };
        self.seen = Some(seen);
        seen.time.saturating_add(machine.running.saturating_sub(seen.running))
    }

    /// Notes that this process has stored the time. Nobody else measures from there.
    pub(crate) fn has_stored(&mut self, stored: Stored, machine: Machine) {
        self.seen = Some(Seen { stored, time: stored.time, running: machine.running });
    }
}

impl Stored {
    /// What the database holds. One that holds nothing yet begins with the machine's time.
    pub(crate) fn read(database: &Connection, machine: Machine) -> Result<Self> {
        let mut read = database.prepare_cached("SELECT time, wall FROM clock")?;
        let stored = read.query_row([], |row| Ok(Self { time: row.get(0)?, wall: row.get(1)? })).optional()?;
        Ok(stored.unwrap_or(Self { time: machine.wall, wall: NEVER }))
    }

    /// Whether it is time to store `now`.
    pub(crate) fn is_old(self, now: i64) -> bool {
        self.wall == NEVER || now.saturating_sub(self.time) >= STORE_PERIOD
    }

    /// Stores `now`.
    pub(crate) fn write(database: &Connection, now: i64, machine: Machine) -> Result<Self> {
        database
            .prepare_cached("INSERT OR REPLACE INTO clock (id, time, wall) VALUES (1, ?, ?)")?
            .execute(params![now, machine.wall])?;
        Ok(Self { time: now, wall: machine.wall })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    const STORED: Stored = Stored { time: 1_000 * DAY, wall: 1_000 * DAY };

    fn machine(wall: i64, running: i64) -> Machine {
        Machine { wall, running }
    }

    #[test]
    fn steps_of_the_machines_clock_change_nothing_while_a_process_is_there() {
        let mut clock = Clock::default();
        assert_eq!(clock.now(STORED, machine(STORED.wall, 0)), STORED.time);

        for (wall, running) in [(-HOUR, 1), (15 * DAY, 2), (-1_000 * DAY, 3), (0, 4)] {
            assert_eq!(clock.now(STORED, machine(STORED.wall + wall, running)), STORED.time + running);
        }
    }

    #[test]
    fn an_absence_counts_up_to_an_hour_and_a_step_back_meanwhile_counts_nothing() {
        for (wall, counted) in [(20_000, 20_000), (HOUR, HOUR), (15 * DAY, HOUR), (-15 * DAY, 0)] {
            assert_eq!(Clock::default().now(STORED, machine(STORED.wall + wall, 0)), STORED.time + counted);
        }
    }

    #[test]
    fn two_processes_count_the_same_time_once() {
        let mut clocks = [Clock::default(), Clock::default()];
        let mut stored = STORED;

        for second in 1..=1_000 {
            let machine = machine(STORED.wall + second * 1_000, second * 1_000);
            for clock in &mut clocks {
                let now = clock.now(stored, machine);
                assert!((now - STORED.time - second * 1_000).abs() < STORE_PERIOD, "{now} after {second} s");
                if stored.is_old(now) {
                    stored = Stored { time: now, wall: machine.wall };
                    clock.has_stored(stored, machine);
                }
            }
        }

        assert!((stored.time - STORED.time - 1_000_000).abs() <= STORE_PERIOD, "{stored:?}");
    }
}
