//! The processes on files instead of servers (`standalone.rs` has the power cuts).

use tempfile::TempDir;

use crate::support::stack::{Backends, Processes};

fn place(folder: &TempDir) -> Backends {
    let url = format!("embedded:{}", folder.path().display());
    Backends { queue_url: url.clone(), channels_url: url, key_prefix: String::new() }
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
