//! Trials: requests that a careful client never makes, and the service's answers to them.
//!
//! The answers are for the report alone. The program sends no empty files and no names that may be
//! changed, looks at the folder it sends to, and compares the name of each file, so that no answer
//! changes what it does. A refusal is an answer here.
//!
//! Files are told apart by their sizes, folders by their ids.

use fichier_api::names::RemoteName;
use fichier_api::{
    ApiKey, Client, Error, ErrorKind, FileUrl, FolderId, RemoteFolder, UploadResult, UploadedFile,
};

use super::ask::{POLL, POLLS};
use super::clean::root_file;
use super::{Probe, ProbeError, Said};
use crate::remote::error::is_gone;

/// How often the result of an upload is asked for that is expected to store nothing, and then has
/// no result.
const FEW_POLLS: u32 = 2;
/// How often a link is asked for that is not known yet; then the trial gives up, since refusals in
/// a row lead to a ban (docs/api-notes.md, A.5).
const LOOKS: u32 = 12;
/// Bytes of a stored name that a report shows, at most; of a longer one it tells the length.
const MOST_SHOWN_BYTES: usize = 60;
/// The name that a file is given by a move to the folder where it already is.
const RENAMED: &str = "probe-renamed";
/// The size of a file that is sent alone.
const SIZE: u64 = 64;

impl Probe<'_> {
    /// Tries odd names and an empty file in a folder of its own.
    pub(super) async fn try_names(
        &self,
        scratch: FolderId,
        said: &mut Vec<Said>,
    ) -> Result<(), ProbeError> {
        (self.say)("trying names that may be changed, and an empty file");
        let folder = self.make(scratch, "probe-trials").await?;
        let stored = self.try_file_names(folder, said).await?;
        let moved = self.try_to_rename_by_moving(folder, &stored).await?;
        let made = self.try_folder_names(folder, said).await?;
        let listing = self.client.list_folder(folder).await?;
        for (question, name, made) in made {
            let listed = listing.folders.iter().find(|folder| folder.id == made.id);
            let stored = listed.map_or(&made.name, |folder| &folder.name);
            said.push(Said::new(&question, as_stored(&name, Some(stored))));
        }
        let is_renamed = listing.files.iter().any(|file| file.name.as_str() == RENAMED);
        let moved = if is_renamed { "renamed".to_owned() } else { moved };
        said.push(Said::new("mv into its own folder with a new name", moved));
        let empty = RemoteName::encode(b"probe-empty");
        let sent = self.send(folder, &[(empty, 0)], FEW_POLLS).await;
        said.push(Said::new("an empty file", stored_or_not(sent.map(|files| files.len()))?));
        Ok(())
    }

    /// Sends one upload whose `n`th file has `n` bytes, counted from 1. Returns the files that were
    /// stored.
    async fn try_file_names(
        &self,
        folder: FolderId,
        said: &mut Vec<Said>,
    ) -> Result<Vec<UploadedFile>, ProbeError> {
        let names = file_names();
        let files: Vec<(RemoteName, u64)> =
            (1..).zip(&names).map(|(n, (_, name))| (as_it_is(name), n)).collect();
        let stored = match self.send(folder, &files, POLLS).await {
            Ok(stored) => stored,
            Err(error) => {
                said.push(Said::new("names that may be changed", refusal(error)?));
                return Ok(Vec::new());
            }
        };
        for ((question, name), (_, size_bytes)) in names.iter().zip(&files) {
            let file = stored.iter().find(|file| file.size_bytes == *size_bytes);
            let answer = as_stored(name, file.map(|file| &file.name));
            said.push(Said::new(&format!("file name {question}"), answer));
        }
        Ok(stored)
    }

    /// Moves a file into its own folder with a new name. Returns what the service said; whether
    /// that is true is for a listing to tell (docs/api-notes.md, B.9).
    async fn try_to_rename_by_moving(
        &self,
        folder: FolderId,
        stored: &[UploadedFile],
    ) -> Result<String, ProbeError> {
        let Some(file) = stored.first() else { return Ok("not known".to_owned()) };
        let name = RemoteName::encode(RENAMED.as_bytes());
        match self.client.move_and_rename_file(&file.url, folder, &name).await {
            Ok(outcome) if outcome.done.is_empty() => Ok("not renamed".to_owned()),
            Ok(_) => Ok("not renamed, but said to be".to_owned()),
            Err(error) => refusal(error.into()),
        }
    }

    /// Makes folders with odd names. Returns those that were made: the question, the name, and the
    /// folder.
    async fn try_folder_names(
        &self,
        folder: FolderId,
        said: &mut Vec<Said>,
    ) -> Result<Vec<(String, String, RemoteFolder)>, ProbeError> {
        let mut made = Vec::new();
        for (question, name) in folder_names() {
            let question = format!("folder name {question}");
            match self.client.make_folder(folder, &as_it_is(&name)).await {
                Ok(folder) => made.push((question, name, folder)),
                Err(error) => said.push(Said::new(&question, refusal(error.into())?)),
            }
        }
        Ok(made)
    }

    /// Sends a file to a folder that is `gone`, and one with a key that belongs to no account. Both
    /// bear the name of the probe's own folder. Returns whether nothing of them is left.
    pub(super) async fn try_strays(
        &self,
        gone: FolderId,
        probe_name: &str,
        said: &mut Vec<Said>,
    ) -> Result<bool, ProbeError> {
        (self.say)("trying a folder that is gone, and a wrong key");
        let listed = match self.client.list_folder(gone).await {
            Ok(listing) if listing.complete => "shown as empty".to_owned(),
            Ok(_) => "answered with another folder, or in part".to_owned(),
            Err(error) => refusal(error.into())?,
        };
        said.push(Said::new("listing of a folder that is gone", listed));
        let name = root_file(probe_name);
        let sent = self.send(gone, &[(name.clone(), SIZE)], POLLS).await;
        let (answer, is_first_gone) = self.follow_stray(sent, &name).await?;
        said.push(Said::new("upload to a folder that is gone", answer));
        let Some(nobody) = self.nobody() else { return Ok(is_first_gone) };
        let (answer, is_second_gone) = self.try_key(&nobody, &name).await?;
        said.push(Said::new("upload with a wrong key", answer));
        Ok(is_first_gone && is_second_gone)
    }

    /// Sends a file with a key that belongs to no account. Returns the answer, and whether nothing
    /// is left in the account. A file that was stored for nobody is removed by its code.
    async fn try_key(
        &self,
        nobody: &Client,
        name: &RemoteName,
    ) -> Result<(String, bool), ProbeError> {
        let handed_over = self.hand_over(nobody, FolderId::ROOT, &[(name.clone(), SIZE)]).await;
        let (slot, xid) = match handed_over {
            Ok(handed_over) => handed_over,
            Err(ProbeError::Api(Error { kind: ErrorKind::KeyRefused, .. })) => {
                return Ok(("refused".to_owned(), true));
            }
            Err(error) => return Ok((refusal(error)?, true)),
        };
        let stored = match self.client.upload_result(&slot, Some(&xid)).await? {
            UploadResult::Ready(stored) => stored,
            UploadResult::BeingScanned | UploadResult::Nothing | UploadResult::Unclear(_) => {
                return self.follow_stray(Ok(Vec::new()), name).await;
            }
        };
        let strays = stored.iter().map(|file| Some((file.url.clone(), file.removal.clone()?)));
        let Some(strays) = strays.collect::<Option<Vec<_>>>() else {
            return self.follow_stray(Ok(stored), name).await;
        };
        for _ in 0..LOOKS {
            // The link may not be known yet.
            if self.client.remove_strays(&strays).await?.missing.is_empty() {
                return Ok(("stored as nobody's".to_owned(), true));
            }
            self.wait(POLL).await;
        }
        Ok(("stored as nobody's, and not removed".to_owned(), true))
    }

    /// The same client with a random key, which belongs to no account.
    fn nobody(&self) -> Option<Client> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let key = ApiKey::new(format!("{:032x}", u128::from_le_bytes(random))).ok()?;
        self.client.with_key(&key).ok()
    }

    /// Where an upload was stored whose folder or key was wrong; and whether nothing is left of it.
    async fn follow_stray(
        &self,
        sent: Result<Vec<UploadedFile>, ProbeError>,
        name: &RemoteName,
    ) -> Result<(String, bool), ProbeError> {
        let stored = match sent {
            Ok(stored) => stored,
            Err(error) => return Ok((refusal(error)?, true)),
        };
        let Some(file) = stored.first() else {
            let root = self.client.list_folder(FolderId::ROOT).await?;
            self.remove_named(&root, name).await?;
            return Ok((LOST.to_owned(), root.complete));
        };
        let Some(place) = self.place(&file.url).await? else {
            return Ok(("stored, and its link is not known".to_owned(), false));
        };
        let removed = self.client.remove_files(std::slice::from_ref(&file.url)).await?;
        Ok((place.to_owned(), !removed.done.is_empty()))
    }

    /// Where a file is stored, in words: in the account's root or not. `None` if its link does not
    /// become known.
    async fn place(&self, url: &FileUrl) -> Result<Option<&'static str>, ProbeError> {
        for _ in 0..LOOKS {
            match self.client.file_info(url).await {
                Ok(file) if file.folder == Some(FolderId::ROOT) => {
                    return Ok(Some("stored in the account's root"));
                }
                Ok(_) => return Ok(Some("stored, not in the account's root")),
                Err(error) if is_gone(&error) => self.wait(POLL).await,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

impl Said {
    fn new(question: &str, answer: String) -> Said {
        Said { question: question.to_owned(), answer }
    }
}

const LOST: &str = "not stored, and no word about it";

fn stored_or_not(count: Result<usize, ProbeError>) -> Result<String, ProbeError> {
    match count {
        Ok(0) => Ok(LOST.to_owned()),
        Ok(_) => Ok("stored".to_owned()),
        Err(error) => refusal(error),
    }
}

/// A name as it is, not changed to one that the service takes.
fn as_it_is(name: &str) -> RemoteName {
    RemoteName::from_service(name.to_owned())
}

/// Names for files, each with what is odd about it. Names that a form cannot carry are left out.
fn file_names() -> Vec<(String, String)> {
    let mut names = vec![("of a file of one byte".to_owned(), "probe-byte".to_owned())];
    names.extend("<>'$`´\u{1}\u{7f}".chars().map(with_character));
    names.extend(["first", "second"].map(|which| {
        (format!("that two of an upload have, the {which}"), "probe-twins".to_owned())
    }));
    names.extend(spaced_and_composed());
    names.extend([200, 250, 255, 256].map(of_length));
    names
}

/// Names for folders. They are few, since each costs a call, and refusals in a row lead to a ban
/// (docs/api-notes.md, A.5).
fn folder_names() -> Vec<(String, String)> {
    let mut names: Vec<_> = ['<', '\''].map(with_character).into();
    names.extend(spaced_and_composed());
    names.extend([250, 251].map(of_length));
    names
}

/// A name with this character. It also bears the character's number, since names that the service
/// changes alike would otherwise be one.
fn with_character(c: char) -> (String, String) {
    (format!("with {}", c.escape_default()), format!("probe-{:x}-{c}-", u32::from(c)))
}

fn spaced_and_composed() -> [(String, String); 3] {
    [
        ("that begins with a space", " probe-space"),
        ("that ends with a space", "probe-space "),
        ("that is not composed (NFD)", "probe-e\u{301}"),
    ]
    .map(|(question, name)| (question.to_owned(), name.to_owned()))
}

fn of_length(bytes: usize) -> (String, String) {
    (format!("of {bytes} bytes"), format!("{:x<bytes$}", format!("probe-{bytes}-")))
}

fn as_stored(asked: &str, stored: Option<&RemoteName>) -> String {
    match stored.map(RemoteName::as_str) {
        None => "not stored".to_owned(),
        Some(stored) if stored == asked => "kept".to_owned(),
        Some(stored) if stored.len() > MOST_SHOWN_BYTES => {
            format!("changed to one of {} bytes", stored.len())
        }
        Some(stored) => format!("changed to `{}`", stored.escape_default()),
    }
}

/// The service's answer to a request that it need not accept; other errors stop the probe.
fn refusal(error: ProbeError) -> Result<String, ProbeError> {
    let ProbeError::Api(error) = error else { return Err(error) };
    let is_answer = matches!(
        error.kind,
        ErrorKind::Refused { .. }
            | ErrorKind::NameTaken { .. }
            | ErrorKind::NotAllowed
            | ErrorKind::NotFound
            | ErrorKind::NoFileInUpload
            | ErrorKind::UnexpectedReply { .. }
            | ErrorKind::Failing { .. }
    );
    if is_answer { Ok(format!("refused: {}", error.kind)) } else { Err(error.into()) }
}
