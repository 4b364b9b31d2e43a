//! The separate processes on files instead of servers; standalone.rs cuts their power.

use tempfile::TempDir;

use crate::support::stack::{Backends, Processes};

fn backends(folder: &TempDir) -> Backends {
    let url = format!("embedded:{}", folder.path().display());
    Backends { queue_url: url.clone(), channels_url: url, key_prefix: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_dispatcher_on_a_folder_exits_and_names_the_process_that_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = Processes::start(backends(&folder), &backends(&folder), 1).await;

    let mut second = processes.start_second_dispatcher();
    let status = second.ends().await;

    assert_eq!(status.code(), Some(2));
    assert!(second.logged().contains("process "), "{}", second.logged());
    assert_eq!(processes.dispatchers[0].stop().await, Some(0));
}
