//! llama.cpp's own dry run: `llama-fit-params --fit-print`, with an RPC server as the device.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use edgeplan_files::InputError;
use edgeplan_model::Allocation;
use edgeplan_problem::Bytes;

use crate::estimate::{Account, Placement};

/// Most time that a server takes until it listens.
const START: Duration = Duration::from_secs(10);

/// Programs of llama.cpp.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The dry run, `llama-fit-params`.
    program: PathBuf,
}

impl Engine {
    /// The programs in that folder.
    ///
    /// # Errors
    /// A folder without `llama-fit-params`.
    pub fn in_folder(folder: &Path) -> Result<Self, InputError> {
        let program = folder.join("llama-fit-params");
        if program.is_file() {
            return Ok(Self { program });
        }
        let problem = "no `llama-fit-params` is here; `./x fetch llama.cpp` builds it";
        Err(InputError::file(folder.display().to_string(), problem))
    }
}

/// A server that ends when this is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; no other error can be reported from here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Bytes on the host and on the device as the engine would allocate them for that file, whole
/// MiB. The device, where the placement uses one, is an RPC server on this machine.
///
/// # Errors
/// A program that cannot be started, or whose output is not that of a dry run.
pub fn dry_run(
    engine: &Engine,
    file: &Path,
    allocation: &Allocation,
    placement: Placement,
) -> Result<[Account; 2], InputError> {
    let shown = engine.program.display().to_string();
    let wrong = |problem: String| InputError::file(&shown, problem);
    let mut command = Command::new(&engine.program);
    command.arg("--model").arg(file).args(["-fitp", "on", "--no-repack"]);
    for (name, value) in [
        ("--ctx-size", allocation.context.saturating_mul(allocation.sequences).to_string()),
        ("--parallel", allocation.sequences.to_string()),
        ("--ubatch-size", allocation.ubatch.to_string()),
        ("--cache-type-k", allocation.keys.name().to_lowercase()),
        ("--cache-type-v", allocation.values.name().to_lowercase()),
    ] {
        command.args([name, &value]);
    }
    let mut server = None;
    if placement.gpu_layers > 0 {
        let (started, endpoint) = serve(&engine.program).map_err(&wrong)?;
        server = Some(started);
        command.args(["--rpc", &endpoint, "--device", "RPC0"]);
        command.args(["--gpu-layers", &placement.gpu_layers.to_string()]);
        if placement.cpu_moe > 0 {
            command.args(["--n-cpu-moe", &placement.cpu_moe.to_string()]);
        }
    }
    let output = command.stdin(Stdio::null()).output().map_err(|error| wrong(error.to_string()))?;
    drop(server);
    let (text, log) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    parse(&text).ok_or_else(|| {
        let said = log.lines().rfind(|line| line.contains("error") || line.contains("invalid"));
        let said = said.or(log.lines().last()).unwrap_or("nothing");
        wrong(format!("{}: {}", file.display(), said.trim()))
    })
}

/// Starts `ggml-rpc-server` beside the program, on a port that is free.
fn serve(program: &Path) -> Result<(Server, String), String> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| error.to_string())?
        .port();
    let server = program.with_file_name("ggml-rpc-server");
    let started = Command::new(&server)
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", server.display()))?;
    let started = Server(started);
    let begin = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if begin.elapsed() > START {
            return Err(format!("{}: does not listen", server.display()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((started, format!("127.0.0.1:{port}")))
}

/// Lines `DEVICE WEIGHTS CONTEXT COMPUTE` in MiB, the host last.
fn parse(text: &str) -> Option<[Account; 2]> {
    let mut accounts = [Account::default(); 2];
    let mut host = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, weights, context, compute] = words[..] else { continue };
        let mib = |word: &str| word.parse::<u64>().ok().map(|mib| Bytes(mib << 20));
        let (Some(weights), Some(context), Some(compute)) =
            (mib(weights), mib(context), mib(compute))
        else {
            continue;
        };
        let place = usize::from(name != "Host");
        host |= place == 0;
        accounts[place] = Account { weights, context, compute };
    }
    host.then_some(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_is_read_line_by_line() {
        let text = "RPC0 100 20 3\nsomething else\nHost 7 0 1 \n";
        let [host, device] = parse(text).unwrap();
        let mib = |mib: u64| Bytes(mib << 20);
        assert_eq!((host.weights, host.context, host.compute), (mib(7), mib(0), mib(1)));
        assert_eq!(device.total(), mib(123));
        assert_eq!(parse("RPC0 1 2 3"), None);
        assert_eq!(parse("error: no such file"), None);
    }
}
