//! A private Prometheus for one test, in its own folder and on its own port.

use std::net::SocketAddr;
use std::process::{Child, Command};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::eventually;
use crate::keeper::Keeper;
use crate::ports::free_port;

/// How long a series that ended counts as present. Prometheus' default is 5 minutes, too long for a test.
const LOOKBACK: &str = "10s";

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    address: SocketAddr,
    #[expect(dead_code, reason = "the keeper ends it; dropping it here would leave a zombie")]
    server: Child,
    #[expect(dead_code, reason = "held for its drop, which ends the server")]
    keeper: Keeper,
}

impl Prometheus {
    /// Starts it with these files, each a name and a text; `prometheus.yml` is its configuration.
    pub async fn start(files: &[(&str, &str)]) -> Self {
        let keeper = Keeper::new("test-prometheus-");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        for (name, text) in files {
            std::fs::write(keeper.folder().join(name), text).expect("the folder is ours");
        }
        let mut command = Command::new("prometheus");
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]);
        command.arg(format!("--query.lookback-delta={LOOKBACK}")).arg(format!("--web.listen-address={address}"));
        let server = keeper.start(&mut command, "prometheus");
        let prometheus = Self { address, server, keeper };
        eventually("Prometheus is ready", async || {
            prometheus.try_get("/-/ready").await.filter(|answer| answer.starts_with("HTTP/1.0 200")).map(drop)
        })
        .await;
        prometheus
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a GET and returns the body of the answer.
    pub async fn get(&self, path: &str) -> String {
        let answer = self.try_get(path).await.expect("it answers");
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).expect("it has a head and a body")
    }

    /// Uses HTTP 1.0, so that the answer arrives in one piece.
    async fn try_get(&self, path: &str) -> Option<String> {
        let mut connection = TcpStream::connect(self.address).await.ok()?;
        connection.write_all(format!("GET {path} HTTP/1.0\r\nhost: test\r\n\r\n").as_bytes()).await.ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }
}
