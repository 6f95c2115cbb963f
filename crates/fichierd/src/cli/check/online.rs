//! `fichierd check --online`: what the account allows, and whether a file comes back.
//!
//! Uploads may work where downloads do not: the service refuses downloads to addresses that it
//! takes for those of a data centre or a VPN (#913; docs/api-notes.md, D). An administrator must
//! learn that on the first day and not when a disk has died, so a tiny file is sent, downloaded,
//! compared and removed again. That costs five calls, and one for the account, which is then known
//! for ten minutes. Before that the way to the service is tried (`way`), so that the failing part
//! is named.

mod way;

use std::io::{Seek, Write};
use std::sync::Arc;
use std::time::Duration;

use fichier_api::names::RemoteName;
use fichier_api::{
    Account, Client, ErrorKind, FileUrl, FolderId, HoldOffCause, Offer, SendError, SentFile,
    UploadFile, UploadResult, UploadedFile, match_uploaded,
};
use fichier_state::Store;
use jiff::Timestamp;

use super::{Finding, Told};
use crate::base::words::{bytes, chain, duration};
use crate::base::{Exit, when};
use crate::cli::failure::exit_of_call;
use crate::config::Config;
use crate::config::connect::connect;

/// The time between two questions whether the service has scanned the file for viruses.
const POLL: Duration = Duration::from_secs(10);
/// Questions that are asked; after the last one the check fails.
const MOST_POLLS: u32 = 30;
/// The difference between the clocks that is good; a larger one is a warning. Certificates and the
/// times of versions tolerate more.
const CLOCK_AGREES: Duration = Duration::from_secs(5 * 60);
/// The time before the end of a subscription from which on there is a warning.
const ENDS_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// Asks the service, and tells each finding as soon as it is known.
///
/// Ends with [`Exit::Refused`] if the key or the account is refused, [`Exit::Unavailable`] if the
/// service cannot be reached, [`Exit::TryLater`] in a hold-off, and [`Exit::Problems`] for the
/// rest.
///
/// # Errors
///
/// Any other error: of the settings, or of this machine.
pub(super) async fn run(config: &Config, told: &mut Told) -> anyhow::Result<Exit> {
    for finding in way::look(&config.account.api_url).await {
        told.tell(finding)?;
    }
    if told.has_error() {
        return Ok(Exit::Unavailable);
    }
    let (client, _pacer) = connect(config)?;
    let account = match client.account().await {
        Ok(account) => account,
        Err(error) => {
            clock(&client).map(|finding| told.tell(finding)).transpose()?;
            told.tell(refusal(&error))?;
            return Ok(exit_of_call(&error));
        }
    };
    clock(&client).map(|finding| told.tell(finding)).transpose()?;
    for finding in self::account(&account, Timestamp::now()) {
        told.tell(finding)?;
    }
    if account.offer == Some(Offer::None) {
        return Ok(Exit::Refused);
    }
    if !told.has_error() {
        let trial = Trial { client: &client, time_scale: config.pace.time_scale };
        // The account may be known from a few minutes ago, so the trial may be refused
        // nevertheless.
        match trial.run(folder(config)).await.map_err(anyhow::Error::downcast) {
            Ok(found) => found.into_iter().try_for_each(|finding| told.tell(finding))?,
            Err(Ok(error)) => {
                told.tell(refusal(&error))?;
                return Ok(exit_of_call(&error));
            }
            Err(Err(other)) => return Err(other),
        }
    }
    told.tell(Finding::good("key", "the key is accepted"))?;
    Ok(if told.has_error() { Exit::Problems } else { Exit::Done })
}

/// The finding about a test file that was stored, told in the way of files without an account, and
/// not listed: that a listing lacks it proves nothing.
fn not_listed(name: &str) -> Finding {
    let what = format!(
        "upload: the upload node took the test file {name}, and the account does not list it: \
         1fichier lists new files late, or the node did not accept the API key"
    );
    let remedy = "in some minutes: fichierd check --online; if it stays, write the key anew";
    Finding::error("upload", what, format!("{remedy}; remove {name} in the console of 1fichier"))
}

/// The finding that tells why a call was refused.
fn refusal(error: &fichier_api::Error) -> Finding {
    let text = chain(error);
    let (about, remedy) = match &error.kind {
        ErrorKind::KeyRefused | ErrorKind::Anonymous => (
            "key",
            "write the key from https://1fichier.com/console/params.pl into the key file; then: \
             systemctl restart fichierd",
        ),
        ErrorKind::CustomersOnly => ("account", "buy Premium or Access at https://1fichier.com"),
        ErrorKind::OwnerLocked { .. } => ("account", "ask the support of 1fichier"),
        ErrorKind::HeldOff { cause: HoldOffCause::Flood, .. }
        | ErrorKind::Throttled { .. }
        | ErrorKind::Locked => ("hold_off", "wait until it ends: fichierd status"),
        ErrorKind::HeldOff { .. } => (
            "hold_off",
            "wait until it ends: fichierd status; to let one call through: fichierd resume",
        ),
        ErrorKind::UnknownRefusal { .. } => (
            "service",
            "read the words, and look at the account in the console of 1fichier or ask its support",
        ),
        // The way was tried before: a server listens there, but does not answer as expected.
        ErrorKind::Unreachable(_) => (
            "tls",
            "look at the certificate: openssl s_client -connect api.1fichier.com:443; a proxy \
             that opens TLS needs its authority in `ca_file`; a wrong clock makes certificates \
             invalid: timedatectl",
        ),
        ErrorKind::PaceMemory(_) => ("state_folder", "look at the permissions of the state folder"),
        ErrorKind::AddressRefused
        | ErrorKind::OneLocation
        | ErrorKind::NotFound
        | ErrorKind::NotAllowed
        | ErrorKind::NameTaken { .. }
        | ErrorKind::NothingRenamed
        | ErrorKind::NodeStorage
        | ErrorKind::NodeRefused { .. }
        | ErrorKind::NoFileInUpload
        | ErrorKind::Maintenance
        | ErrorKind::Failing { .. }
        | ErrorKind::UnexpectedReply { .. }
        | ErrorKind::Refused { .. }
        | ErrorKind::InvalidRequest { .. }
        | ErrorKind::Corrupt { .. }
        | ErrorKind::Sink(_) => (
            "service",
            "try again later: fichierd check --online; if that fails again, look at the account \
             in the console of 1fichier, and for a proxy in between",
        ),
    };
    Finding::error(about, text, remedy)
}

/// Compares our clock with the service's, as its last reply told it.
fn clock(client: &Client) -> Option<Finding> {
    let heard = client.service_clock()?;
    Some(clock_finding(heard.difference(), heard.local_is_ahead()))
}

fn clock_finding(apart: Duration, is_ahead: bool) -> Finding {
    const ABOUT: &str = "clock";
    if apart <= CLOCK_AGREES {
        return Finding::good(ABOUT, "the clock agrees with that of 1fichier");
    }
    let where_to = if is_ahead { "ahead of" } else { "behind" };
    let what = format!("the clock is {} {where_to} that of 1fichier", duration(apart));
    Finding::warning(ABOUT, what, "timedatectl set-ntp true")
}

/// The findings about the account; an error if it does not allow what this program does.
fn account(account: &Account, now: Timestamp) -> Vec<Finding> {
    const ABOUT: &str = "account";
    const RENEW: &str = "renew it at https://1fichier.com: without it the API refuses everything";
    let offer = match account.offer {
        Some(Offer::None) => {
            let message = "the account has neither Premium nor Access, which the API needs";
            let mut findings = vec![Finding::error(ABOUT, message, RENEW)];
            findings.extend(expiry(account));
            return findings;
        }
        Some(Offer::Premium) => "Premium",
        Some(Offer::Access) => "Access",
        Some(Offer::Gold) => "Premium GOLD",
        None => "the service does not say which offer",
        Some(Offer::Other(_)) => "an offer that this version does not know",
    };
    let mut findings = vec![match account.subscription_end {
        None => Finding::good(ABOUT, format!("account: {offer}")),
        Some(end) => {
            let text = format!("account: {offer}, until {}", when::day(end));
            let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
            if left < ENDS_SOON {
                Finding::warning(ABOUT, text, RENEW)
            } else {
                Finding::good(ABOUT, text)
            }
        }
    }];
    findings.extend(expiry(account));
    const STORAGE: &str = "storage";
    const MORE: &str = "get more storage, or keep fewer versions (`keep`)";
    if let (Some(used), Some(allowed)) =
        (account.cold_storage_bytes, account.allowed_cold_storage_bytes)
    {
        let hot = account.hot_storage_bytes;
        let and_hot = hot.map(|hot| format!(" cold, and {} hot", bytes(hot))).unwrap_or_default();
        let what = format!("storage: {} of {}{and_hot}", bytes(used), bytes(allowed));
        // What is hot now counts once nobody has accessed it for 60 days.
        let used = used.saturating_add(hot.unwrap_or(0));
        findings.push(if used / 9 >= allowed / 10 {
            Finding::warning(STORAGE, what, MORE)
        } else {
            Finding::good(STORAGE, what)
        });
    }
    if account.overquota {
        findings.push(Finding::error(STORAGE, "the account is over its quota", MORE));
    }
    if account.upload_forbidden {
        let what = "1fichier forbids uploads to this account";
        findings.push(Finding::error(STORAGE, what, "ask the support of 1fichier why"));
    }
    findings
}

/// The finding that files may expire with this offer.
fn expiry(account: &Account) -> Option<Finding> {
    let days = account.expires_after_days()?;
    let what =
        format!("with this offer 1fichier may remove files that nobody downloads for {days} days");
    let remedy = "get Premium, which keeps them; or download all of them in time: fichierd verify \
                  MIRROR --full";
    Some(Finding::warning("account", what, remedy))
}

/// The folder for the test file: the staging folder of the first mirror that has one, where a
/// leftover file is cleared away; else the root of the account.
fn folder(config: &Config) -> FolderId {
    let Ok(state) = Store::open_read_only(&config.state_dir) else { return FolderId::ROOT };
    let row = |name: &str, target: &str| state.mirror(name, target).ok().flatten()?.incoming;
    let found = config.mirrors.iter().find_map(|mirror| row(&mirror.name, &mirror.target));
    found.unwrap_or(FolderId::ROOT)
}

/// Sends a test file and gets it back.
struct Trial<'a> {
    client: &'a Client,
    time_scale: u32,
}

impl Trial<'_> {
    async fn run(&self, folder: FolderId) -> anyhow::Result<Vec<Finding>> {
        let name = format!("fichierd-check-{:016x}", fastrand::u64(..));
        let (sent, url) = match self.send(&name, folder).await? {
            Ok(arrived) => arrived,
            Err(finding) => return Ok(vec![finding]),
        };
        let mut findings = vec![Finding::good("upload", "upload: a test file arrived whole")];
        findings.push(self.download(&sent, &url).await);
        if let Err(error) = self.client.remove_files(&[url]).await {
            let what = format!("the test file {name} could not be removed: {error}");
            let remedy = format!("remove {name} in the console of 1fichier");
            findings.push(Finding::warning("upload", what, remedy));
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
                    if !self.is_ours(&stored, folder).await? {
                        return Ok(Err(not_listed(name)));
                    }
                    let url = match_uploaded(&sent.files, &stored).urls.pop().flatten();
                    let file = sent.files.into_iter().next();
                    let lost = || {
                        let remedy = format!("look for {name} in the console of 1fichier");
                        Finding::error(
                            "upload",
                            "the test file did not arrive as it was sent",
                            remedy,
                        )
                    };
                    return Ok(file.zip(url).ok_or_else(lost));
                }
                UploadResult::BeingScanned | UploadResult::Nothing | UploadResult::Unclear(_) => {
                    tokio::time::sleep(POLL / self.time_scale).await;
                }
            }
        }
        let late = format!("the service has not finished with the test file {name} in time");
        Ok(Err(Finding::error("upload", late, "try again later: fichierd check --online")))
    }

    /// Whether the file is seen in the account, if the result makes that doubtful: a node that does
    /// not know the key stores a file for nobody. A key that is refused makes no listing.
    async fn is_ours(
        &self,
        stored: &[UploadedFile],
        folder: FolderId,
    ) -> Result<bool, fichier_api::Error> {
        if stored.iter().all(|file| file.removal.is_none()) {
            return Ok(true);
        }
        let listed = self.client.list_folder(folder).await?.files;
        Ok(stored.iter().all(|file| listed.iter().any(|listed| listed.url == file.url)))
    }

    async fn download(&self, sent: &SentFile, url: &FileUrl) -> Finding {
        let expected = Some((sent.size_bytes, sent.whirlpool));
        match self.client.download(url, expected, &mut tokio::io::sink()).await {
            Ok(_) => Finding::good("download", "download: it came back as it was sent"),
            Err(error) if matches!(error.kind, ErrorKind::AddressRefused) => Finding::error(
                "download",
                "download: 1fichier takes the address of this machine for that of a data centre or \
                 a VPN, and refuses downloads to it (#913). Backups work, but nothing can be \
                 restored from here",
                "buy CDN credits or GOLD, or restore from another address",
            ),
            Err(error) => Finding::error(
                "download",
                format!("download: {}", chain(&error)),
                "try again later: fichierd check --online",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(reply: &str) -> Vec<String> {
        let read: Account = serde_json::from_str(reply).unwrap();
        let now: Timestamp = "2026-05-04T12:00:00Z".parse().unwrap();
        account(&read, now).into_iter().map(|finding| format!("{finding:?}")).collect()
    }

    #[test]
    fn y49_an_offer_under_which_files_expire_is_told_with_its_remedy() {
        let gib: u64 = 1 << 30;
        let storage = format!(
            r#""cold_storage":{},"hot_storage":{},"allowed_cold_storage":{}"#,
            gib,
            92 * gib,
            100 * gib
        );
        for (offer, expires) in [("0", true), ("2", true), ("1", false), ("3", false)] {
            let all = told(&format!("{{\"offer\":{offer},{storage}}}")).join("\n");
            assert_eq!(all.contains("nobody downloads for 30 days"), expires, "{offer}: {all}");
            assert_eq!(all.contains("verify MIRROR --full"), expires, "{offer}: {all}");
        }
        let all = told(&format!("{{\"offer\":1,{storage}}}")).join("\n");
        assert!(all.contains("1.00 GiB of 100 GiB cold, and 92.0 GiB hot"), "{all}");
        assert!(all.contains("get more storage"), "hot files count later: {all}");
        let nothing = told("{}").join("\n");
        assert!(!nothing.contains("days") && !nothing.contains("storage"), "{nothing}");
    }
}
