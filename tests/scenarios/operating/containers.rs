//! The README's section "Run it in containers", followed on a real engine: `ops/check-containers.sh --up` runs this.
//! Every message that ingest accepted has to reach DSK, whichever container is killed meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chassis::{Secret, now};
use hyper::StatusCode;
use ops::webhook::Meta;
use testkit::eventually_within;

use crate::documents::readme_containers;
use crate::support::bodies::text;
use crate::support::certificates;
use crate::support::composition::{Composition, Container};
use crate::support::workspace::read;

/// How long a message may take that waits for a container to start.
const PATIENCE: Duration = Duration::from_mins(3);
/// The time between two messages while containers are killed.
const POST_PERIOD: Duration = Duration::from_millis(20);
/// Messages that wait in RabbitMQ while everything is down.
const WAITING: usize = 200;
/// Messages through each proxy.
const THROUGH_PROXY: usize = 20;
/// Prometheus looks up its targets every 15 s, so a look-up that fails shows in this time.
const TWO_LOOK_UPS: u64 = 35;

/// Starts everything again with the settings in `.env`.
const UP: &str = "docker compose up --detach --wait --scale dispatcher=3";
/// Shows the memory of the composition's containers; an engine may run others, too.
const MEMORY: &str = "docker compose ps --quiet | xargs docker stats --no-stream --format '{{.Name}} {{.MemUsage}}'";

/// Meta's side of the walk, and what DSK said.
struct Walk<'c> {
    composition: &'c Composition,
    serial: usize,
    sent: BTreeSet<String>,
    accepted: BTreeSet<String>,
    refused: usize,
    /// How often each event was answered 200, by stand-ins whose containers were removed.
    earlier: BTreeMap<String, usize>,
}

impl<'c> Walk<'c> {
    fn new(composition: &'c Composition) -> Self {
        Self {
            composition,
            serial: 0,
            sent: BTreeSet::new(),
            accepted: BTreeSet::new(),
            refused: 0,
            earlier: BTreeMap::new(),
        }
    }

    /// Runs the commands of the README, as they are written.
    async fn follow_the_readme(&mut self) {
        let started = Instant::now();
        let shown = self.composition.run(&readme_containers::commands()).await;
        println!("the README's commands took {:?}, with the build of the images", started.elapsed());
        let hello = id(&Bytes::from(read(&self.composition.path("docs/hello.json"))));
        self.sent.insert(hello.clone());
        self.accepted.insert(hello);
        self.arrives("after the README's commands").await;
        assert!(shown.contains("1 notification sent, each answered 200"), "{shown}");
        assert!(!shown.contains("WRONG"), "{shown}");

        let section = readme_containers::section();
        let command = section.split('`').find(|span| span.contains("channels export")).expect("it saves the channels");
        self.composition.run(command).await;
        let saved = read(&self.composition.path("local/backups/channels.backup"));
        assert!(saved.contains("whatsapp:100000000000001"), "{saved}");
    }

    /// Without connect, Prometheus looks for no connect.
    async fn watch_prometheus(&self) {
        let started = Instant::now();
        let logs = format!("docker compose logs --since {TWO_LOOK_UPS}s prometheus 2>&1");
        eventually_within(PATIENCE, "every look-up of Prometheus succeeds", async || {
            let logged = self.composition.run(&logs).await;
            let failed = ["DNS resolution failed", "could not resolve"].iter().any(|text| logged.contains(text));
            (!failed && started.elapsed().as_secs() > TWO_LOOK_UPS).then_some(())
        })
        .await;
    }

    /// Signs and posts one message until it is accepted, as Meta does.
    async fn post(&mut self) {
        let address = "http://127.0.0.1:8080/webhook".parse().expect("an address");
        let meta = Meta::new(address, self.app_secret());
        let body = self.next_message();
        let mut refused = 0;
        eventually_within(PATIENCE, "a message is accepted", async || {
            let is_accepted = meta.post(body.clone()).await == Ok(StatusCode::OK);
            refused += usize::from(!is_accepted);
            is_accepted.then_some(())
        })
        .await;
        self.refused += refused;
        self.accepted.insert(id(&body));
    }

    fn next_message(&mut self) -> Bytes {
        self.serial += 1;
        let body = text(self.serial);
        self.sent.insert(id(&body));
        body
    }

    fn app_secret(&self) -> Secret {
        Secret::new(read(&self.composition.path("local/app-secret")).trim())
    }

    /// Kills a container and starts it again while messages come in.
    async fn survive(&mut self, container: &Container) {
        let composition = self.composition;
        let mut fault = std::pin::pin!(composition.kill(container));
        let mut pace = tokio::time::interval(POST_PERIOD);
        loop {
            let one = async {
                pace.tick().await;
                self.post().await;
            };
            tokio::select! {
                () = &mut fault => break,
                () = one => {}
            }
        }
        self.arrives(&format!("after {} was killed", container.service)).await;
    }

    /// Takes everything down while messages wait in RabbitMQ, and brings it up again.
    async fn go_down_and_up(&mut self) {
        self.composition.run("docker compose stop dispatcher").await;
        for _ in 0..WAITING {
            self.post().await;
        }
        let waiting = self.missing().await.len();
        assert!(waiting >= WAITING, "only {waiting} messages wait");
        self.go_down().await;
        self.composition.run(UP).await;
        self.arrives(&format!("after everything was down with {waiting} messages waiting")).await;
    }

    /// Stops and removes every container, as the README says, and nothing stays.
    async fn go_down(&mut self) {
        self.composition.run("docker compose stop").await;
        assert_eq!(self.composition.running().await, BTreeMap::new(), "containers run after `docker compose stop`");
        self.earlier = self.arrived().await;
        self.composition.run("docker compose down").await;
        let left = self.composition.containers().await;
        assert!(left.is_empty() && self.composition.networks().await.is_empty(), "{left:?} are left");
    }

    /// Starts a proxy and connect in addition, posts through the proxy, and reads a page of connect.
    async fn serve_through(&mut self, profile: &str) {
        self.go_down().await;
        let settings = format!(
            "DSK_URL=http://dsk:9100/events\nDSK_ALLOW_HTTP=true\nCOMPOSE_PROFILES=stand-in,connect,{profile}\n\
             CONNECT_URL=https://connect.localhost\nINSTAGRAM_APP_ID=1\n\
             PRIVACY_CONTACT=Example Ltd\n"
        );
        std::fs::write(self.composition.path(".env"), settings).expect("the folder is ours");
        std::fs::write(self.composition.path("local/instagram-app-secret"), "given by Meta")
            .expect("the folder is ours");
        // An image of connect that an earlier run has left may be of another version.
        self.composition.run(&format!("ops/local-secrets.sh && {UP} --build")).await;

        let certificate = "--cert local/meta-chain --key local/meta-key";
        if profile == "mtls" {
            assert_eq!(self.curl("localhost/webhook --request POST --data {}").await, "403", "without a certificate");
        }
        for _ in 0..THROUGH_PROXY {
            let body = self.next_message();
            std::fs::write(self.composition.path("body"), &body).expect("the folder is ours");
            let signature = Meta::signature(&body, &self.app_secret());
            let signed = format!("--header 'x-hub-signature-256: {signature}' --data-binary @body {certificate}");
            assert_eq!(self.curl(&format!("localhost/webhook {signed}")).await, "200");
            self.accepted.insert(id(&body));
        }
        assert_eq!(self.curl("connect.localhost/privacy").await, "200");
        self.prometheus_scrapes_connect().await;
        self.arrives(&format!("through the proxy of the profile {profile}")).await;
    }

    /// Sends a request with curl, and returns the status of the answer.
    async fn curl(&self, request: &str) -> String {
        let hosts = ["localhost", "connect.localhost"].map(|name| format!("--resolve {name}:443:127.0.0.1")).join(" ");
        let options =
            "--silent --show-error --output /dev/null --write-out '%{http_code}' --cacert local/tls-certificate";
        self.composition.run(&format!("curl {options} {hosts} https://{request}")).await
    }

    async fn prometheus_scrapes_connect(&self) {
        let query = "http://127.0.0.1:9090/api/v1/query?query=sum+by+(job)(up)";
        eventually_within(PATIENCE, "Prometheus scrapes connect", async || {
            let answer =
                self.composition.run(&format!("docker compose exec -T prometheus wget -q -O - '{query}'")).await;
            let answer: serde_json::Value = serde_json::from_str(&answer).ok()?;
            let jobs = answer["data"]["result"].as_array()?;
            jobs.iter().any(|one| one["metric"]["job"] == "connect" && one["value"][1] == "1").then_some(())
        })
        .await;
    }

    /// How often each event was answered 200 so far.
    async fn arrived(&self) -> BTreeMap<String, usize> {
        let mut arrived = self.earlier.clone();
        let logged = self.composition.logs("dsk").await;
        let words = logged.lines().filter_map(|line| line.strip_prefix("200 ")?.split(' ').next());
        for id in words.filter(|word| word.starts_with("evt_")) {
            *arrived.entry(id.to_owned()).or_default() += 1;
        }
        arrived
    }

    /// Accepted events that DSK does not have.
    async fn missing(&self) -> Vec<String> {
        let arrived = self.arrived().await;
        self.accepted.iter().filter(|id| !arrived.contains_key(*id)).cloned().collect()
    }

    /// Waits until DSK has every accepted event, and nothing that was never sent.
    async fn arrives(&self, when: &str) {
        let arrive = async || self.missing().await.is_empty().then_some(());
        eventually_within(PATIENCE, &format!("every accepted event arrives {when}"), arrive).await;
        let arrived = self.arrived().await;
        let unknown: Vec<_> = arrived.keys().filter(|id| !self.sent.contains(*id)).collect();
        assert!(unknown.is_empty(), "these were never sent: {unknown:?}");
        let repeated = arrived.values().sum::<usize>() - arrived.len();
        println!(
            "{when}: {} accepted, 0 lost, {repeated} repeated, {} posts refused",
            self.accepted.len(),
            self.refused
        );
    }
}

/// The id that the event of a notification gets.
fn id(body: &Bytes) -> String {
    event::split(body, now()).first().expect("it has an event").id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine: ops/check-containers.sh --up"]
async fn the_readmes_containers_lose_nothing_when_each_is_killed_and_when_all_are_down() {
    let composition = Composition::new();
    let mut walk = Walk::new(&composition);

    walk.follow_the_readme().await;
    walk.watch_prometheus().await;
    for container in composition.containers().await {
        walk.survive(&container).await;
    }
    println!("{}", composition.run(MEMORY).await);
    walk.go_down_and_up().await;
    let local = composition.path("local");
    certificates::certificate(&local, "tls", "localhost", None).await;
    certificates::authorities(&local).await;
    for profile in ["tls", "mtls"] {
        walk.serve_through(profile).await;
    }
    assert!(walk.accepted.len() > WAITING + 2 * THROUGH_PROXY, "{} messages were accepted", walk.accepted.len());
}
