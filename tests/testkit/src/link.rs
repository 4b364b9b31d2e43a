//! A cable between a client and a server that can be cut, stalled and mended.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A client names itself within these first bytes.
const GREETING_BYTES: usize = 4 << 10;

/// How late bytes are on a slow cable, in each direction.
const SLOWNESS: Duration = Duration::from_millis(150);

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
    /// Counts the times at which all connections were forgotten.
    forgotten: u64,
}

/// The counts when a connection was made: it is broken or forgotten once they have grown.
#[derive(Clone, Copy, Debug)]
struct Birth {
    cuts: u64,
    forgotten: u64,
}

impl State {
    fn birth(self) -> Birth {
        Birth { cuts: self.cuts, forgotten: self.forgotten }
    }

    fn has_cut(self, birth: Birth) -> bool {
        self.cuts != birth.cuts
    }

    fn has_forgotten(self, birth: Birth) -> bool {
        self.forgotten != birth.forgotten
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Whole,
    /// Connections stay, but nothing passes, as if the cable were pulled out.
    Stalled,
    /// Everything passes, and late.
    Slow,
    /// Nothing passes to the server on connections whose first bytes hold this text.
    SendingStalled(&'static str),
    /// Connections break and new ones end at once, as if the server were gone.
    Cut,
}

impl Mode {
    fn stalls(self, greeting: &[u8]) -> bool {
        match self {
            Self::Whole | Self::Slow | Self::Cut => false,
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
        self.state.send_modify(|state| *state = State { mode: Mode::Cut, cuts: state.cuts + 1, ..*state });
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

    /// Delays all bytes, as a line does that is long or full.
    pub fn slow_down(&self) {
        self.state.send_modify(|state| state.mode = Mode::Slow);
    }

    /// Lets nothing pass any more on the connections that exist, and tells neither end, as a firewall that forgets them
    /// does. New connections work, and mending does not help the old ones.
    pub fn forget(&self) {
        self.state.send_modify(|state| state.forgotten += 1);
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
    let birth = state.borrow().birth();
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cut = state.clone();
    tokio::select! {
        _ = cut.wait_for(|state| state.has_cut(birth)) => {}
        () = pass(from_client, to_server, state.clone(), birth, GREETING_BYTES) => {}
        () = pass(from_server, to_client, state, birth, 0) => {}
    }
}

/// Passes bytes on until either end closes. The first `greeting_bytes` of them decide whether a mode applies. Bytes
/// that were stalled when the cable was cut never pass, however soon it is mended: a task may see only the mended
/// state, so each look compares the number of cuts.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    birth: Birth,
    greeting_bytes: usize,
) {
    let mut bytes = vec![0; 64 << 10];
    let mut greeting = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let room = greeting_bytes - greeting.len();
        greeting.extend_from_slice(&bytes[..count.min(room)]);
        let passes = |state: &State| !state.has_forgotten(birth) && !state.mode.stalls(&greeting);
        let mode = match state.wait_for(|state| state.has_cut(birth) || passes(state)).await {
            Ok(state) if !state.has_cut(birth) => state.mode,
            Ok(_) | Err(_) => return,
        };
        if mode == Mode::Slow {
            tokio::time::sleep_until(tokio::time::Instant::now() + SLOWNESS).await;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    // Neither end is told that a forgotten connection is closed.
    state.wait_for(|state| state.has_cut(birth) || !state.has_forgotten(birth)).await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(300);

    /// A link to a server that sends back what it gets.
    async fn to_echo() -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                spawn(async move {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {}
                });
            }
        });
        Link::to(address).await
    }

    async fn connect(link: &Link) -> TcpStream {
        TcpStream::connect(link.address()).await.expect("the link listens")
    }

    /// Whether a byte comes back within a time.
    async fn answers(stream: &mut TcpStream, within: Duration) -> bool {
        let ask = async {
            stream.write_all(b"x").await.ok()?;
            stream.read_exact(&mut [0]).await.ok()
        };
        tokio::time::timeout(within, ask).await.is_ok_and(|answer| answer.is_some())
    }

    #[tokio::test]
    async fn a_forgotten_connection_stays_silent_even_when_the_cable_is_mended_and_a_new_one_works() {
        let link = to_echo().await;
        let mut old = connect(&link).await;
        assert!(answers(&mut old, Duration::from_secs(9)).await);

        link.forget();
        link.mend();

        assert!(!answers(&mut old, SHORT).await);
        let mut end = [0];
        assert!(tokio::time::timeout(SHORT, old.read(&mut end)).await.is_err(), "nothing tells of the end");
        assert!(answers(&mut connect(&link).await, Duration::from_secs(9)).await);
        link.cut();
        let end = tokio::time::timeout(Duration::from_secs(9), old.read(&mut end)).await;
        assert!(matches!(end, Ok(Ok(0) | Err(_))), "a cut ends it: {end:?}");
    }

    #[tokio::test]
    async fn bytes_are_late_on_a_slow_cable_and_in_time_again_on_a_mended_one() {
        let link = to_echo().await;
        let mut stream = connect(&link).await;

        link.slow_down();
        let started = tokio::time::Instant::now();
        assert!(answers(&mut stream, Duration::from_secs(9)).await);
        assert!(started.elapsed() >= 2 * SLOWNESS, "{:?}", started.elapsed());

        link.mend();
        let started = tokio::time::Instant::now();
        assert!(answers(&mut stream, Duration::from_secs(9)).await);
        assert!(started.elapsed() < 2 * SLOWNESS, "{:?}", started.elapsed());
    }
}
