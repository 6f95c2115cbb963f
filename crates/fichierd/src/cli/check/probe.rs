//! `fichierd check --probe`: tries how 1fichier behaves where its documentation is silent, and
//! records the answers, which the service then uses.

use std::time::SystemTime;

use serde::Serialize;

use crate::base::Exit;
use crate::base::words::{chain, duration};
use crate::cli::{beside, output, service};
use crate::config::Config;
use crate::config::connect::connect;
use crate::daemon::control::{Reply, Request};
use crate::remote::{Found, Habits, Said, probe};

/// The document for `--json`. Nothing in it tells whose account it was.
#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    version: &'static str,
    calls: u64,
    #[serde(rename = "traits")]
    habits: &'a Habits,
    said: &'a [Said],
    stopped: Option<String>,
}

/// Tries, records and prints the answers.
///
/// # Errors
///
/// Those of the client, if the probe could not begin; those of the state file.
pub(super) async fn run(config: &Config, json: bool) -> anyhow::Result<Exit> {
    let (client, pacer) = connect(config)?;
    let say = |what: &str| tracing::info!("{what}");
    say(&format!(
        "asking 1fichier what its documentation does not say: about {} calls in {}, in a folder \
         of its own at the top of the account, which is removed at the end",
        probe::CALLS,
        duration(probe::TAKES)
    ));
    let before = pacer.calls_made();
    let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let now_s = i64::try_from(now_s)?;
    let found = probe::probe(&client, &config.state_dir, now_s, &say).await?;
    let calls = pacer.calls_made().saturating_sub(before);
    keep(config, &found.habits).await?;
    let stopped = found.stopped.as_ref().map(|error| chain(error));
    if json {
        let report = Report {
            schema: "fichierd.probe/1",
            version: env!("CARGO_PKG_VERSION"),
            calls,
            habits: &found.habits,
            said: &found.said,
            stopped: stopped.clone(),
        };
        output::line(&serde_json::to_string_pretty(&report)?)?;
    } else {
        print(&found, calls)?;
    }
    Ok(end(&found, stopped))
}

fn print(found: &Found, calls: u64) -> anyhow::Result<()> {
    for (question, answer) in found.habits.rows() {
        let answer = answer.unwrap_or_else(|| "not known".to_owned());
        output::line(&format!("{question:<48} {answer}"))?;
    }
    for Said { question, answer } in &found.said {
        output::line(&format!("{question:<48} {answer}"))?;
    }
    let version = env!("CARGO_PKG_VERSION");
    output::line(&format!(
        "fichierd {version}, {calls} calls. Nothing here says whose account it is: please send it \
         to the maintainers of fichierd"
    ))
}

fn end(found: &Found, stopped: Option<String>) -> Exit {
    if let Some(name) = &found.left {
        tracing::warn!(
            "the folder `{name}` at the top of the account could not be removed whole; the next \
             `fichierd check --probe` tries again"
        );
    }
    if let Some(why) = &stopped {
        tracing::warn!("not everything could be asked: {why}");
    }
    if stopped.is_some() || found.left.is_some() { Exit::Problems } else { Exit::Done }
}

/// Records the answers: the running service does it, or the command itself.
async fn keep(config: &Config, habits: &Habits) -> anyhow::Result<()> {
    match service::reply(config, &Request::Habits(Box::new(habits.clone()))).await? {
        Some(Reply::Done { .. }) => Ok(()),
        Some(other) => Err(service::unexpected(&other)),
        None => beside::keep_habits(config, habits),
    }
}
