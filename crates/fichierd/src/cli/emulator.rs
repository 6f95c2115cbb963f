//! `fichierd emulator`: an imitation of 1fichier on this machine.
//!
//! It is for trying a configuration, and other programs, without an account. It keeps the files in
//! a folder, so that it can be stopped and started again, and it listens on loopback only, because
//! its key is no secret. It prints the part of a configuration that leads to it. When it ends it
//! prints how often each call was made, and each broken rule of the service.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use fichier_emulator::{Emulator, Request, Rules, Storage};
use tokio::signal::unix::{SignalKind, signal};

use super::failure::ended;
use super::output;
use crate::base::Exit;

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
    /// Let any number of calls through, for programs that ignore the published limits
    #[arg(long)]
    no_limits: bool,
    /// Run the service's clock this many times faster: limits, locks, lifetimes; the `[pace]`
    /// block that fichierd needs for it is printed
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    time_scale: u32,
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
    let rules = if args.no_limits { Rules::lenient() } else { Rules::published() };
    let emulator = Emulator::builder()
        .rules(rules)
        .time_scale(args.time_scale)
        .storage(Storage::Folder(dir.join("files")))
        .listen(args.listen)
        .tls(args.tls)
        .start()
        .await
        .context("the emulator cannot start")?;
    output::line(&introduction(&emulator, &dir, args.time_scale)?)?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    output::line(&summary(&emulator.requests()))?;
    for violation in emulator.violations() {
        output::line(&format!("rule broken: {}", output::harmless(&violation)))?;
    }
    emulator.stop().await;
    Ok(Exit::Done)
}

/// How often it was asked for what, most first; downloads of contents are not calls.
fn summary(requests: &[Request]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for request in requests {
        *counts.entry(&request.endpoint).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let parts: Vec<String> = counts.iter().map(|(what, n)| format!("{n} {what}")).collect();
    format!("requests: {} ({})", requests.len(), output::harmless(&parts.join(", ")))
}

/// How to reach it: the blocks of a configuration, to be copied, and what TLS needs besides.
fn introduction(emulator: &Emulator, dir: &Path, time_scale: u32) -> anyhow::Result<String> {
    let key = write_beside(dir, "api_key", emulator.api_key())?;
    let mut text = format!(
        "An imitation of 1fichier is running; Ctrl-C stops it. Its files: {}\n\n\
         [account]\napi_url = \"{}\"\napi_key_file = \"{}\"\n",
        dir.display(),
        emulator.api_url(),
        key.display()
    );
    let mut hint = String::new();
    if let (Some(pem), Some(proxy)) = (emulator.ca_pem(), emulator.proxy_url()) {
        let ca = write_beside(dir, "ca.pem", pem)?;
        let (ca, key) = (ca.display(), key.display());
        text += &format!("ca_file = \"{ca}\"\n");
        hint = format!(
            "\nIts nodes have the names of the real ones; to reach them, start fichierd with\n  \
             HTTPS_PROXY={proxy} NO_PROXY=127.0.0.1\nand rclone (key: {key}) with\n  \
             HTTPS_PROXY={proxy} rclone --ca-cert {ca} …\n"
        );
    }
    // A client that counts in real seconds would wait for limits that ended long ago.
    if time_scale != 1 {
        text += &format!("\n[pace]\ntime_scale = {time_scale}\n");
    }
    Ok(text + &hint)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// What the emulator prints, as far as it is configuration, read as fichierd reads it.
    async fn printed_at(time_scale: u32) -> (String, Config) {
        let dir = tempfile::tempdir().unwrap();
        let emulator = Emulator::builder().time_scale(time_scale).start().await.unwrap();
        let printed = introduction(&emulator, dir.path(), time_scale).unwrap();
        let (_, blocks) = printed.split_once("\n\n").unwrap();
        let file = dir.path().join("config.toml");
        std::fs::write(&file, blocks).unwrap();
        let config = Config::load(Some(&file)).unwrap();
        assert_eq!(config.account.api_url, emulator.api_url());
        emulator.stop().await;
        (printed, config)
    }

    #[tokio::test]
    async fn what_is_printed_is_the_configuration_for_its_clock() {
        let (printed, config) = printed_at(20).await;
        assert!(printed.ends_with("\n\n[pace]\ntime_scale = 20\n"), "{printed}");
        assert_eq!(config.pace.time_scale, 20);
        let (printed, config) = printed_at(1).await;
        assert!(!printed.contains("[pace]"), "{printed}");
        assert_eq!(config.pace.time_scale, 1);
    }

    #[tokio::test]
    async fn the_end_says_how_often_what_was_asked_for() {
        let emulator = Emulator::builder().start().await.unwrap();
        assert_eq!(summary(&emulator.requests()), "requests: 0 ()");
        emulator.stop().await;
        let request = |endpoint: &str| Request {
            at_ms: 0,
            endpoint: endpoint.to_owned(),
            method: "POST".to_owned(),
            links: 0,
            status: 200,
            folder_id: None,
            bytes: 0,
            text: String::new(),
        };
        let requests = ["end.pl", "upload.cgi", "end.pl"].map(request);
        assert_eq!(summary(&requests), "requests: 3 (2 end.pl, 1 upload.cgi)");
    }
}
