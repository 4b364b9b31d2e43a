//! A private chromedriver for a test run, in its own folder and on its own port. Its browsers end with the run.

use std::net::SocketAddr;
use std::process::{Child, Command};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::eventually;
use crate::keeper::Keeper;
use crate::ports::free_port;

/// How many browsers may run at the same time: each takes about 300 MB and keeps a core busy.
const BROWSERS_MAX: usize = 2;

/// A running chromedriver.
#[derive(Debug)]
pub struct Chromedriver {
    address: SocketAddr,
    slots: Semaphore,
    #[expect(dead_code, reason = "the keeper ends it; dropping it here would leave a zombie")]
    server: Child,
    keeper: Keeper,
}

/// The right to start one browser, with an empty profile for it.
#[derive(Debug)]
pub struct BrowserSlot {
    profile: TempDir,
    #[expect(dead_code, reason = "held for its drop, which lets the next browser start")]
    permit: SemaphorePermit<'static>,
}

impl Chromedriver {
    /// The chromedriver that all tests of a run share.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Chromedriver> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let keeper = Keeper::new("test-chromium-");
        let port = free_port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).env("HOME", keeper.folder()).env("TMPDIR", keeper.folder());
        // Browsers stay in its process group, so they are ended with it.
        let server = keeper.start(&mut command, "chromedriver");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        eventually("chromedriver listens", async || TcpStream::connect(address).await.ok()).await;
        Self { address, slots: Semaphore::new(BROWSERS_MAX), server, keeper }
    }

    /// The URL at which it takes commands.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until one more browser may run.
    pub async fn slot(&'static self) -> BrowserSlot {
        let permit = self.slots.acquire().await.expect("the semaphore is never closed");
        let profile = tempfile::Builder::new().prefix("profile-").tempdir_in(self.keeper.folder());
        BrowserSlot { profile: profile.expect("the folder is ours"), permit }
    }
}

impl BrowserSlot {
    /// The folder of the browser's profile.
    pub fn profile(&self) -> String {
        self.profile.path().display().to_string()
    }
}
