//! A cable between a client and a server, that can be cut, stalled and mended.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Enough for a client to say who it is.
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
    /// Each cut breaks what there is, even one that is mended before anybody looked.
    cuts: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Whole,
    /// Connections stay, nothing passes: a cable pulled out.
    Stalled,
    /// Of those whose client began with a text that holds this, nothing passes to the server.
    SendingStalled(&'static str),
    /// Connections break, new ones end at once: a server gone.
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
    /// A link to that address.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let (state, watched) = watch::channel(State::default());
        spawn(accept(listener, server, watched));
        Self { address, state }
    }

    /// What the client connects to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection, and each new one.
    pub fn cut(&self) {
        self.state.send_modify(|state| *state = State { mode: Mode::Cut, cuts: state.cuts + 1 });
    }

    /// Lets nothing pass, but breaks nothing.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.mode = Mode::Stalled);
    }

    /// Lets nothing pass to the server from clients that have this in their first bytes, nor from such as come later.
    /// What they had sent is lost if the cable is cut before it is mended.
    pub fn stall_sending_of(&self, greeting: &'static str) {
        self.state.send_modify(|state| state.mode = Mode::SendingStalled(greeting));
    }

    /// Lets everything pass again.
    pub fn mend(&self) {
        self.state.send_modify(|state| state.mode = Mode::Whole);
    }
}

#[expect(clippy::disallowed_methods, reason = "a cable is no part of the process, no shutdown waits for it")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

async fn accept(listener: TcpListener, server: SocketAddr, mut state: watch::Receiver<State>) {
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => accepted.expect("a connection").0,
            // The link was dropped.
            gone = state.wait_for(|_| false) => return drop(gone),
        };
        if state.borrow().mode != Mode::Cut {
            spawn(relay(client, server, state.clone()));
        }
    }
}

async fn relay(client: TcpStream, server: SocketAddr, state: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let mut cut = state.clone();
    let cuts = cut.borrow().cuts;
    tokio::select! {
        _ = cut.wait_for(|state| state.cuts != cuts) => {}
        () = pass(from_client, to_server, (state.clone(), cuts, GREETING_BYTES)) => {}
        () = pass(from_server, to_client, (state, cuts, 0)) => {}
    }
}

/// Passes bytes on until either end closes. The first of them may be what a mode is about. What was stalled when the
/// cable was cut never passes, however soon it is mended: each look compares the cuts, because those who wait for a state
/// are not told of it at the same moment.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    (mut state, cuts, greeting_bytes): (watch::Receiver<State>, u64, usize),
) {
    let (mut bytes, mut greeting) = (vec![0; 64 << 10], Vec::new());
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
