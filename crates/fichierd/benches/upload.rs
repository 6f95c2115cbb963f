//! How fast files are read, enciphered, hashed and sent, beside sending them as they are.
//!
//! The receiver throws everything away, so that the machine has nothing to do but the sender's
//! work. One large file and many small ones are sent plain and enciphered in turn; printed are the
//! best throughput of each, the processor time for each GiB, and the ratio of the two. It fails
//! when the large file is sent at less than 85 % of the throughput that it has as it is.
//!
//! ```text
//! cargo bench -p fichierd --bench upload [MiB of the large file]
//! ```
//!
//! Needs two processors that have nothing else to do.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fichier_api::names::RemoteName;
use fichier_api::{
    Client, FolderId, MAX_FILES_PER_UPLOAD, PaceConfig, Pacer, UploadFile, UploadSlot,
};
use fichier_testkit::loopback;
use fichierd::disk::Enciphered;
use rclone_formats::crypt::size::cipher_size;
use rclone_formats::crypt::{Encryptor, Keys, Nonce};

const ROUNDS: usize = 5;
const SMALL_FILES: usize = 10_000;
const SMALL_BYTES: usize = 4096;
/// What an encrypted mirror should reach of the throughput of a plain one.
const LEAST_RATIO: f64 = 0.85;
/// The ticks of /proc/self/stat, which are the same on all machines with Linux.
const TICKS_PER_S: f64 = 100.0;

fn main() -> Result<()> {
    let large_mib = std::env::args().find_map(|word| word.parse::<usize>().ok()).unwrap_or(512);
    let folder = tempfile::tempdir()?;
    let large = vec![random_file(&folder.path().join("large"), large_mib << 20)?];
    let small =
        (0..SMALL_FILES).map(|n| random_file(&folder.path().join(n.to_string()), SMALL_BYTES));
    let small = small.collect::<Result<Vec<_>>>()?;

    let runtime = tokio::runtime::Runtime::new()?;
    let sender = Sender::new()?;
    let ratio = runtime.block_on(sender.compare(&format!("{large_mib} MiB"), &large))?;
    runtime.block_on(sender.compare(&format!("{SMALL_FILES} × {SMALL_BYTES} bytes"), &small))?;
    ensure!(ratio >= LEAST_RATIO, "the large file reaches {ratio:.2}, less than {LEAST_RATIO}");
    Ok(())
}

fn random_file(path: &Path, bytes: usize) -> Result<PathBuf> {
    let mut content = vec![0; bytes];
    fastrand::fill(&mut content);
    fs::write(path, content)?;
    Ok(path.to_owned())
}

/// A client, and a node that takes all and keeps nothing.
struct Sender {
    client: Client,
    slot: UploadSlot,
    keys: Keys,
}

/// What it took to send files, at best.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    processor_s: f64,
}

impl Sender {
    fn new() -> Result<Sender> {
        let node = TcpListener::bind("127.0.0.1:0")?;
        let address = node.local_addr()?.to_string();
        thread::spawn(move || node.incoming().try_for_each(|request| swallow(request?)));
        let pace = PaceConfig { time_scale: 1000, ..PaceConfig::default() };
        let api_url = format!("http://{address}/v1");
        let client = loopback::client("key", Pacer::in_memory(pace), &api_url).build()?;
        let slot = UploadSlot { id: "AbC4567890".to_owned(), node: address };
        let keys = Keys::derive(b"correct horse battery staple", None)?;
        Ok(Sender { client, slot, keys })
    }

    /// Sends the files in both ways, and tells the ratio of the throughputs.
    async fn compare(&self, what: &str, files: &[PathBuf]) -> Result<f64> {
        let none = Took { wall: Duration::MAX, processor_s: f64::MAX };
        let mut best = [none; 2];
        for _ in 0..ROUNDS {
            for (best, enciphered) in best.iter_mut().zip([false, true]) {
                let took = self.send(files, enciphered).await?;
                best.wall = best.wall.min(took.wall);
                best.processor_s = best.processor_s.min(took.processor_s);
            }
        }
        let bytes = files.iter().map(|file| Ok(fs::metadata(file)?.len())).sum::<Result<u64>>()?;
        let mib = f64::from(u32::try_from(bytes >> 10)?) / 1024.0;
        for (took, how) in best.into_iter().zip(["plain", "enciphered"]) {
            let (rate, each) = (mib / took.wall.as_secs_f64(), took.processor_s * 1024.0 / mib);
            println!("{what:20} {how:10} {rate:7.1} MiB/s  {each:5.1} s of a processor each GiB");
        }
        let ratio = best[0].wall.as_secs_f64() / best[1].wall.as_secs_f64();
        println!("{what:20} enciphered {ratio:.2} × plain, best of {ROUNDS}");
        Ok(ratio)
    }

    async fn send(&self, files: &[PathBuf], enciphered: bool) -> Result<Took> {
        let (start, before_s) = (Instant::now(), processor_s()?);
        for files in files.chunks(MAX_FILES_PER_UPLOAD) {
            let files = files.iter().map(|path| self.upload(path, enciphered));
            let files = files.collect::<Result<_>>()?;
            let progress = Arc::new(AtomicU64::new(0));
            self.client.send_files(&self.slot, FolderId::ROOT, files, progress).await?;
        }
        Ok(Took { wall: start.elapsed(), processor_s: processor_s()? - before_s })
    }

    fn upload(&self, path: &Path, enciphered: bool) -> Result<UploadFile> {
        let name = path.file_name().context("a name")?.as_encoded_bytes();
        let (name, bytes) = (RemoteName::encode(name), fs::metadata(path)?.len());
        let path = path.to_owned();
        if !enciphered {
            return Ok(UploadFile::new(name, bytes, || File::open(path)));
        }
        let keys = self.keys.clone();
        let open = move || {
            let encryptor = Encryptor::new(&keys, Nonce::from_bytes([7; 24]));
            Ok(Enciphered::new(File::open(path)?, bytes, encryptor))
        };
        Ok(UploadFile::new(name, cipher_size(bytes).context("a size")?, open))
    }
}

/// Reads one request and replies as a node does that has taken the files.
fn swallow(mut request: TcpStream) -> Result<()> {
    let mut reader = BufReader::with_capacity(256 * 1024, request.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "a request without an end");
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse()?;
            }
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let reply = "HTTP/1.1 302 Found\r\nLocation: /end.pl?xid=AbC4567890\r\n\
                 Content-Length: 0\r\nConnection: close\r\n\r\n";
    Ok(request.write_all(reply.as_bytes())?)
}

/// Seconds that this process has had of all processors.
fn processor_s() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name in parentheses may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("a name")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(|ticks| Ok(ticks.parse::<u32>()?)).sum::<Result<u32>>()?;
    Ok(f64::from(ticks) / TICKS_PER_S)
}
