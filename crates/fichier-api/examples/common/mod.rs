//! What the examples share: a client set up from the environment.

use std::env;
use std::path::PathBuf;

use fichier_api::{ApiKey, Client, FolderId, PaceConfig, Pacer};

/// A client with the key in `FICHIER_API_KEY`.
///
/// `FICHIER_API_URL` names another API, such as that of an emulator. The pacer's memory is kept
/// between runs, so that running examples one after another breaks no limit.
pub(crate) fn client() -> anyhow::Result<Client> {
    let key = env::var("FICHIER_API_KEY").map_err(|_| anyhow::anyhow!("set FICHIER_API_KEY"))?;
    let home = env::var_os("XDG_STATE_HOME").or_else(|| env::var_os("HOME"));
    let memory = PathBuf::from(home.unwrap_or_default()).join(".fichier-api-pace");
    let pacer = Pacer::at(&memory, PaceConfig::default())?;
    let mut builder = Client::builder(ApiKey::new(key)?, pacer);
    if let Ok(url) = env::var("FICHIER_API_URL") {
        builder = builder.api_url(&url);
    }
    Ok(builder.build()?)
}

/// The argument at `index`, or an error that says how to call the example.
#[allow(dead_code, reason = "not every example has arguments")]
pub(crate) fn argument(index: usize, usage: &str) -> anyhow::Result<String> {
    env::args().nth(index).ok_or_else(|| anyhow::anyhow!("usage: {usage}"))
}

/// The number of a folder; 0 is the root.
#[allow(dead_code, reason = "not every example has arguments")]
pub(crate) fn folder(text: &str) -> anyhow::Result<FolderId> {
    Ok(FolderId(text.parse()?))
}
