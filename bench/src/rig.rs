//! What a measurement needs: the release binaries, and a queue filled with events.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use chassis::{Shutdown, now};
use event::{Envelope, split};
use prometheus::Registry;
use queue::{Queue, QueueSettings};

use crate::machine;
use crate::notifications::{Shape, notification};

/// Spawns a task that ends with the measurement.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement is not a service: nothing has to wait for its tasks at the end"
)]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// Builds the binaries that are measured, in the profile of this program.
pub(crate) fn build() {
    build_packages(&["bench", "ingest", "dispatcher"]);
}

/// Builds the processes of the service in the profile of this program.
pub(crate) fn build_service() {
    build_packages(&["ingest", "dispatcher", "ops"]);
}

fn build_packages(packages: &[&str]) {
    let packages = packages.iter().flat_map(|package| ["--package", package]);
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--bins", "--profile", &machine::profile()]).args(packages);
    assert!(build.status().is_ok_and(|status| status.success()), "the processes can't be built");
}

/// Fills the queues of class `messages`.
pub(crate) async fn fill(url: &str, events: usize, shape: Shape) {
    let shutdown = Shutdown::default();
    let metrics = queue::Metrics::register(&Registry::new()).expect("metrics register once");
    let queue = Queue::open(&QueueSettings::at(url), metrics, &shutdown).await.expect("the queue opens");
    let publisher = queue.publisher();
    let serials: Vec<usize> = (0..events).collect();
    for serials in serials.chunks(1_000) {
        let now = now();
        let events = serials.iter().flat_map(|serial| split(&notification(*serial, shape), now));
        let trace = || Some(Arc::from("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        let envelopes: Vec<Envelope> = events.map(|event| Envelope::first(event, now, trace())).collect();
        assert_eq!(envelopes.len(), serials.len(), "each notification has one event");
        let _confirmed = publisher.publish_all(&envelopes).await.expect("the broker is up");
    }
    shutdown.request();
}

/// Declares the queues and leaves them empty.
pub(crate) async fn declare(url: &str) {
    fill(url, 0, Shape::default()).await;
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the folder is ours");
    path.display().to_string()
}
