//! The least that speaks HTTP/1.1 over one kept connection, so that little of a client is measured.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, buffer: vec![0; 64 * 1024] })
    }

    /// Posts JSON and reads a 200 whole; returns its body.
    pub fn post(&mut self, path: &str, body: &str) -> anyhow::Result<&str> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Authorization: Bearer sk-bench\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes())?;
        let mut read = 0;
        loop {
            let more = self.stream.read(&mut self.buffer[read..])?;
            anyhow::ensure!(more > 0, "the connection was closed");
            read += more;
            let answer = std::str::from_utf8(&self.buffer[..read])?;
            let Some((head, body)) = answer.split_once("\r\n\r\n") else { continue };
            anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "{answer}");
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
            });
            if Some(body.len()) == length {
                let start = read - body.len();
                return Ok(std::str::from_utf8(&self.buffer[start..read])?);
            }
        }
    }

    /// The body of a GET's 200, or none while the server says otherwise.
    pub fn get(&mut self, path: &str) -> anyhow::Result<Option<String>> {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        self.stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer)?;
        Ok(Some(answer).filter(|answer| answer.starts_with("HTTP/1.1 200")))
    }

    /// Posts lines of JSON and counts the lines of the answer; the connection is spent.
    pub fn post_lines(mut self, path: &str, lines: &str) -> anyhow::Result<usize> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n",
            lines.len()
        );
        let mut writer = self.stream.try_clone()?;
        let body = lines.as_bytes().to_vec();
        // Answers come while lines still go: both ways at once, or neither side would move.
        let sender = std::thread::spawn(move || -> std::io::Result<()> {
            writer.write_all(head.as_bytes())?;
            writer.write_all(&body)
        });
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer)?;
        let status = String::from_utf8_lossy(&answer[..answer.len().min(200)]);
        anyhow::ensure!(status.starts_with("HTTP/1.1 200"), "{status}");
        let count = answer.windows(10).filter(|bytes| bytes == br#""language""#).count();
        sender.join().expect("the sender does not panic")?;
        Ok(count)
    }
}
