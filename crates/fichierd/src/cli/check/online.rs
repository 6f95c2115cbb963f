//! `fichierd check --online`: what the account allows, and whether a file comes back.
//!
//! Uploads may work where downloads do not: the service refuses them to addresses that it takes
//! for a data centre's or a VPN's (#913; docs/api-notes.md, D). Whoever runs a server must learn
//! that on the first day and not when a disk has died, so a tiny file is sent, downloaded,
//! compared and removed again. Costs five calls, and one for the account, which is then known for
//! ten minutes.

use std::io::{self, Seek, Write};
use std::sync::Arc;
use std::time::Duration;

use fichier_api::names::RemoteName;
use fichier_api::{
    Account, Client, ErrorKind, FileUrl, FolderId, Offer, SendError, SentFile, UploadFile,
    UploadResult, match_uploaded,
};
use fichier_state::Store;
use jiff::Timestamp;

use super::Finding;
use crate::account::connect;
use crate::cli::failure::ended;
use crate::config::Config;
use crate::exit::Exit;
use crate::status::bytes;

/// How long the service may scan the file for viruses, in polls that are this far apart.
const POLL: Duration = Duration::from_secs(10);
const MOST_POLLS: u32 = 30;
/// A subscription that ends sooner is worth a warning.
const ENDS_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// Asks the service, and tells by `say` what it finds, each thing as soon as it is known.
///
/// # Errors
///
/// [`Exit::Refused`] without a subscription, and the client's errors.
pub(super) async fn run(
    config: &Config,
    say: impl Fn(&Finding) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    let (client, _pacer) = connect(config)?;
    let mut findings = account(&client.account().await?, Timestamp::now())?;
    let may_send = !findings.iter().any(|finding| matches!(finding, Finding::Error(_)));
    findings.iter().try_for_each(&say)?;
    if may_send {
        let trial = Trial { client: &client, time_scale: config.pace.time_scale };
        let found = trial.run(folder(config)).await?;
        found.iter().try_for_each(&say)?;
        findings.extend(found);
    }
    let bad = |finding: &Finding| matches!(finding, Finding::Error(_));
    Ok(if findings.iter().any(bad) { Exit::Problems } else { Exit::Done })
}

/// What the account allows; an error where it allows nothing that this program does.
fn account(account: &Account, now: Timestamp) -> anyhow::Result<Vec<Finding>> {
    let offer = match account.offer {
        Offer::None => {
            let message = "the account has neither Premium nor Access, which the API needs";
            return Err(ended(Exit::Refused, message));
        }
        Offer::Premium => "Premium",
        Offer::Access => "Access",
        Offer::Gold => "Premium GOLD",
        Offer::Other(_) => "an offer that this version does not know",
    };
    let mut findings = vec![match account.subscription_end {
        None => Finding::Good(format!("account: {offer}")),
        Some(end) => {
            let text = format!("account: {offer}, until {}", end.strftime("%Y-%m-%d"));
            let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
            if left < ENDS_SOON { Finding::Warning(text) } else { Finding::Good(text) }
        }
    }];
    if let (Some(used), Some(allowed)) =
        (account.cold_storage_bytes, account.allowed_cold_storage_bytes)
    {
        findings.push(Finding::Good(format!("storage: {} of {}", bytes(used), bytes(allowed))));
    }
    if account.overquota {
        findings.push(Finding::Error("the account is over its quota".to_owned()));
    }
    if account.upload_forbidden {
        findings.push(Finding::Error("1fichier forbids uploads to this account".to_owned()));
    }
    Ok(findings)
}

/// Where the file goes: the staging folder of the first mirror that has one, where a file that is
/// left over is cleared away; else the root of the account.
fn folder(config: &Config) -> FolderId {
    let Ok(state) = Store::open_read_only(&config.state_dir) else { return FolderId::ROOT };
    let row = |name: &str, target: &str| state.mirror(name, target).ok().flatten()?.incoming;
    let found = config.mirrors.iter().find_map(|mirror| row(&mirror.name, &mirror.target));
    found.unwrap_or(FolderId::ROOT)
}

/// One file, there and back.
struct Trial<'a> {
    client: &'a Client,
    time_scale: u32,
}

impl Trial<'_> {
    async fn run(&self, folder: FolderId) -> anyhow::Result<Vec<Finding>> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!("fichierd-check-{:016x}", u64::from_le_bytes(random));
        let (sent, url) = match self.send(&name, folder).await? {
            Ok(arrived) => arrived,
            Err(finding) => return Ok(vec![finding]),
        };
        let mut findings = vec![Finding::Good("upload: a test file arrived whole".to_owned())];
        findings.push(self.download(&sent, &url).await);
        if let Err(error) = self.client.remove_files(&[url]).await {
            let what = format!("the test file {name} could not be removed; please do so: {error}");
            findings.push(Finding::Warning(what));
        }
        Ok(findings)
    }

    /// Sends the file, and finds out its link.
    async fn send(
        &self,
        name: &str,
        folder: FolderId,
    ) -> anyhow::Result<Result<(SentFile, FileUrl), Finding>> {
        let mut file = tempfile::tempfile()?;
        writeln!(file, "A test of fichierd, to be removed: {name}")?;
        file.rewind()?;
        let size_bytes = file.metadata()?.len();
        let upload =
            UploadFile::new(RemoteName::encode(name.as_bytes()), size_bytes, move || Ok(file));
        let slot = self.client.open_upload().await?;
        let sent = match self.client.send_files(&slot, folder, vec![upload], Arc::default()).await {
            Ok(sent) => sent,
            Err(SendError::File { source, .. }) => return Err(source.into()),
            Err(SendError::Service { error, .. }) => return Err(error.into()),
        };
        for _ in 0..MOST_POLLS {
            match self.client.upload_result(&slot, Some(&sent.xid)).await? {
                UploadResult::Ready(stored) => {
                    let url = match_uploaded(&sent.files, &stored).urls.pop().flatten();
                    let file = sent.files.into_iter().next();
                    let lost = "the test file did not arrive as it was sent; look for it in the \
                                console of 1fichier";
                    let arrived = file.zip(url).ok_or_else(|| Finding::Error(lost.to_owned()));
                    return Ok(arrived);
                }
                UploadResult::BeingScanned | UploadResult::Nothing => {
                    tokio::time::sleep(POLL / self.time_scale).await;
                }
            }
        }
        let late =
            format!("the service takes its time over the test file {name}; look again later");
        Ok(Err(Finding::Error(late)))
    }

    async fn download(&self, sent: &SentFile, url: &FileUrl) -> Finding {
        let expected = Some((sent.size_bytes, sent.whirlpool));
        match self.client.download(url, expected, &mut tokio::io::sink()).await {
            Ok(_) => Finding::Good("download: it came back as it was sent".to_owned()),
            Err(error) if matches!(error.kind, ErrorKind::AddressRefused) => Finding::Error(
                "download: 1fichier takes the address of this machine for a data centre's or a \
                 VPN's and refuses downloads to it (#913). Backups work, but nothing can be \
                 restored from here: buy CDN credits or GOLD, or restore from another address"
                    .to_owned(),
            ),
            Err(error) => Finding::Error(format!("download: {}", crate::mirror::chain(&error))),
        }
    }
}
