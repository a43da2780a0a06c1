//! `llama-server`: when it is ready, and how long it takes for a request.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::json;

use crate::child::Child;

/// How long one answer may take.
const LONGEST: Duration = Duration::from_secs(120);

/// Where it listens.
#[derive(Debug)]
pub(crate) struct Server {
    agent: ureq::Agent,
    address: String,
}

/// What it says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct Timings {
    /// Tokens that were not in a cache.
    prompt_n: u32,
    pub(crate) prompt_ms: f64,
    predicted_n: u32,
    pub(crate) predicted_per_token_ms: f64,
}

#[derive(Deserialize)]
struct Completion {
    timings: Timings,
}

impl Server {
    pub(crate) fn at(port: u16) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(LONGEST)).build();
        Self { agent: config.into(), address: format!("http://127.0.0.1:{port}") }
    }

    /// Waits until it has loaded its model; others must live on, too.
    pub(crate) fn wait(
        &self,
        own: &mut Child,
        others: &mut [&mut Child],
        most: Duration,
    ) -> Result<()> {
        let start = Instant::now();
        loop {
            if self.agent.get(format!("{}/health", self.address)).call().is_ok() {
                return Ok(());
            }
            own.check()?;
            others.iter_mut().try_for_each(|child| child.check())?;
            if start.elapsed() > most {
                bail!("llama-server is not ready after {} s", most.as_secs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A prompt of these tokens, and so many more after the first that it yields.
    pub(crate) fn ask(&self, prompt: &[u32], generate: u32) -> Result<Timings> {
        let body = json!({
            "prompt": prompt,
            "n_predict": generate + 1,
            "ignore_eos": true,
            "cache_prompt": false,
            "samplers": ["top_k"],
            "top_k": 1,
        });
        let url = format!("{}/completion", self.address);
        let mut answer = self.agent.post(url).send_json(body).context("llama-server")?;
        let Completion { timings } = answer.body_mut().read_json().context("llama-server")?;
        let whole = (prompt.len() as u32, generate + 1);
        if (timings.prompt_n, timings.predicted_n) != whole {
            bail!("llama-server ran {timings:?} instead of {whole:?} tokens");
        }
        Ok(timings)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request for 2 tokens and 3 generated ones as `llama-server` does.
    fn fake(generated: u32) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let body = format!(
                "{{\"content\": \"\", \"timings\": {{\"cache_n\": 0, \"prompt_n\": 2, \
                 \"prompt_ms\": 5.5, \"predicted_n\": {generated}, \
                 \"predicted_per_token_ms\": 1.25}}}}"
            );
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
            write!(socket, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
        });
        port
    }

    #[test]
    fn answers_are_read_and_must_be_whole() {
        let timings = Server::at(fake(3)).ask(&[1, 2], 2).unwrap();
        assert_eq!((timings.prompt_ms, timings.predicted_per_token_ms), (5.5, 1.25));
        let error = Server::at(fake(1)).ask(&[1, 2], 2).unwrap_err().to_string();
        assert!(error.contains("instead of (2, 3) tokens"), "{error}");
    }
}
