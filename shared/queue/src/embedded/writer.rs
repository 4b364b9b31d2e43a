//! The one task that writes: everything that waits shares one commit, and so one fsync.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::now;
use event::Class;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::error;

use super::rows::{self, TakenRow};
use crate::publisher::Request;
use crate::{DeadLetter, Metrics, Place, PublishError};

/// Requests and jobs that share one commit: enough to hide the fsync, few enough to bound the wait.
const GROUP_MAX: usize = 256;
/// Wait before settlements are written again after a failed commit (a full disk, mostly).
const FAILED_PAUSE: Duration = Duration::from_millis(200);

/// What takers and readers ask of the writer.
#[derive(Debug)]
pub(super) enum Job {
    ReleaseAll,
    Take(Class, usize, oneshot::Sender<Vec<TakenRow>>),
    Delete(u64),
    Release(u64),
    Depths(oneshot::Sender<Vec<(Place, u64)>>),
    /// The next dead letters after that row, up to this one.
    DeadLetters(std::ops::RangeInclusive<i64>, oneshot::Sender<Vec<DeadLetter>>),
    /// The row of the newest dead letter.
    NewestDead(oneshot::Sender<i64>),
}

/// The writer.
pub(super) struct Writer {
    written: Arc<Notify>,
    metrics: Metrics,
    database: Option<Connection>,
}

/// What shares one commit.
#[derive(Debug, Default)]
struct Group {
    requests: Vec<Request>,
    jobs: Vec<Job>,
}

/// What a job is answered once the commit has succeeded.
#[derive(Debug)]
enum Answer {
    Nothing,
    Taken(Vec<TakenRow>),
    Depths(Vec<(Place, u64)>),
    DeadLetters(Vec<DeadLetter>),
    NewestDead(i64),
}

impl Writer {
    pub(super) fn new(database: Connection, written: Arc<Notify>, metrics: Metrics) -> Self {
        Self { written, metrics, database: Some(database) }
    }

    /// Runs until every publisher and taker is gone.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let mut left_over = Vec::new();
        loop {
            let mut group = Group { requests: Vec::new(), jobs: std::mem::take(&mut left_over) };
            let was_left_over = !group.jobs.is_empty();
            let pause = tokio::time::sleep_until(tokio::time::Instant::now() + FAILED_PAUSE);
            tokio::select! {
                1.. = requests.recv_many(&mut group.requests, GROUP_MAX) => {}
                1.. = jobs.recv_many(&mut group.jobs, GROUP_MAX) => {}
                () = pause, if was_left_over => {}
                else => return,
            }
            while group.requests.len() < GROUP_MAX
                && let Ok(request) = requests.try_recv()
            {
                group.requests.push(request);
            }
            while group.jobs.len() < GROUP_MAX
                && let Ok(job) = jobs.try_recv()
            {
                group.jobs.push(job);
            }
            left_over = self.commit(group).await;
        }
    }

    /// Writes a group. Gives back the settlements that have to be written again, where the disk failed.
    async fn commit(&mut self, group: Group) -> Vec<Job> {
        let Some(mut database) = self.database.take() else { return Vec::new() };
        let now = now().as_millisecond();
        let (is_publishing, started) = (!group.requests.is_empty(), Instant::now());
        let work = tokio::task::spawn_blocking(move || {
            let written = write(&mut database, &group, now);
            (database, group, written)
        });
        let (database, group, written) = match work.await {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        self.database = Some(database);
        let published: usize = group.requests.iter().map(|request| request.outgoing.len()).sum();
        match written {
            Ok(answers) => {
                self.metrics.published(Ok(()), published);
                let replies = group.requests.into_iter().map(|request| request.reply);
                replies.for_each(|reply| _ = reply.send(Ok(())));
                group.jobs.into_iter().zip(answers).for_each(|(job, answer)| give(job, answer));
                if is_publishing {
                    self.metrics.round(started.elapsed());
                    self.written.notify_waiters();
                }
                Vec::new()
            }
            Err(failure) => {
                error!(error = %failure, "Could not write the embedded queue: {failure}");
                self.metrics.published(Err(PublishError::Refused), published);
                let replies = group.requests.into_iter().map(|request| request.reply);
                replies.for_each(|reply| _ = reply.send(Err(PublishError::Refused)));
                let settles = |job: &Job| matches!(job, Job::Delete(_) | Job::Release(_) | Job::ReleaseAll);
                group.jobs.into_iter().filter(settles).collect()
            }
        }
    }
}

/// One transaction: all of it is on disk when this returns, or none.
fn write(database: &mut Connection, group: &Group, now: i64) -> rusqlite::Result<Vec<Answer>> {
    if group.requests.is_empty() && !is_needed(database, &group.jobs, now)? {
        return Ok(group.jobs.iter().map(|_| Answer::Taken(Vec::new())).collect());
    }
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    rows::tidy(&transaction, now)?;
    for outgoing in group.requests.iter().flat_map(|request| &request.outgoing) {
        rows::insert(&transaction, outgoing, now)?;
    }
    let answers = group.jobs.iter().map(|job| run(&transaction, job, now)).collect::<rusqlite::Result<_>>()?;
    transaction.commit()?;
    Ok(answers)
}

/// A taker that looks and finds nothing costs no write.
fn is_needed(database: &Connection, jobs: &[Job], now: i64) -> rusqlite::Result<bool> {
    for job in jobs {
        let is_needed = match job {
            Job::Take(class, ..) => rows::is_due(database, *class, now)?,
            Job::ReleaseAll
            | Job::Delete(_)
            | Job::Release(_)
            | Job::Depths(_)
            | Job::DeadLetters(..)
            | Job::NewestDead(_) => true,
        };
        if is_needed {
            return Ok(true);
        }
    }
    Ok(false)
}

fn run(database: &Connection, job: &Job, now: i64) -> rusqlite::Result<Answer> {
    match job {
        Job::ReleaseAll => rows::release_all(database).map(|()| Answer::Nothing),
        Job::Take(class, limit, _) => rows::take(database, *class, *limit, now).map(Answer::Taken),
        Job::Delete(seq) => rows::delete(database, *seq).map(|()| Answer::Nothing),
        Job::Release(seq) => rows::release(database, *seq).map(|()| Answer::Nothing),
        Job::Depths(_) => rows::depths(database).map(Answer::Depths),
        Job::DeadLetters(rows, _) => rows::dead_letters(database, rows).map(Answer::DeadLetters),
        Job::NewestDead(_) => rows::newest_dead(database).map(Answer::NewestDead),
    }
}

/// An asker that has gone away needs no answer.
fn give(job: Job, answer: Answer) {
    match (job, answer) {
        (Job::Take(_, _, reply), Answer::Taken(rows)) => drop(reply.send(rows)),
        (Job::Depths(reply), Answer::Depths(depths)) => drop(reply.send(depths)),
        (Job::DeadLetters(_, reply), Answer::DeadLetters(letters)) => drop(reply.send(letters)),
        (Job::NewestDead(reply), Answer::NewestDead(row)) => drop(reply.send(row)),
        (
            _,
            Answer::Nothing | Answer::Taken(_) | Answer::Depths(_) | Answer::DeadLetters(_) | Answer::NewestDead(_),
        ) => {}
    }
}
