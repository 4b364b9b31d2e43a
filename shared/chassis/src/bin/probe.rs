//! The program `probe` asks a process whether it is live or ready. It is for images that contain no other HTTP client.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: probe http://ADDRESS:PORT/PATH, such as probe http://127.0.0.1:9401/ready";
/// A process that takes longer to say whether it is live or ready has a problem.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// `/live` and `/ready` answer with one line.
const ANSWER_BYTES_MAX: u64 = 4 << 10;

/// Exit codes: 0 after a 200; 1 after any other answer, which is printed, or none; 2 if the argument is wrong.
fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_default();
    let Some((address, path)) = parse(&url) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match ask(address, path) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => ExitCode::SUCCESS,
        Ok(answer) => {
            eprintln!("{}", answer.rsplit("\r\n").next().unwrap_or_default().trim_end());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{address} does not answer: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads a URL that has an address instead of a name: a probe that waits for a name server says nothing about the process.
fn parse(url: &str) -> Option<(SocketAddr, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (address, path) = rest.split_at(rest.find('/')?);
    Some((address.parse().ok()?, path))
}

fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&address, ANSWER_TIME)?;
    connection.set_read_timeout(Some(ANSWER_TIME))?;
    connection.set_write_timeout(Some(ANSWER_TIME))?;
    write!(connection, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_parsed_into_an_address_and_a_path() {
        let parsed = parse("http://127.0.0.1:9401/ready");

        assert_eq!(parsed, Some((SocketAddr::from(([127, 0, 0, 1], 9401)), "/ready")));
    }

    #[test]
    fn a_url_without_an_address_is_refused() {
        for url in ["", "127.0.0.1:9401", "http://127.0.0.1:9401", "http://localhost:9401/live", "https://127.0.0.1:1/"]
        {
            assert_eq!(parse(url), None, "{url}");
        }
    }
}
