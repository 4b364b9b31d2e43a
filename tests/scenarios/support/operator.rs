//! What an operator does with the stack: commands of `ops`, and reading dead letters.

use chassis::Shutdown;
#[cfg(feature = "long")]
use futures_util::StreamExt as _;
use queue::DeadLetter;
use testkit::{eventually, with_rights};

use crate::support::stack::{Backends, Stack, program};

/// Publishes at the same time.
#[cfg(feature = "long")]
const PARKED_AT_ONCE: usize = 512;

impl Stack {
    /// The dead letters, as an operator sees them.
    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        let shutdown = Shutdown::default();
        let queue = self.queue(&shutdown).await;
        // Another scan may still hold the lock.
        let mut scan = eventually("the scan begins", async || queue.scan_dead_letters().await.ok()).await;
        let mut letters = Vec::new();
        while let Some(letter) = scan.next().await.expect("the queue answers") {
            letters.push(letter);
        }
        scan.finish().await.expect("the queue answers");
        shutdown.request();
        letters
    }

    /// Parks this many messages as dead letters.
    #[cfg(feature = "long")]
    pub(crate) async fn park(&self, count: usize) {
        let shutdown = Shutdown::default();
        let queue = self.queue(&shutdown).await;
        let now = chassis::now();
        let letter =
            event::Letter { reason: "rejected".to_owned(), status: Some(400), answer: String::new(), parked_at: now };
        let envelope = |serial| {
            let event = event::split(&crate::support::bodies::text(serial), now).remove(0);
            event::Envelope { letter: Some(letter.clone()), ..event::Envelope::first(event, now, None) }
        };
        let publisher = queue.publisher();
        let parked = (0..count).map(|serial| {
            let publisher = publisher.clone();
            let envelope = envelope(serial);
            async move { publisher.publish(queue::QueueName::Dead, &envelope).await.map(drop) }
        });
        let parked: Vec<_> = futures_util::stream::iter(parked).buffered(PARKED_AT_ONCE).collect().await;
        assert!(parked.iter().all(Result::is_ok), "a message could not be parked");
        shutdown.request();
    }

    /// Runs a command of `ops` that must succeed, and parses its output as JSON.
    pub(crate) async fn ops_json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ops(arguments).await).expect("JSON")
    }

    /// Runs a command of `ops` that must succeed, and returns its output.
    pub(crate) async fn ops(&self, arguments: &[&str]) -> String {
        let output = self.run_ops(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a command of `ops` that must fail with that code, and returns its errors.
    pub(crate) async fn ops_fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run_ops(arguments).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        errors
    }

    /// What `ops events find` says, whether it finds anything or not.
    pub(crate) async fn found(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run_ops(&[&["events", "find", "--json"], arguments].concat()).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {errors}"))
    }

    /// The settings of `ops`, which needs no cables.
    pub(crate) fn ops_settings(&self) -> Vec<(&'static str, String)> {
        let Backends { queue_url, channels_url, key_prefix } = &self.direct;
        let settings = [
            ("QUEUE_URL", queue_url.clone()),
            ("CHANNELS_URL", channels_url.clone()),
            ("CHANNELS_KEY_PREFIX", key_prefix.clone()),
            ("KEY_RING_FILE", self.processes.key_ring_file().display().to_string()),
        ];
        with_rights("ops", &settings)
    }

    async fn run_ops(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = tokio::process::Command::new(program("ops"));
        command.env_clear().args(arguments).envs(self.ops_settings());
        command.output().await.expect("it can be run")
    }
}
