//! `fichierd drill`: restores a random sample for a test, and compares it with disk and records.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Args;
use fichier_api::ErrorKind;
use serde::Serialize;

use super::failure::{ended, exit_of_call};
use super::past::Recorded;
use super::progress::Shown;
use super::{keep, output, service};
use crate::base::Exit;
use crate::base::words::{bytes, chain, duration};
use crate::config::Config;
use crate::config::connect::connect;
use crate::remote::unreachable;
use crate::restore::{Drill, Proved, ProvedBy, RestoreError, keyring_of};
use crate::upkeep::canary::address_refused;

#[derive(Args, Debug)]
pub(crate) struct DrillArgs {
    /// Name of the mirror
    mirror: String,
    /// Download with the account's CDN credits: 1 GB of them for each GB
    #[arg(long)]
    use_cdn: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    mirror: String,
    good: bool,
    files: u64,
    bytes: u64,
    detail: String,
    calls: u64,
    seconds: f64,
}

pub(crate) async fn run(args: DrillArgs, config: &Config) -> anyhow::Result<Exit> {
    service::known_mirror(config, &args.mirror)?;
    let most_bytes = config.mirror(&args.mirror).map_or(0, |mirror| mirror.drill_bytes);
    let recorded = Recorded::open(config, &args.mirror)?;
    let keyring = keyring_of(config);
    let prepared = tokio::task::block_in_place(|| {
        Drill::prepare(&recorded.store, &recorded.mirror, &keyring, most_bytes)
    })?;
    let now_s = recorded.store.clock().now_s();
    drop(recorded);
    let Some(drill) = prepared else {
        let message = "there is no file on record that is small enough for `drill_bytes`";
        return Err(ended(Exit::Failed, message));
    };
    let (client, pacer) = connect(config)?;
    let (began, calls) = (Instant::now(), pacer.calls_made());
    let drill = drill.paid(args.use_cdn || config.account.use_cdn);
    let came = drill.progress();
    let shown = Shown::waits(&pacer, move || {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let (done, all) = (read(&came.bytes_done), read(&came.bytes));
        match all {
            0 => "choosing and comparing".to_owned(),
            all => format!("{} of {} downloaded and compared", bytes(done), bytes(all)),
        }
    });
    let proof = drill.run(client, &config.state_dir, now_s).await;
    drop(shown);
    let proof = proof.map_err(|error| explain(&error, most_bytes))?;
    let (took, calls) = (began.elapsed(), pacer.calls_made().saturating_sub(calls));
    let proved = Proved {
        mirror: args.mirror.clone(),
        by: ProvedBy::Drill,
        good: proof.good,
        files: proof.files,
        bytes: proof.bytes,
        detail: proof.detail.clone(),
        broken: Vec::new(),
        confirmed: Vec::new(),
    };
    keep::keep(config, &proved).await;
    if args.json {
        output::json(&Document {
            schema: "fichierd.drill/1",
            mirror: args.mirror,
            good: proof.good,
            files: proof.files,
            bytes: proof.bytes,
            detail: proof.detail,
            calls,
            seconds: took.as_secs_f64(),
        })?;
    } else {
        let verdict = if proof.good { "a restore works" } else { "NOT as recorded" };
        output::line(&format!("{}: {verdict}: {}; {}", args.mirror, proof.detail, duration(took)))?;
        if !proof.good {
            output::line(&format!(
                "find all damaged files, and have them sent again: fichierd verify {} --full",
                args.mirror
            ))?;
        }
    }
    Ok(if proof.good { Exit::Done } else { Exit::Problems })
}

fn explain(error: &RestoreError, most_bytes: u64) -> anyhow::Error {
    let (exit, why) = match error {
        RestoreError::Service(error) if matches!(error.kind, ErrorKind::AddressRefused) => {
            (Exit::Refused, address_refused(most_bytes))
        }
        RestoreError::Service(error) => {
            let why = unreachable(error).unwrap_or_else(|| chain(error));
            (exit_of_call(error), why)
        }
        RestoreError::Disk { .. } => (Exit::Failed, chain(error)),
    };
    ended(exit, format!("the drill came to no result: {why}"))
}
