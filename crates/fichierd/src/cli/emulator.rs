//! `fichierd emulator`: an imitation of 1fichier on this machine.
//!
//! For trying a configuration, and other programs, without an account. It keeps the files in a
//! folder, so that it can be stopped and started again. Only on loopback: its key is no secret.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use fichier_emulator::{Emulator, Storage};
use tokio::signal::unix::{SignalKind, signal};

use super::failure::ended;
use super::output;
use crate::exit::Exit;

#[derive(Args, Debug)]
pub(crate) struct EmulatorArgs {
    /// Where the files are kept; made when missing
    #[arg(long)]
    dir: PathBuf,
    /// Address and port of the API, on this machine only [default: a free port]
    #[arg(long, value_name = "ADDR", default_value_t = ANY_PORT, hide_default_value = true)]
    listen: SocketAddr,
    /// HTTPS and a proxy, so that unmodified programs such as rclone can use it
    #[arg(long)]
    tls: bool,
}

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Runs until it is interrupted, which is no failure.
pub(crate) async fn run(args: EmulatorArgs) -> anyhow::Result<Exit> {
    if !args.listen.ip().is_loopback() {
        let message = "the emulator listens only on this machine, such as 127.0.0.1:8080";
        return Err(ended(Exit::Usage, message));
    }
    std::fs::create_dir_all(&args.dir)
        .with_context(|| format!("cannot make {}", args.dir.display()))?;
    let dir = args.dir.canonicalize()?;
    let mut terminated = signal(SignalKind::terminate())?;
    let emulator = Emulator::builder()
        .storage(Storage::Folder(dir.join("files")))
        .listen(args.listen)
        .tls(args.tls)
        .start()
        .await
        .context("the emulator cannot start")?;
    output::line(&introduction(&emulator, &dir)?)?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    for violation in emulator.violations() {
        output::line(&format!("rule broken: {}", output::harmless(&violation)))?;
    }
    emulator.stop().await;
    Ok(Exit::Done)
}

/// How to reach it, as a piece of configuration that can be copied.
fn introduction(emulator: &Emulator, dir: &Path) -> anyhow::Result<String> {
    let key = write_beside(dir, "api_key", emulator.api_key())?;
    let mut text = format!(
        "An imitation of 1fichier is running; Ctrl-C stops it. Its files: {}\n\n\
         [account]\napi_url = \"{}\"\napi_key_file = \"{}\"\n",
        dir.display(),
        emulator.api_url(),
        key.display()
    );
    if let (Some(pem), Some(proxy)) = (emulator.ca_pem(), emulator.proxy_url()) {
        let ca = write_beside(dir, "ca.pem", pem)?;
        let (ca, key) = (ca.display(), key.display());
        text += &format!(
            "ca_file = \"{ca}\"\n\nIts nodes have the names of the real ones; to reach them, start \
             fichierd with\n  HTTPS_PROXY={proxy} NO_PROXY=127.0.0.1\nand rclone (key: {key}) \
             with\n  HTTPS_PROXY={proxy} rclone --ca-cert {ca} …\n"
        );
    }
    Ok(text)
}

/// Writes a small file that only its owner can read.
fn write_beside(dir: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = dir.join(name);
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{}", text.trim_end()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
