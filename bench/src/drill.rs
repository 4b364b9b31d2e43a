//! Runs load while, at moments that a seed decides, one or two faults happen at once, and judges what became of the events.

mod cables;
mod dsk;
mod engines;
mod evidence;
mod fault;
mod meta;
mod notification;
mod options;
mod plan;
mod record;
mod slot;
mod strike;
mod verdict;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use evidence::Evidence;
use meta::Load;
pub(crate) use options::DrillOptions;
use verdict::Verdict;
use world::World;

use crate::rig;

/// How often is looked whether everything has arrived.
const LOOK_PERIOD: Duration = Duration::from_secs(2);
/// How long nothing may arrive, while no queue holds anything, until what is missing counts as lost.
const QUIET: Duration = Duration::from_secs(45);
/// The longest that the last events may take: the third visit to a retry queue takes ten minutes.
const PATIENCE: Duration = Duration::from_mins(15);
/// Where the logs of the drills are kept.
const FOLDER: &str = "target/bench/drill";

/// Runs one drill. The exit code is 1 if the service did not do what it promises.
pub(crate) async fn run(options: DrillOptions) -> ExitCode {
    rig::build_service();
    let folder = folder(&options);
    let plan = plan::plan(options.seed, Duration::from_mins(options.minutes), options.on);
    println!("{}\nLogs: {}", options.command(), folder.display());

    let start = Instant::now();
    let world = World::start(options.on, &folder, start).await;
    let load = Load::begin(options.seed, &world.listens(), f64::from(options.rate), start);
    let ends = Instant::now() + Duration::from_mins(options.minutes);
    let happened = strike::carry_out(&plan, &world, start).await;
    // What happened may have taken longer than planned: the service still has to show that it is well.
    tokio::time::sleep_until((ends.max(Instant::now() + plan::CALM)).into()).await;
    let seen = load.end().await;
    println!("{:6.1} s: load ended; {} answers were not 200", start.elapsed().as_secs_f64(), seen.refused);

    let mut evidence = Evidence { accepted: seen.accepted, happened, load_ended: seen.ended, ..Evidence::default() };
    everything_arrives(&mut evidence, &world).await;
    if !evidence.missing().is_empty() {
        println!(
            "{:6.1} s: restarting every process, in case one holds what is missing",
            start.elapsed().as_secs_f64()
        );
        evidence.restarted = Some(start.elapsed());
        world.restart().await;
        everything_arrives(&mut evidence, &world).await;
    }
    let peak = world.peak().await;
    let mut complaints = world.stop().await;
    if world.dsk.strange() > 0 {
        complaints.push(format!("{} requests with a wrong token, or no event of the drill", world.dsk.strange()));
    }
    evidence.taken = world.dsk.taken();
    let verdict = evidence.judge();
    complaints.extend(verdict.complaints());
    show(&evidence, &verdict, seen.repeated);
    record::write_down(&evidence, &folder);
    record::keep(&options, &evidence, &verdict, peak);
    finish(&options, &complaints)
}

/// Waits until everything that was accepted was delivered or parked and nothing is on its way, or until what is missing is
/// nowhere.
async fn everything_arrives(evidence: &mut Evidence, world: &World) {
    let started = Instant::now();
    let mut last = started;
    let mut fewest = usize::MAX;
    while started.elapsed() < PATIENCE {
        tokio::time::sleep_until((Instant::now() + LOOK_PERIOD).into()).await;
        let waiting = world.engines.waiting().await;
        evidence.taken = world.dsk.taken();
        match world.engines.parked().await {
            Ok(parked) => evidence.parked = parked,
            Err(error) => println!("the dead letters can't be read: {error}"),
        }
        let missing = evidence.missing().len();
        if missing == 0 && waiting == Ok(0) {
            return;
        }
        if missing < fewest || waiting != Ok(0) {
            fewest = missing.min(fewest);
            last = Instant::now();
        }
        if last.elapsed() > QUIET {
            println!("{missing} events are nowhere");
            return;
        }
    }
    println!("not everything has arrived within {PATIENCE:?}");
}

fn show(evidence: &Evidence, verdict: &Verdict, repeated: usize) {
    println!(
        "\n{} events accepted, {} taken, {repeated} posted again after their 200",
        verdict.events,
        evidence.taken.len()
    );
    println!(
        "lost {}, stuck until a restart {}, deleted with their queue {}",
        verdict.lost.len(),
        verdict.stuck.len(),
        verdict.deleted.len()
    );
    println!("dead letters {:?}", verdict.parked);
    println!("repeats {:?}, unexplained {}", verdict.explained, verdict.unexplained.len());
    println!("overtaken after a retry {}, out of order {}", verdict.overtaken, verdict.disorder.len());
    for pause in &verdict.pauses {
        println!("{pause}");
    }
    if let Some(wait) = verdict.longest_wait {
        println!("longest wait beside faults {:.1?}: {:?}, attempt {}", wait.lasted, wait.place, wait.attempt);
    }
}

fn finish(options: &DrillOptions, complaints: &[String]) -> ExitCode {
    if complaints.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\nFAILED: {}", complaints.join("\nFAILED: "));
    println!("Repeat it with: {}", options.command());
    ExitCode::FAILURE
}

fn folder(options: &DrillOptions) -> PathBuf {
    let name = format!("{}-{}-{}", options.on, options.seed, engines::timestamp());
    let folder = std::env::current_dir().expect("there is a working directory").join(Path::new(FOLDER)).join(name);
    std::fs::create_dir_all(&folder).expect("target can be written");
    folder
}
