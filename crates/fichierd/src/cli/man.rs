//! `fichierd man`: the manual pages, made from the same definitions as `--help`.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};

use super::{Cli, output};
use crate::base::Exit;

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Write fichierd.1 and a page for each command to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs) -> anyhow::Result<Exit> {
    let command = Cli::command().disable_help_subcommand(true);
    match &args.out {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(command, folder))
                .with_context(|| format!("cannot write to {}", folder.display()))?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            output::line(&String::from_utf8(page)?)?;
        }
    }
    Ok(Exit::Done)
}
