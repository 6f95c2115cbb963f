//! `fichierd recovery-sheet`: a few lines to print and to keep in another place, safe from a fire.
//!
//! The sheet names no secret, unless it is asked for: a person who finds it can do nothing with it
//! without the key. Of encrypted mirrors it has what rclone needs to read them ([`encrypted`]), and
//! [`confirm`] ends the question in `status` whether their passwords are kept elsewhere.

mod confirm;
mod encrypted;

use clap::Args;
use jiff::Timestamp;

use self::encrypted::{Encrypted, print_sources};
use super::output::{harmless, line};
use crate::base::{Exit, when};
use crate::config::Config;

#[derive(Args, Debug)]
pub(crate) struct SheetArgs {
    /// Print the passwords of encrypted mirrors too, obscured as rclone has them
    #[arg(long)]
    with_secrets: bool,
    /// Print nothing, and record that the passwords are kept in another place
    #[arg(long, conflicts_with = "with_secrets")]
    confirm: bool,
}

pub(crate) async fn run(args: SheetArgs, config: &Config) -> anyhow::Result<Exit> {
    if args.confirm { confirm::run(config).await } else { print(config, args.with_secrets) }
}

fn print(config: &Config, with_secrets: bool) -> anyhow::Result<Exit> {
    let encrypted = Encrypted::of(&config.mirrors, with_secrets)?;
    let store = fichier_state::Store::open_read_only(&config.state_dir).ok();
    let version = env!("CARGO_PKG_VERSION");
    line(&format!("fichierd {version}: recovery sheet of {}", when::told(now_s())))?;
    line("")?;
    line("Account at 1fichier.com: ______________________ (write the e-mail address here)")?;
    line("Its API key is not on this sheet. Keep the key in another place. Anybody who can")?;
    line("log in can make a new one: https://1fichier.com/console/params.pl")?;
    for mirror in &config.mirrors {
        line("")?;
        line(&format!("Mirror {}", mirror.name))?;
        line(&format!("  source  {}", harmless(&mirror.source.display().to_string())))?;
        line(&format!("  target  {}", harmless(&mirror.target)))?;
        let row = match &store {
            Some(store) => store.mirror_of(&mirror.name, &mirror.source, &mirror.target)?,
            None => None,
        };
        let newest = match (&store, row) {
            (Some(store), Some(row)) => store.newest_snapshot(row.id)?,
            _ => None,
        };
        line(&match newest {
            Some(newest) => {
                format!("  newest snapshot  {} ({})", newest.name, when::told(newest.made_s))
            }
            None => "  newest snapshot  none yet".to_owned(),
        })?;
        mirror.encrypt.as_ref().map(print_sources).transpose()?;
    }
    line("")?;
    line("On a new machine:")?;
    line("  1. Install fichierd, this version or a later one.")?;
    line("  2. Put the key into a file that only you can read, then:")?;
    line("       export FICHIER_API_KEY=\"$(cat KEYFILE)\"")?;
    if !encrypted.is_empty() {
        line("     Have the passwords of the encrypted mirrors at hand: their records are")?;
        line("     encrypted too.")?;
    }
    line("  3. For each mirror, rebuild its records and put its files back:")?;
    for mirror in &config.mirrors {
        line(&format!("       fichierd recover --target {}", quoted(&mirror.target)))?;
        line(&format!("       fichierd restore {} DEST", mirror.name))?;
    }
    line("  4. To go on mirroring: put the configuration in place (recover writes it to")?;
    line("     recovered.toml in the state folder), and start the service.")?;
    if !encrypted.is_empty() {
        Encrypted::print(&encrypted)?;
    }
    Ok(Exit::Done)
}

fn now_s() -> i64 {
    Timestamp::now().as_second()
}

/// The text as a shell reads it as one word.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", harmless(text).replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_so_that_it_can_be_typed() {
        assert_eq!(quoted("/backup/photos"), "/backup/photos");
        assert_eq!(quoted("/it's mine"), r"'/it'\''s mine'");
    }
}
