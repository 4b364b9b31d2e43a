//! A cable between a client and a server that can be cut, stalled and mended.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A client names itself within these first bytes.
const GREETING_BYTES: usize = 4 << 10;

/// A TCP relay on this machine.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    mode: Mode,
    /// Counts the cuts: each one breaks all connections, even if the cable is mended before anybody looks.
    cuts: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Whole,
    /// Connections stay, but nothing passes, as if the cable were pulled out.
    Stalled,
    /// Nothing passes to the server on connections whose first bytes hold this text.
    SendingStalled(&'static str),
    /// Connections break and new ones end at once, as if the server were gone.
    Cut,
}

impl Mode {
    fn stalls(self, greeting: &[u8]) -> bool {
        match self {
            Self::Whole | Self::Cut => false,
            Self::Stalled => true,
            Self::SendingStalled(of) => greeting.windows(of.len()).any(|part| part == of.as_bytes()),
        }
    }
}

impl Link {
    /// Lays a cable to that address.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let (state, watched) = watch::channel(State::default());
        spawn(accept(listener, server, watched));
        Self { address, state }
    }

    /// The address to which clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections, and each new one.
    pub fn cut(&self) {
        self.state.send_modify(|state| *state = State { mode: Mode::Cut, cuts: state.cuts + 1 });
    }

    /// Stops all bytes without breaking a connection.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.mode = Mode::Stalled);
    }

    /// Stops the bytes to the server on present and future connections whose first bytes hold this text. What their
    /// clients have sent is lost if the cable is cut before it is mended.
    pub fn stall_sending_of(&self, greeting: &'static str) {
        self.state.send_modify(|state| state.mode = Mode::SendingStalled(greeting));
    }

    /// Lets all bytes pass again.
    pub fn mend(&self) {
        self.state.send_modify(|state| state.mode = Mode::Whole);
    }
}

#[expect(clippy::disallowed_methods, reason = "a cable is not part of the process, so no shutdown waits for it")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

async fn accept(listener: TcpListener, server: SocketAddr, mut state: watch::Receiver<State>) {
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => accepted.expect("the listener works").0,
            // The link has been dropped.
            gone = state.wait_for(|_| false) => return drop(gone),
        };
        if state.borrow().mode != Mode::Cut {
            spawn(relay(client, server, state.clone()));
        }
    }
}

async fn relay(client: TcpStream, server: SocketAddr, state: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cut = state.clone();
    let cuts = cut.borrow().cuts;
    tokio::select! {
        _ = cut.wait_for(|state| state.cuts != cuts) => {}
        () = pass(from_client, to_server, state.clone(), cuts, GREETING_BYTES) => {}
        () = pass(from_server, to_client, state, cuts, 0) => {}
    }
}

/// Passes bytes on until either end closes. The first `greeting_bytes` of them decide whether a mode applies. Bytes
/// that were stalled when the cable was cut never pass, however soon it is mended: a task may see only the mended
/// state, so each look compares the number of cuts.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    cuts: u64,
    greeting_bytes: usize,
) {
    let mut bytes = vec![0; 64 << 10];
    let mut greeting = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let room = greeting_bytes - greeting.len();
        greeting.extend_from_slice(&bytes[..count.min(room)]);
        match state.wait_for(|state| state.cuts != cuts || !state.mode.stalls(&greeting)).await {
            Ok(state) if state.cuts == cuts => {}
            Ok(_) | Err(_) => return,
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
