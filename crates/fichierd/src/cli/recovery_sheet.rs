//! `fichierd recovery-sheet`: a few lines to print and to keep in another place, safe from a fire.
//!
//! The sheet names no secret: a person who finds it can do nothing with it without the key.

use jiff::Timestamp;

use super::output::{harmless, line};
use crate::base::{Exit, when};
use crate::config::Config;

pub(crate) fn run(config: &Config) -> anyhow::Result<Exit> {
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
    }
    line("")?;
    line("On a new machine:")?;
    line("  1. Install fichierd, this version or a later one.")?;
    line("  2. Put the key into a file that only you can read, then:")?;
    line("       export FICHIER_API_KEY=\"$(cat KEYFILE)\"")?;
    line("  3. For each mirror, rebuild its records and put its files back:")?;
    for mirror in &config.mirrors {
        line(&format!("       fichierd recover --target {}", quoted(&mirror.target)))?;
        line(&format!("       fichierd restore {} DEST", mirror.name))?;
    }
    line("  4. To go on mirroring: put the configuration in place (recover writes it to")?;
    line("     recovered.toml in the state folder), and start the service.")?;
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
