//! Finds out whether this state is the newest one that works on a target (C08, P09).
//!
//! At each start a folder `.fichierd/epoch/<n+1>` is made, with the number after the newest that
//! the state knows. A number that is there and not in the state was made by somebody else, or by
//! this very installation later than the state is from: a file put back from a backup, a virtual
//! machine set back to a snapshot. The rows of such a state are stale, and nothing may be removed
//! from the target because of them: the whole target is looked at first (`look`).
//!
//! Names of folders are probably unique in their parent, but that is not certain, so the folder is
//! listed before each claim, and again before removals that come later than [`LOOK_AGAIN_S`]: a
//! process that finds a newer claim than its own while it runs has been replaced.
//!
//! Costs two calls at a start (a listing and a `mkdir`), one before removals within each hour, and
//! two for each old claim that is tidied away.
//!
//! Invariants: each claim is on disk before it is asked for (I3), and after a crash at any point
//! the next start ends the same; records in doubt stay so, over restarts, until the whole target
//! was looked at.

mod judge;
mod look;

use fichier_api::names::RemoteName;
use fichier_api::{Client, ErrorKind, FolderId};
use fichier_state::{Mirror, MirrorId, Records, Writing};
use serde::{Deserialize, Serialize};

use self::judge::{ClaimVerdict, Claims, host_name};
use crate::base::{Fact, Flag, State};
use crate::remote::error::{RemoteError, TargetRefused};
use crate::remote::folders::FoundFolder;
use crate::remote::{Remote, ledger};

/// The folder of the claims, in `.fichierd`.
pub(crate) const EPOCH_FOLDER: &str = "epoch";

/// Seconds after a look at the claims; removals that come later are preceded by another look.
const LOOK_AGAIN_S: i64 = 3600;

/// Seconds within which a second notice of an older state means that two states take turns; after
/// that the state is taken to have been put back once more.
const TAKE_TURNS_S: i64 = 30 * 24 * 3600;

/// The note with this machine's identity: see [`crate::base::machine::machine`].
pub const MACHINE_NOTE: &str = "machine";

/// The facts that a state knows of the claims on a mirror's target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Fence {
    /// The newest claim that it has made, or seen.
    epoch: u64,
    /// The claim that is about to be made.
    claiming: Option<u64>,
    /// The folder of the claims.
    folder: Option<FolderId>,
    /// When that folder was last listed; Unix seconds.
    looked_s: i64,
    /// Nothing was on record of the target before: the claims in it are accepted as they are.
    is_new: bool,
    /// When an older state was last noticed; Unix seconds.
    noticed_s: Option<i64>,
    /// The doubt because of which the whole target is to be looked at.
    doubt: Option<Doubt>,
    /// Who else works on the target.
    lost: Option<Lost>,
    /// Old claims, to be tidied away.
    pub(crate) old: Vec<FolderId>,
}

/// Why the records are not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Doubt {
    /// Since when they are in doubt; Unix seconds. Folders that were compared later are done.
    since_s: i64,
}

/// Who else works on the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Lost {
    /// Another machine works on it.
    ToMachine,
    /// A process with a copy of this state works on it.
    ToCopy,
}

impl Fence {
    pub(crate) fn read(records: &Records, mirror: MirrorId) -> fichier_state::Result<Fence> {
        Ok(fact(mirror).read(records)?.unwrap_or_default())
    }

    pub(crate) fn change<R>(
        w: &mut Writing<'_>,
        mirror: MirrorId,
        change: impl FnOnce(&mut Fence) -> R,
    ) -> fichier_state::Result<R> {
        fact(mirror).change(w, change)
    }
}

fn fact(mirror: MirrorId) -> Fact<Fence> {
    Fact::about(format!("claims on the target of mirror {}", mirror.0))
}

/// Begins without claims: nothing is on record of the target, or the records were recovered from
/// there, so the claims that are found there tell nothing new.
pub(crate) fn begin_anew(w: &mut Writing<'_>, mirror: MirrorId) -> fichier_state::Result<()> {
    Fence::change(w, mirror, |fence| *fence = Fence { is_new: true, ..Fence::default() })
}

/// Remembers the folder of the claims, as a listing of `.fichierd` shows it.
pub(crate) fn remember_folder(
    w: &mut Writing<'_>,
    mirror: MirrorId,
    folder: Option<FolderId>,
) -> fichier_state::Result<()> {
    Fence::change(w, mirror, |fence| fence.folder = folder)
}

/// How many folders are still to be looked at before the records are believed; `None` if they are
/// believed.
///
/// # Errors
///
/// The state file's.
pub fn left_to_look_at(records: &Records, mirror: MirrorId) -> fichier_state::Result<Option<u64>> {
    let Some(doubt) = Fence::read(records, mirror)?.doubt else { return Ok(None) };
    let folders = records.oldest_audit(mirror)?.map_or(0, |(_, folders)| folders);
    let done = records.audited_since(mirror, doubt.since_s + 1)?;
    Ok(Some(folders.saturating_sub(done)))
}

/// The flag that lets a mirror go on, once, with a target on which somebody else works.
pub fn take_over(mirror: &str) -> Flag {
    Flag::named(format!("take over the target of {mirror}"))
}

/// Refuses a target that is known to be in use by somebody else, without a call.
pub(crate) fn check_known(state: &State, mirror: &Mirror) -> Result<(), RemoteError> {
    let lost = state.read(|s| Ok((Fence::read(s, mirror.id)?.lost, is_taken_over(s, mirror)?)))?;
    match lost {
        (Some(lost), false) => Err(lost.into()),
        (Some(_) | None, _) => Ok(()),
    }
}

/// Claims the target for this start. `made` is the folder of the claims if it was made just now, so
/// that nothing can be in it.
///
/// # Errors
///
/// [`TargetRefused::OtherMachine`] and [`TargetRefused::OtherCopy`] need a decision.
pub(crate) async fn claim(
    client: &Client,
    state: &State,
    mirror: &Mirror,
    target: FolderId,
    made: Option<FolderId>,
) -> Result<(), RemoteError> {
    let machine = state.read(|s| machine(s))?;
    Claiming { client, state, mirror, machine }.run(target, made).await
}

/// The identity of this machine; on a machine without one, that of the installation.
fn machine(records: &Records) -> fichier_state::Result<String> {
    Ok(match records.note(MACHINE_NOTE)? {
        Some(machine) => machine,
        None => records.installation()?.unwrap_or_default(),
    })
}

struct Claiming<'a> {
    client: &'a Client,
    state: &'a State,
    mirror: &'a Mirror,
    machine: String,
}

impl Claiming<'_> {
    async fn run(&self, target: FolderId, made: Option<FolderId>) -> Result<(), RemoteError> {
        let mut made = made;
        // If a claim is refused, another one has been made meanwhile: the next listing shows by
        // whom.
        for _ in 0..3 {
            let (folder, claims) = match made.take() {
                Some(folder) => (folder, Claims::default()),
                None => self.claims(target).await?,
            };
            let next = self.decide(&claims)?;
            self.name_machine(folder, &claims).await?;
            if self.make(folder, next).await? {
                return self.confirm(next, &claims);
            }
        }
        self.lose(Lost::ToCopy)
    }

    /// The folder of the claims and the claims in it. Costs a listing; if the folder is not known,
    /// also the calls that find or make it.
    async fn claims(&self, target: FolderId) -> Result<(FolderId, Claims), RemoteError> {
        let (known, own) = self
            .state
            .read(|s| Ok((self.fence(s)?.folder, ledger::own_folder(s, self.mirror.id)?)))?;
        if let Some(folder) = known {
            match self.client.list_folder(folder).await {
                Ok(listing) => return Ok((folder, Claims::of(&listing))),
                Err(error) if matches!(error.kind, ErrorKind::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let own = match own {
            Some(own) => FoundFolder::Unread(own),
            None => FoundFolder::Unread(target).step_into_own(self.client).await?,
        };
        let folder = own.step_into(self.client, EPOCH_FOLDER).await?.id();
        let listing = self.client.list_folder(folder).await?;
        self.state.write(|w| remember_folder(w, self.mirror.id, Some(folder)))?;
        Ok((folder, Claims::of(&listing)))
    }

    /// Decides what the claims mean, and records it. Returns the number of the next claim.
    fn decide(&self, claims: &Claims) -> Result<u64, RemoteError> {
        let (fence, taken_over) =
            self.state.read(|s| Ok((self.fence(s)?, is_taken_over(s, self.mirror)?)))?;
        let verdict = if fence.is_new {
            ClaimVerdict::Newest
        } else {
            claims.judge(fence.epoch, fence.claiming, &self.machine)
        };
        let now_s = self.state.now_s();
        let lately = |at_s: i64| (0..TAKE_TURNS_S).contains(&(now_s - at_s));
        let in_turns = fence.noticed_s.is_some_and(lately);
        let lost = match verdict {
            ClaimVerdict::OtherMachine => Some(Lost::ToMachine),
            ClaimVerdict::Twice => Some(Lost::ToCopy),
            ClaimVerdict::Older if in_turns => Some(Lost::ToCopy),
            ClaimVerdict::Newest | ClaimVerdict::PerhapsOurs | ClaimVerdict::Older => None,
        };
        if let Some(lost) = lost.or(fence.lost).filter(|_| !taken_over) {
            return self.lose(lost);
        }
        let doubts = taken_over || verdict != ClaimVerdict::Newest;
        let known = fence.epoch.max(claims.newest());
        self.state.write(|w| {
            if doubts {
                w.doubt_listings(self.mirror.id)?;
                take_over(&self.mirror.name).set(w, false)?;
            }
            Fence::change(w, self.mirror.id, |fence| {
                if doubts {
                    fence.doubt = Some(Doubt { since_s: now_s });
                    fence.lost = None;
                }
                if verdict == ClaimVerdict::Older && !taken_over {
                    fence.noticed_s = Some(now_s);
                } else if taken_over {
                    fence.noticed_s = None;
                }
                fence.epoch = known;
                fence.claiming = Some(known + 1);
                fence.is_new = false;
                fence.looked_s = now_s;
            })
        })?;
        if doubts {
            self.say(verdict, &fence, known);
        }
        Ok(known + 1)
    }

    fn say(&self, verdict: ClaimVerdict, before: &Fence, known: u64) {
        let name = &self.mirror.name;
        let why = match verdict {
            ClaimVerdict::PerhapsOurs => {
                "an earlier start was cut short, and whether it reached 1fichier is not known"
                    .to_owned()
            }
            ClaimVerdict::Older => format!(
                "the state file is older than what is on 1fichier (it knows of start {}, and there \
                 were {known}): it was put back from a backup or a snapshot, or a copy of it is in \
                 use elsewhere",
                before.epoch
            ),
            ClaimVerdict::Newest | ClaimVerdict::OtherMachine | ClaimVerdict::Twice => {
                "the target is taken over".to_owned()
            }
        };
        tracing::warn!(mirror = %name, "`{name}`: {why}. Nothing is sent or removed until its \
            whole target was compared with the records, one call for each folder; then it goes on \
            by itself");
    }

    /// Records that somebody else works on the target; nothing more is done there.
    fn lose<T>(&self, lost: Lost) -> Result<T, RemoteError> {
        lose(self.state, self.mirror.id, lost)?;
        Err(lost.into())
    }

    /// Names this machine beside the claims. Costs a call only if the state has come to another
    /// machine.
    async fn name_machine(&self, folder: FolderId, claims: &Claims) -> Result<(), RemoteError> {
        if claims.hosts.iter().any(|(host, _)| *host == self.machine) {
            return Ok(());
        }
        let name = RemoteName::encode(host_name(&self.machine).as_bytes());
        match self.client.make_folder(folder, &name).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind, ErrorKind::NameTaken { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a claim. Returns whether it was made; one that was refused may be ours, if an earlier
    /// call for it was not answered.
    async fn make(&self, folder: FolderId, epoch: u64) -> Result<bool, RemoteError> {
        let name = RemoteName::encode(epoch.to_string().as_bytes());
        match self.client.make_folder(folder, &name).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind, ErrorKind::NameTaken { .. }) => {
                self.state
                    .write(|w| Fence::change(w, self.mirror.id, |fence| fence.claiming = None))?;
                Ok(false)
            }
            Err(error) => {
                if !error.outcome_unknown() {
                    self.state.write(|w| {
                        Fence::change(w, self.mirror.id, |fence| fence.claiming = None)
                    })?;
                }
                Err(error.into())
            }
        }
    }

    fn confirm(&self, epoch: u64, claims: &Claims) -> Result<(), RemoteError> {
        let old = claims.epochs.iter().map(|(_, id)| *id);
        let others = claims.hosts.iter().filter(|(host, _)| *host != self.machine);
        let old: Vec<FolderId> = old.chain(others.map(|(_, id)| *id)).collect();
        Ok(self.state.write(|w| {
            Fence::change(w, self.mirror.id, |fence| {
                fence.epoch = epoch;
                fence.claiming = None;
                fence.old = old;
            })
        })?)
    }

    fn fence(&self, records: &Records) -> fichier_state::Result<Fence> {
        Fence::read(records, self.mirror.id)
    }
}

impl From<Lost> for RemoteError {
    fn from(lost: Lost) -> RemoteError {
        RemoteError::Target(match lost {
            Lost::ToMachine => TargetRefused::OtherMachine,
            Lost::ToCopy => TargetRefused::OtherCopy,
        })
    }
}

fn lose(state: &State, mirror: MirrorId, lost: Lost) -> fichier_state::Result<()> {
    state.write(|w| Fence::change(w, mirror, |fence| fence.lost = Some(lost)))
}

fn is_taken_over(records: &Records, mirror: &Mirror) -> fichier_state::Result<bool> {
    take_over(&mirror.name).is_set(records)
}

impl Remote {
    /// Checks before removals that nobody else has claimed the target meanwhile. Costs a listing,
    /// at most once an hour.
    pub(crate) async fn check_claim(&self) -> Result<(), RemoteError> {
        let fence = self.state.read(|s| Fence::read(s, self.mirror))?;
        let now_s = self.state.now_s();
        let Some(folder) = fence.folder else { return Ok(()) };
        if (0..LOOK_AGAIN_S).contains(&(now_s - fence.looked_s)) {
            return Ok(());
        }
        let claims = match self.client.list_folder(folder).await {
            Ok(listing) => Claims::of(&listing),
            // Somebody removed the folder of the claims; the next start makes it again.
            Err(error) if matches!(error.kind, ErrorKind::NotFound) => Claims::default(),
            Err(error) => return Err(error.into()),
        };
        let machine = self.state.read(|s| machine(s))?;
        let lost = match claims.judge(fence.epoch, None, &machine) {
            ClaimVerdict::Newest => {
                return Ok(self
                    .state
                    .write(|w| Fence::change(w, self.mirror, |fence| fence.looked_s = now_s))?);
            }
            ClaimVerdict::OtherMachine => Lost::ToMachine,
            // This process has made the newest claim that it knows, so its state is not an older
            // one.
            ClaimVerdict::PerhapsOurs | ClaimVerdict::Older | ClaimVerdict::Twice => Lost::ToCopy,
        };
        lose(&self.state, self.mirror, lost)?;
        Err(lost.into())
    }
}
