//! The processes on files instead of servers: the same promise, whenever the power fails.

use std::time::Duration;

use tempfile::TempDir;

use crate::bodies::text;
use crate::stack::{Place, Processes};

/// Kills, and posts between two of them.
const KILLS: usize = 5;
const POSTS: usize = 40;

fn place(folder: &TempDir) -> Place {
    let url = format!("embedded:{}", folder.path().display());
    Place { queue_url: url.clone(), channels_url: url, key_prefix: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_random_moments_lose_no_event() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = Processes::start(place(&folder), &place(&folder), 1).await;
    processes.dsk.behave(|dsk| dsk.delay = Duration::from_millis(20));

    for kill in 0..KILLS {
        let posts = (kill * POSTS..(kill + 1) * POSTS).map(|serial| processes.meta.post(text(serial)));
        let moment = Duration::from_millis(200).mul_f64(chassis::dice());
        // What is not answered by then is not answered at all.
        tokio::time::timeout(moment, futures_util::future::join_all(posts)).await.ok();
        processes.ingest.kill().await;
        processes.dispatchers.remove(0).kill().await;
        processes.restart_ingest().await;
        processes.add_dispatcher().await;
        // Meta sends again what was not accepted.
        for serial in kill * POSTS..(kill + 1) * POSTS {
            processes.post_until_accepted(text(serial)).await;
        }
    }

    processes.delivered(KILLS * POSTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_that_takes_is_told_who_holds_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = Processes::start(place(&folder), &place(&folder), 1).await;

    let mut second = processes.start_second_dispatcher();
    let status = second.ends().await;

    assert_eq!(status.code(), Some(2));
    assert!(second.said().contains("process "), "{}", second.said());
    assert_eq!(processes.dispatchers[0].stop().await, Some(0));
}
