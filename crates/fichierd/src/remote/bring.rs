//! Moves files from folder to folder, and finds out the outcome for each.
//!
//! One call is enough when all goes well. A file that the reply leaves out counts neither as moved
//! nor as gone: the service is asked again while that helps (it may carry out a batch in
//! part, G.1 row 1), and then the file is looked for in a listing, by link, or by name, size and
//! hash where the move gave it a new link (B.9). Where no hash is told, the reply has to name the new
//! link; if it does not, a file of that name and size is neither ours nor in the way.
//!
//! Invariant: a file counts as there only if the service names it, and as gone only if the service
//! says that it knows no such file and the listing does not show it either. A listing that shows
//! nothing at all is asked for twice (`look_into`).

use std::collections::{HashMap, HashSet};

use fichier_api::names::RemoteName;
use fichier_api::{
    BatchOutcome, ErrorKind, FileUrl, FolderId, FolderListing, RemoteFile, Whirlpool,
};
use fichier_state::{Entry, ForeignFile, PendingFile, failpoint};

use crate::remote::error::{RemoteError, is_gone};
use crate::remote::{Remote, unconfirmed};

/// Files that are asked for one by one, at most: the service frowns on many such calls (A.5).
const MOST_ASKED: usize = 5;

/// A file that is to be moved.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    /// The file's link before the move.
    pub(crate) url: FileUrl,
    /// The names that the file may have when it has arrived.
    pub(crate) names: Vec<RemoteName>,
    size_bytes: u64,
    whirlpool: Option<Whirlpool>,
}

/// The outcome of a move, by the files' links before it.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    /// Files that are in the folder now, with their present links.
    there: HashMap<FileUrl, FileUrl>,
    /// Those of them that were recognised by their content: they may be somebody else's.
    lookalikes: HashSet<FileUrl>,
    /// Files that are gone from the service.
    gone: HashSet<FileUrl>,
    /// Files that may be there under a new link: one has their name and size, and no hash is told
    /// of it.
    unclear: HashSet<FileUrl>,
    /// Files that are not on record and have the names of those that did not move.
    pub(super) in_the_way: Vec<(FileUrl, ForeignFile)>,
}

impl Brought {
    /// Adds the outcome of other files, or of the same files at a second try.
    pub(crate) fn add(&mut self, later: Brought) {
        self.there.extend(later.there);
        self.lookalikes.extend(later.lookalikes);
        self.gone.extend(later.gone);
        self.unclear.extend(later.unclear);
        self.in_the_way.extend(later.in_the_way);
    }

    /// The link that a file has now; `None` if it did not arrive.
    pub(crate) fn url<'a>(&'a self, before: &FileUrl) -> Option<&'a FileUrl> {
        self.there.get(before)
    }

    /// Whether this is the present link of a file that arrived.
    pub(crate) fn has_at(&self, now: &FileUrl) -> bool {
        self.there.values().any(|url| url == now)
    }

    /// Whether the service no longer knows the file.
    pub(crate) fn is_gone(&self, before: &FileUrl) -> bool {
        self.gone.contains(before)
    }

    /// Counts no file as gone any more, since the service knows one of them after all.
    pub(super) fn doubt_gone(&mut self) {
        self.gone.clear();
    }

    /// Whether the file may be in the folder, and only its hash, which is not told yet, will tell.
    pub(crate) fn is_unclear(&self, before: &FileUrl) -> bool {
        self.unclear.contains(before)
    }

    /// Whether the file was recognised by its content only, and may not be removed as ours (I2).
    pub(crate) fn is_lookalike(&self, before: &FileUrl) -> bool {
        self.lookalikes.contains(before)
    }
}

impl Parcel {
    /// A parcel for a file on record, which may have one of these other names when it arrives.
    pub(crate) fn of_entry<'a>(
        entry: &Entry,
        other_names: impl IntoIterator<Item = &'a RemoteName>,
    ) -> Option<Parcel> {
        let copy = entry.remote()?;
        Some(Parcel {
            url: copy.url.clone(),
            names: std::iter::once(entry.remote_name())
                .chain(other_names.into_iter().cloned())
                .collect(),
            size_bytes: entry.object_bytes(),
            whirlpool: Some(copy.whirlpool),
        })
    }

    /// A parcel for a file in the staging folder.
    pub(super) fn of_pending(file: &PendingFile) -> Option<Parcel> {
        Some(Parcel {
            url: file.url.clone()?,
            names: vec![file.name.clone(), file.sent_as.clone()],
            size_bytes: file.object_bytes(),
            whirlpool: file.whirlpool,
        })
    }

    /// A parcel for any other file.
    pub(crate) fn new(
        url: &FileUrl,
        names: Vec<RemoteName>,
        size_bytes: u64,
        whirlpool: Option<Whirlpool>,
    ) -> Parcel {
        Parcel { url: url.clone(), names, size_bytes, whirlpool }
    }

    /// The same, under another link.
    pub(super) fn at(&self, url: &FileUrl) -> Parcel {
        Parcel { url: url.clone(), ..self.clone() }
    }

    fn is_named(&self, file: &RemoteFile) -> bool {
        self.names.contains(&file.name)
    }

    /// Whether `file` may be this one under another name that the service gave it, because its own
    /// was taken.
    fn may_be_named(&self, file: &RemoteFile) -> bool {
        self.names.iter().any(|name| is_name_with_more(name.as_str(), file.name.as_str()))
    }

    /// Whether `file` may be this one as far as is told, and no hash is.
    fn is_untold(&self, file: &RemoteFile) -> bool {
        self.is_named(file) && self.size_bytes == file.size_bytes && file.whirlpool.is_none()
    }

    fn has_content_of(&self, file: &RemoteFile) -> bool {
        self.size_bytes == file.size_bytes
            && self.whirlpool.is_some()
            && self.whirlpool == file.whirlpool
    }
}

/// What the replies to a move have told of files that they do not name.
#[derive(Debug, Default)]
struct Told {
    /// The service knows none of them.
    none_is_known: bool,
    /// Links that nobody asked for: the new links of some of them.
    links: HashSet<FileUrl>,
}

impl Told {
    /// Finds files under links that the service has told as those of moved ones, where no hash is
    /// told. Two of one name and size cannot be told apart.
    fn match_untold(
        &self,
        open: &mut Vec<&Parcel>,
        strangers: &mut Vec<&RemoteFile>,
        brought: &mut Brought,
    ) {
        let is_it = |parcel: &Parcel, file: &RemoteFile| {
            self.links.contains(&file.url) && parcel.is_untold(file)
        };
        let mut found = Vec::new();
        for parcel in open.iter() {
            let mut alike = strangers.iter().filter(|file| is_it(parcel, file));
            if let (Some(file), None) = (alike.next(), alike.next())
                && open.iter().filter(|other| is_it(other, file)).count() == 1
            {
                found.push((parcel.url.clone(), file.url.clone()));
            }
        }
        open.retain(|parcel| found.iter().all(|(url, _)| *url != parcel.url));
        strangers.retain(|file| found.iter().all(|(_, now)| *now != file.url));
        brought.there.extend(found);
    }
}

/// Divides files into groups in which each can be told from the others by its name, size and hash,
/// should the move give it a new link. Files of one name and size go with the same call only if
/// their hashes are known, and the service tells hashes: `is_told`.
fn told_apart(parcels: &[Parcel], is_told: bool) -> Vec<Vec<Parcel>> {
    let mut groups: Vec<Vec<Parcel>> = Vec::new();
    for parcel in parcels {
        let is_alike = |other: &Parcel| {
            other.names.first() == parcel.names.first()
                && other.size_bytes == parcel.size_bytes
                && (!is_told || other.whirlpool.is_none() || parcel.whirlpool.is_none())
        };
        match groups.iter_mut().find(|group| !group.iter().any(is_alike)) {
            Some(group) => group.push(parcel.clone()),
            None => groups.push(vec![parcel.clone()]),
        }
    }
    groups
}

/// Whether `other` is `name` with something added to it, or to the part before its extension.
pub(super) fn is_name_with_more(name: &str, other: &str) -> bool {
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    };
    let has_more_in_it = other.starts_with(stem) && other.ends_with(extension);
    other.len() > name.len() && (other.starts_with(name) || has_more_in_it)
}

impl Remote {
    /// Moves at most a hundred files into the folder `into`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the folder is not there; else an error that stops the cycle.
    pub(crate) async fn bring(
        &self,
        parcels: &[Parcel],
        into: FolderId,
    ) -> Result<Brought, RemoteError> {
        let is_told = !self.state.read(|s| unconfirmed::may_be_some(s, self.mirror))?;
        let mut brought = Brought::default();
        for apart in told_apart(parcels, is_told) {
            self.bring_at_once(&apart, into, &mut brought).await?;
        }
        Ok(brought)
    }

    async fn bring_at_once(
        &self,
        parcels: &[Parcel],
        into: FolderId,
        brought: &mut Brought,
    ) -> Result<(), RemoteError> {
        let mut open: Vec<&Parcel> = parcels.iter().collect();
        let mut told = Told::default();
        let mut unread = None;
        let mut at_once = self.links_per_call()?;
        while !open.is_empty() {
            let asked = open.len().min(at_once);
            let urls: Vec<FileUrl> = open.iter().take(asked).map(|p| p.url.clone()).collect();
            let outcome = match self.client.move_files(&urls, into).await {
                Ok(outcome) => outcome,
                Err(error) if may_be_too_many(&error) && asked > 1 => {
                    at_once = asked / 2;
                    continue;
                }
                Err(error) if is_refusal(&error) => {
                    told.none_is_known = matches!(error.kind, ErrorKind::NotFound);
                    break;
                }
                // The files may have moved all the same (I12): the folder tells. A repetition would
                // ask for links that are gone if the move has changed them, and such answers count
                // towards a ban, also those that never arrive (A.5).
                Err(error) if error.outcome_unknown() => {
                    unread = Some(error);
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            failpoint::reached("files:moved");
            for url in &outcome.done {
                let now = outcome.new_urls.get(url).unwrap_or(url);
                brought.there.insert(url.clone(), now.clone());
            }
            told.links.extend(outcome.unasked);
            let before = open.len();
            open.retain(|parcel| !brought.there.contains_key(&parcel.url));
            if open.len() == before {
                break;
            }
        }
        if !open.is_empty() {
            let listing = self.look_into(into).await?;
            self.look_for(&open, &listing, &told, brought)?;
        }
        match (unread, open.first()) {
            // Not one of them is there: the call may have failed, and is made again later. A file
            // that is gone would be asked for in vain each time.
            (Some(error), Some(first)) if open.iter().all(|it| brought.url(&it.url).is_none()) => {
                if !came_unread(&error) || !self.is_lost(&first.url).await? {
                    return Err(error.into());
                }
                brought.gone.insert(first.url.clone());
            }
            _ => {}
        }
        Ok(())
    }

    /// Looks for files in a folder where they may have been brought before.
    ///
    /// # Errors
    ///
    /// As for [`Self::bring`].
    pub(crate) async fn find_in(
        &self,
        parcels: &[Parcel],
        folder: FolderId,
    ) -> Result<Brought, RemoteError> {
        let mut found = Brought::default();
        let listing = self.look_into(folder).await?;
        let parcels: Vec<&Parcel> = parcels.iter().collect();
        self.look_for(&parcels, &listing, &Told::default(), &mut found)?;
        Ok(found)
    }

    fn look_for(
        &self,
        parcels: &[&Parcel],
        listing: &FolderListing,
        told: &Told,
        brought: &mut Brought,
    ) -> Result<(), RemoteError> {
        let known =
            self.state.read(|s| s.known_urls(listing.files.iter().map(|file| &file.url)))?;
        // Files that have arrived by now are not on record yet: another of the same content is not
        // one of them.
        let is_strange =
            |file: &&RemoteFile| !known.contains(&file.url) && !brought.has_at(&file.url);
        let mut strangers: Vec<&RemoteFile> = listing.files.iter().filter(is_strange).collect();
        let (there, mut open): (Vec<&Parcel>, Vec<&Parcel>) = parcels
            .iter()
            .partition(|parcel| listing.files.iter().any(|file| file.url == parcel.url));
        brought.there.extend(there.iter().map(|parcel| (parcel.url.clone(), parcel.url.clone())));
        told.match_untold(&mut open, &mut strangers, brought);
        // Files with their own names are matched first: another file's name may look like theirs
        // with something added.
        for has_name in [Parcel::is_named, Parcel::may_be_named] {
            open.retain(|parcel| {
                let is_it =
                    |file: &&RemoteFile| has_name(parcel, file) && parcel.has_content_of(file);
                let Some(at) = strangers.iter().position(is_it) else { return true };
                let found = strangers.swap_remove(at);
                brought.there.insert(parcel.url.clone(), found.url.clone());
                if !told.links.contains(&found.url) {
                    brought.lookalikes.insert(parcel.url.clone());
                }
                false
            });
        }
        for parcel in open {
            if strangers.iter().any(|file| parcel.is_untold(file)) {
                brought.unclear.insert(parcel.url.clone());
            } else if told.none_is_known {
                brought.gone.insert(parcel.url.clone());
            } else {
                let same_name = |file: &&&RemoteFile| parcel.names.first() == Some(&file.name);
                let other = strangers.iter().find(same_name);
                let other = other.map(|file| (parcel.url.clone(), ForeignFile::from(*file)));
                brought.in_the_way.extend(other);
            }
        }
        Ok(())
    }

    /// Gives at most a hundred files their names, and compares the names that are stored then.
    ///
    /// A file whose stored name the reply tells is not asked for again, also if it is another name:
    /// the service changes it. A reply names only files that had another name before, so the files
    /// that it leaves out are asked for once more: those that are named already are then confirmed.
    /// Of a few that no reply names, the service is asked for their present names.
    ///
    /// # Errors
    ///
    /// An error that stops the cycle.
    pub(crate) async fn give_names(
        &self,
        names: &[(FileUrl, RemoteName)],
    ) -> Result<Given, RemoteError> {
        let mut given = Given::default();
        let mut open = names.to_vec();
        let mut at_once = self.links_per_call()?;
        let mut unnamed = 0;
        while !open.is_empty() {
            let asked = &open[..open.len().min(at_once)];
            let outcome = match self.client.rename_files(asked).await {
                Ok(outcome) => {
                    failpoint::reached("files:renamed");
                    outcome
                }
                Err(error) if may_be_too_many(&error) && asked.len() > 1 => {
                    at_once = asked.len() / 2;
                    continue;
                }
                Err(error) if is_refusal(&error) => {
                    given.none_is_known = is_gone(&error);
                    break;
                }
                // The files may be renamed all the same (I12).
                Err(error) if came_unread(&error) => BatchOutcome::default(),
                Err(error) => return Err(error.into()),
            };
            let is_done = |url: &FileUrl| outcome.done.contains(url);
            // Nothing had to be renamed, by the service's account: the name that was asked for may
            // be one that it stores as the one before.
            let doubted: Vec<_> = asked
                .iter()
                .filter(|(url, _)| is_done(url) && !outcome.names.contains_key(url))
                .take(MOST_ASKED)
                .cloned()
                .collect();
            let is_told = |url: &FileUrl| is_done(url) || outcome.names.contains_key(url);
            if !asked.iter().any(|(url, _)| is_told(url)) {
                unnamed += 1;
                if unnamed == 2 {
                    self.leave_named(&mut open, &mut given).await?;
                    break;
                }
            }
            for (url, name) in asked {
                let told = outcome.names.get(url).filter(|told| *told != name);
                given.stored.extend(told.map(|told| (url.clone(), told.clone())));
            }
            open.retain(|(url, _)| !is_told(url));
            for (url, name) in doubted {
                match self.name_of(&url).await? {
                    Some(now) if now != name => given.stored.insert(url, now),
                    Some(_) | None => None,
                };
            }
        }
        given.left = open.into_iter().map(|(url, _)| url).collect();
        given.left.extend(given.stored.keys().cloned());
        Ok(given)
    }

    /// Takes out those that have their names, if they are few enough to be asked for one by one.
    async fn leave_named(
        &self,
        open: &mut Vec<(FileUrl, RemoteName)>,
        given: &mut Given,
    ) -> Result<(), RemoteError> {
        if open.len() > MOST_ASKED {
            return Ok(());
        }
        let mut left = Vec::new();
        for (url, name) in open.drain(..) {
            match self.name_of(&url).await? {
                Some(now) if now == name => {}
                Some(now) => {
                    given.seen.insert(url.clone(), now);
                    left.push((url, name));
                }
                None => left.push((url, name)),
            }
        }
        *open = left;
        Ok(())
    }

    /// The name that the service tells of one file; `None` if it tells none.
    async fn name_of(&self, url: &FileUrl) -> Result<Option<RemoteName>, RemoteError> {
        match self.client.file_info(url).await {
            Ok(file) => Ok(Some(file.name)),
            Err(error) if is_gone(&error) || came_unread(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The outcome of giving files their names.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Files that do not have the names that were asked for.
    pub(crate) left: HashSet<FileUrl>,
    /// Those of them that the service has renamed, and the names that it stores in place of those
    /// asked for.
    stored: HashMap<FileUrl, RemoteName>,
    /// Those of them whose renaming no reply told, and the names that they were found to have.
    seen: HashMap<FileUrl, RemoteName>,
    /// The service says that it knows none of them.
    none_is_known: bool,
}

impl Given {
    /// Whether a file is one of a few that the service says not to know.
    pub(crate) fn may_be_gone(&self, url: &FileUrl) -> bool {
        self.none_is_known && self.left.contains(url) && self.left.len() <= MOST_ASKED
    }

    /// The name that a reply told in place of that asked for.
    pub(crate) fn renamed_to(&self, url: &FileUrl) -> Option<&RemoteName> {
        self.stored.get(url)
    }

    /// The name that the service has given a file in place of that asked for, if it is known to
    /// change it so. A file that was found with the name that it had `before` was not renamed.
    pub(crate) fn stored_as(&self, url: &FileUrl, before: &RemoteName) -> Option<&RemoteName> {
        self.stored.get(url).or_else(|| self.seen.get(url).filter(|now| *now != before))
    }
}

/// Whether a reply came and could not be read: the call may have been carried out.
pub(super) fn came_unread(error: &fichier_api::Error) -> bool {
    let is_silence = matches!(error.kind, ErrorKind::Unreachable(_));
    error.outcome_unknown() && !is_silence
}

/// Whether the refusal may be because of the number of links (G.1 row 1): its wording for that is
/// not known.
pub(super) fn may_be_too_many(error: &fichier_api::Error) -> bool {
    matches!(error.kind, ErrorKind::Refused { .. })
}

/// Whether the service understood the request and declined: all of these files are unknown, or
/// their names are taken (G.1 row 12).
pub(super) fn is_refusal(error: &fichier_api::Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::NotFound
            | ErrorKind::NotAllowed
            | ErrorKind::NameTaken { .. }
            | ErrorKind::Refused { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::is_name_with_more;

    #[test]
    fn a_name_with_more_has_it_at_its_end_or_before_its_extension() {
        for other in ["photo (1).jpg", "photo.jpg (1)", "photo_2.jpg", "photo.jpg.1"] {
            assert!(is_name_with_more("photo.jpg", other), "{other}");
        }
        assert!(is_name_with_more("a", "a (1)"));
        assert!(is_name_with_more(".bashrc", ".bashrc (1)"));
        assert!(!is_name_with_more("a", "a"));
        assert!(!is_name_with_more("photo.jpg", "photos.png"));
    }
}
