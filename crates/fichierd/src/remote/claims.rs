//! Finds out whether this state is the newest one that works on a target (C08, P09).
//!
//! At each start a folder `.fichierd/epoch/<n+1>` is made, with the number after the newest that
//! the state knows. A number that is there and not in the state was made by somebody else, or by
//! this very installation later than the state is from: a file put back from a backup, a virtual
//! machine set back to a snapshot. The rows of such a state are stale, and nothing may be removed
//! from the target because of them: the whole target is looked at first (`look`).
//!
//! Where `mkdir` is known to refuse a name in use, and the process before this one ended cleanly on
//! this machine, the claim itself tells whether anybody else has claimed the target since (`again`):
//! one call. Otherwise the folder is listed before the claim, and whether `mkdir` refuses is found
//! out once. The folder is listed again before removals that come later than [`LOOK_AGAIN_S`]: a
//! process that finds a newer claim than its own while it runs has been replaced.
//!
//! The process that makes `.fichierd` claims nothing: nobody else can have worked on the target.
//! The folder of the claims is made by the next one.
//!
//! Costs one call at a start, or two with the listing; a listing before removals within each hour;
//! two calls for each old claim that is tidied away.
//!
//! Invariants: each claim is on disk before it is asked for (I3), and after a crash at any point
//! the next start ends the same; records in doubt stay so, over restarts, until the whole target
//! was looked at.

mod again;
mod judge;
mod look;

use fichier_api::names::RemoteName;
use fichier_api::{Client, ErrorKind, FolderId};
use fichier_state::{Mirror, MirrorId, Records, Store, Writing};
use serde::{Deserialize, Serialize};

pub(crate) use self::again::{Again, claim_again, is_plain};
use self::judge::{ClaimVerdict, Claims, host_name};
use crate::base::{Fact, Flag, State};
use crate::remote::error::{RemoteError, TargetRefused};
use crate::remote::folders::{FoundFolder, lacks_folders, with_all_folders};
use crate::remote::{FolderTaken, Habits, Remote, ledger};

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
    /// The folder of the newest claim, if this state has made it.
    made: Option<FolderId>,
    /// The machine that is named beside the claims.
    named: Option<String>,
    /// When the staging folder was last seen in its place; Unix seconds.
    staging_seen_s: i64,
    /// The state file is a copy, so the claims are listed before the next one.
    is_copy: bool,
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

/// Remembers that the staging folder is in its place.
pub(crate) fn staging_is_seen(w: &mut Writing<'_>, mirror: MirrorId) -> fichier_state::Result<()> {
    let now_s = w.now_s();
    Fence::change(w, mirror, |fence| fence.staging_seen_s = now_s)
}

/// Looks at the staging folder before it is used again: a call did not find what is on record.
pub(crate) fn staging_is_doubted(
    w: &mut Writing<'_>,
    mirror: MirrorId,
) -> fichier_state::Result<()> {
    Fence::change(w, mirror, |fence| fence.staging_seen_s = i64::MIN)
}

/// Begins in a folder `.fichierd` that was made just now, where nobody can have claimed anything.
pub(crate) fn nobody_has_claimed(
    w: &mut Writing<'_>,
    mirror: MirrorId,
) -> fichier_state::Result<()> {
    let now_s = w.now_s();
    Fence::change(w, mirror, |fence| {
        fence.is_new = false;
        fence.folder = None;
        fence.named = None;
        fence.made = None;
        fence.looked_s = now_s;
    })
}

/// Lists the claims before the next one: the state file is a copy.
pub(crate) fn is_copy(w: &mut Writing<'_>, mirror: MirrorId) -> fichier_state::Result<()> {
    Fence::change(w, mirror, |fence| fence.is_copy = true)
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

/// Claims the target for this start.
///
/// # Errors
///
/// [`TargetRefused::OtherMachine`] and [`TargetRefused::OtherCopy`] need a decision.
pub(crate) async fn claim(
    client: &Client,
    state: &State,
    mirror: &Mirror,
    target: FolderId,
) -> Result<(), RemoteError> {
    let (is_plain, machine) = state.read(|s| Ok((is_plain(s, mirror)?, machine(s)?)))?;
    if is_plain && claim_again(client, state, mirror).await? == Again::Made {
        return Ok(());
    }
    Claiming { client, state, mirror, machine }.run(target).await
}

/// The calls that the next claim takes, if nobody else has made one since.
pub(crate) fn calls_expected(records: &Store, mirror: &Mirror) -> fichier_state::Result<u64> {
    let fence = Fence::read(records, mirror.id)?;
    let habits = Habits::read(records)?;
    if is_plain(records, mirror)? && fence.folder.is_some() && habits.mkdir_refuses() {
        return Ok(1);
    }
    // The folder of the claims is listed, or found to be missing and made. Then this machine is
    // named, and once more to learn what `mkdir` does.
    let folder = if fence.folder.is_some() { 1 } else { 2 };
    let name = u64::from(fence.epoch == 0) + u64::from(habits.folder_taken.is_none());
    Ok(folder + name + 1)
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
    async fn run(&self, target: FolderId) -> Result<(), RemoteError> {
        // If a claim is refused, another one has been made meanwhile: the next listing shows by
        // whom.
        for _ in 0..3 {
            let (folder, claims) = self.claims(target).await?;
            let next = self.decide(&claims)?;
            self.name_machine(folder, &claims).await?;
            if let Some(made) = self.make(folder, next).await? {
                return self.confirm(next, made, &claims);
            }
        }
        self.lose(Lost::ToCopy)
    }

    /// The folder of the claims and the claims in it. Costs a listing; if the folder is not known,
    /// also the calls that find or make it.
    async fn claims(&self, target: FolderId) -> Result<(FolderId, Claims), RemoteError> {
        let (Fence { folder: known, epoch, .. }, own) =
            self.state.read(|s| Ok((self.fence(s)?, ledger::own_folder(s, self.mirror.id)?)))?;
        if let Some(folder) = known {
            match all_claims(self.client, folder, epoch).await {
                Ok(claims) => return Ok((folder, claims)),
                Err(error) if matches!(error.kind, ErrorKind::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let own = match own {
            Some(own) => FoundFolder::Unread(own),
            None => FoundFolder::Unread(target).step_into_own(self.client).await?,
        };
        let found = own.step_into(self.client, EPOCH_FOLDER).await?;
        let folder = found.id();
        let claims = match found {
            FoundFolder::Empty(_) => Claims::default(),
            FoundFolder::Unread(_) | FoundFolder::Listed(_) => {
                all_claims(self.client, folder, epoch).await?
            }
        };
        self.state.write(|w| remember_folder(w, self.mirror.id, Some(folder)))?;
        Ok((folder, claims))
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

    /// Names this machine beside the claims. Costs a call if the state has come to another machine,
    /// and once in the life of a state file, to learn what `mkdir` does about a name in use: a
    /// second folder of that name does no harm here.
    async fn name_machine(&self, folder: FolderId, claims: &Claims) -> Result<(), RemoteError> {
        let named = claims.hosts.iter().find(|(host, _)| *host == self.machine);
        let mut there = named.map(|(_, id)| *id);
        let name = RemoteName::encode(host_name(&self.machine).as_bytes());
        loop {
            let is_known = self.state.read(|s| Habits::read(s))?.folder_taken.is_some();
            if there.is_some() && is_known {
                return Ok(());
            }
            let met = match (self.client.make_folder(folder, &name).await, there) {
                (Err(error), _) if matches!(error.kind, ErrorKind::NameTaken { .. }) => {
                    FolderTaken::Refused
                }
                (Err(error), _) => return Err(error.into()),
                (Ok(made), None) => {
                    there = Some(made.id);
                    continue;
                }
                (Ok(made), Some(there)) if made.id == there => FolderTaken::Existing,
                (Ok(_), Some(_)) => FolderTaken::Twins,
            };
            return Ok(self.state.write(|w| Habits::met_folder_taken(met, w.now_s()).keep(w))?);
        }
    }

    /// Makes a claim. Returns its folder if it was made; one that was refused may be ours, if an
    /// earlier call for it was not answered.
    async fn make(&self, folder: FolderId, epoch: u64) -> Result<Option<FolderId>, RemoteError> {
        let name = RemoteName::encode(epoch.to_string().as_bytes());
        match self.client.make_folder(folder, &name).await {
            Ok(made) => Ok(Some(made.id)),
            Err(error) if matches!(error.kind, ErrorKind::NameTaken { .. }) => {
                self.state
                    .write(|w| Fence::change(w, self.mirror.id, |fence| fence.claiming = None))?;
                Ok(None)
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

    fn confirm(&self, epoch: u64, made: FolderId, claims: &Claims) -> Result<(), RemoteError> {
        let old = claims.epochs.iter().map(|(_, id)| *id);
        let others = claims.hosts.iter().filter(|(host, _)| *host != self.machine);
        let old: Vec<FolderId> = old.chain(others.map(|(_, id)| *id)).collect();
        Ok(self.state.write(|w| {
            Fence::change(w, self.mirror.id, |fence| {
                fence.epoch = epoch;
                fence.claiming = None;
                fence.made = Some(made);
                fence.named = Some(self.machine.clone());
                fence.is_copy = false;
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

/// The claims in their folder, which was there before. Costs a listing, and another one if the first
/// may lack some: it is incomplete, or shows no claim, or not the newest that the state knows.
///
/// # Errors
///
/// [`ErrorKind::UnexpectedReply`] if the second one is incomplete too: a claim that is not shown may
/// be there (I11).
async fn all_claims(
    client: &Client,
    folder: FolderId,
    known: u64,
) -> Result<Claims, fichier_api::Error> {
    let listing = with_all_folders(client, client.list_folder(folder).await?).await?;
    let claims = Claims::of(&listing);
    if claims.newest() >= known.max(1) {
        return Ok(claims);
    }
    let again = client.list_sub_folders(folder).await?;
    if again.complete { Ok(Claims::of(&again)) } else { Err(lacks_folders(&again)) }
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
        if (0..LOOK_AGAIN_S).contains(&(now_s - fence.looked_s)) {
            return Ok(());
        }
        let folder = match fence.folder {
            Some(folder) => Some(folder),
            None => self.made_by_others().await?,
        };
        let claims = match folder {
            Some(folder) => match all_claims(&self.client, folder, fence.epoch).await {
                Ok(claims) => claims,
                // Somebody removed the folder of the claims; the next start makes it again.
                Err(error) if matches!(error.kind, ErrorKind::NotFound) => Claims::default(),
                Err(error) => return Err(error.into()),
            },
            None => Claims::default(),
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

    /// The folder of the claims, which this process has not made: a later one has, if it is there.
    /// Costs a listing.
    async fn made_by_others(&self) -> Result<Option<FolderId>, RemoteError> {
        let Some(own) = self.state.read(|s| ledger::own_folder(s, self.mirror))? else {
            return Ok(None);
        };
        let name = RemoteName::encode(EPOCH_FOLDER.as_bytes());
        match self.client.list_folder(own).await {
            Ok(listing) => match listing.folder(&name) {
                Some(found) => Ok(Some(found)),
                None => Ok(with_all_folders(&self.client, listing).await?.folder(&name)),
            },
            Err(error) if matches!(error.kind, ErrorKind::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
