//! `fichierd restore --dry-run`: how many files, bytes, calls and hours a restore takes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::RestoreArgs;
use super::end::Document;
use crate::base::words::{bytes, counted, duration};
use crate::base::{Exit, when};
use crate::cli::output;
use crate::config::Config;
use crate::restore::{DestPlace, Plan};

/// Files of one kind that are named; the others are counted.
const MOST_NAMED: usize = 10;

/// Prints the size of a restore, and what cannot be restored.
pub(super) fn print(
    args: &RestoreArgs,
    config: &Config,
    plan: &Plan,
    document: &Document,
) -> anyhow::Result<Exit> {
    if args.json {
        output::json(document)?;
        return Ok(Exit::Done);
    }
    let seconds = document.downloads as f64 / config.pace.calls_per_second.max(0.01);
    let calls_take = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    // The speed of the line is not known here, so the estimate is for 100 Mbit/s.
    let line_takes = Duration::from_secs(document.download_bytes / 12_500_000);
    output::line(&format!(
        "`{}` as of {}: {} ({}), {}, {}",
        args.mirror,
        when::told(document.at.as_second()),
        counted(document.files, "file"),
        bytes(document.bytes),
        counted(plan.folders.len() as u64, "folder"),
        counted(plan.links.len() as u64, "link")
    ))?;
    output::line(&format!(
        "to download, if nothing of it is in {}: {} ({}), {}",
        args.dest.display(),
        counted(document.downloads, "file"),
        bytes(document.download_bytes),
        counted(document.downloads, "call")
    ))?;
    output::line(&format!(
        "at {} calls/s that takes at least {}; at 100 Mbit/s the bytes take {}",
        config.pace.calls_per_second,
        duration(calls_take),
        duration(line_takes)
    ))?;
    let lost = lost(plan)?;
    for (path, why) in &plan.refused {
        output::line(&format!("  {path}: {why}"))?;
    }
    Ok(if lost + plan.refused.len() > 0 { Exit::Problems } else { Exit::Done })
}

/// Prints the files whose contents cannot be had, and why. Returns their number.
fn lost(plan: &Plan) -> anyhow::Result<usize> {
    let mut by_reason: BTreeMap<&str, Vec<&DestPlace>> = BTreeMap::new();
    for content in &plan.contents {
        if let Some(why) = content.why_lost() {
            by_reason.entry(why).or_default().extend(&content.places);
        }
    }
    for (why, places) in &by_reason {
        output::line(&format!(
            "{} cannot be restored; of each, {why}:",
            counted(places.len() as u64, "file")
        ))?;
        for place in places.iter().take(MOST_NAMED) {
            output::line(&format!("  {}", place.path))?;
        }
    }
    Ok(by_reason.values().map(Vec::len).sum())
}
