//! `fichierd diff`: what a mirror held at two times, compared.

use clap::Args;
use fichier_state::RelPath;
use serde::Serialize;

use super::output;
use super::past::Recorded;
use crate::base::Exit;
use crate::config::Config;
use crate::restore::tree::differences;
use crate::restore::{Difference, Tree, What};

#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// Name of the mirror
    mirror: String,
    /// The earlier time: 2026-11-24, "2026-11-24 10:15", "2 hours ago", yesterday
    #[arg(long, value_name = "TIME")]
    from: String,
    /// The later time [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    mirror: String,
    changes: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    path: RelPath,
    what: &'static str,
    is_folder: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<RelPath>,
}

pub(crate) fn run(args: &DiffArgs, config: &Config) -> anyhow::Result<Exit> {
    let recorded = Recorded::open(config, &args.mirror)?;
    let tree = |at| Tree::new(&recorded.store, &recorded.mirror, at);
    let before = recorded.moment(Some(&args.from))?;
    let after = recorded.moment(args.to.as_deref())?;
    let found = differences(&tree(before), &tree(after))?;
    if args.json {
        let changes = found.into_iter().map(Row::of).collect();
        let schema = "fichierd.diff/1";
        output::json(&Document { schema, mirror: args.mirror.clone(), changes })?;
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        output::line("no difference")?;
    }
    for difference in &found {
        output::line(&text(difference))?;
    }
    Ok(Exit::Done)
}

impl Row {
    fn of(difference: Difference) -> Row {
        let (what, from) = match difference.what {
            What::Added => ("added", None),
            What::Removed => ("removed", None),
            What::Changed => ("changed", None),
            What::Attributes => ("attributes", None),
            What::Renamed { from } => ("renamed", Some(from)),
        };
        Row { path: difference.path, what, is_folder: difference.is_folder, from }
    }
}

fn text(difference: &Difference) -> String {
    let slash = if difference.is_folder { "/" } else { "" };
    let path = &difference.path;
    match &difference.what {
        What::Added => format!("added       {path}{slash}"),
        What::Removed => format!("removed     {path}{slash}"),
        What::Changed => format!("changed     {path}{slash}"),
        What::Attributes => format!("attributes  {path}{slash}"),
        What::Renamed { from } => format!("renamed     {from}{slash} -> {path}{slash}"),
    }
}
