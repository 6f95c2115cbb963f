//! How the service behaves where its documentation is silent: each answer, its date and its source.
//!
//! There are two sources: `check --probe`, which asks all questions, and the work itself, which
//! meets the behaviour as it goes on. Both write the same answers into the same note. The answer
//! that is recorded later replaces the earlier one, from either source: the service may have
//! changed since. The order of recording counts and not the dates, because a clock can be wrong.
//!
//! Pure, except for the note. An answer that is not known is not guessed: its user then makes the
//! cautious choice (docs/api-notes.md, G.1).
//!
//! No answer tells whose account it was: they can be sent to the maintainers of the program.

use fichier_api::MAX_LINKS_PER_CALL;
use fichier_state::{Records, Writing};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::{Fact, when};

/// The note that keeps the answers.
const HABITS: Fact<Habits> = Fact::named("traits of the service");

/// An answer, its date and its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learnt<T> {
    /// The answer.
    pub is: T,
    /// When it was found; Unix seconds.
    pub at_s: i64,
    /// The source that found it. Answers of earlier versions do not say so, and are the probe's.
    #[serde(default)]
    pub by: By,
}

/// The source of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// `check --probe`.
    #[default]
    Probe,
    /// The daemon, in its work.
    Work,
}

/// What `folder/mkdir` does about a name that is in use (G.1 row 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FolderTaken {
    /// It refuses.
    Refused,
    /// It answers with the folder that is there.
    Existing,
    /// It makes a second one.
    Twins,
}

/// What `file/mv` does about a name that is in use (G.1 row 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameTaken {
    /// Both files stand side by side under that name.
    Twins,
    /// The file stays where it was.
    Refused,
    /// The file gets another name.
    Renamed,
    /// The moved file replaces the file that was there.
    Overwritten,
    /// Both files do not stand side by side under that name; which of the other three it is was not
    /// seen.
    MustBeFree,
}

/// Whether a file's link changes when the file is moved (B.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkAfterMove {
    /// The link stays good.
    Kept,
    /// The file has a new link.
    New,
}

/// What `folder/rm` does with a folder that has something in it (G.1 row 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FullFolder {
    /// It refuses.
    Refused,
    /// It removes the folder with all its contents.
    Removed,
}

/// What `file/rm` says of links that it does not know (B.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoveUnknown {
    /// It answers `OK`, and leaves them out.
    LeftOut,
    /// It answers that there are no such files.
    NotFound,
}

/// Whether a file can be downloaded from this address (section D).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Download {
    /// It can be downloaded.
    Served,
    /// It can be downloaded only for CDN credits.
    NeedsCredits,
}

/// All answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Habits {
    /// `mkdir` of a name in use.
    pub folder_taken: Option<Learnt<FolderTaken>>,
    /// Whether folder names that differ in case only are the same.
    pub folders_fold_case: Option<Learnt<bool>>,
    /// `mv` of a file onto a name in use.
    pub name_taken: Option<Learnt<NameTaken>>,
    /// The most links that one call carries out, of a hundred that were asked for.
    pub batch: Option<Learnt<usize>>,
    /// Whether a link changes with a move.
    pub link_after_move: Option<Learnt<LinkAfterMove>>,
    /// Seconds until a listing showed an uploaded file, at most.
    pub upload_lag_s: Option<Learnt<u64>>,
    /// Seconds until calls knew the link of an uploaded file, at most.
    pub link_lag_s: Option<Learnt<u64>>,
    /// Seconds until a listing showed a moved file, at most.
    pub move_lag_s: Option<Learnt<u64>>,
    /// `folder/rm` of a folder with content.
    pub full_folder: Option<Learnt<FullFolder>>,
    /// `file/rm` of unknown links.
    pub remove_unknown: Option<Learnt<RemoveUnknown>>,
    /// Whether a test download worked.
    pub download: Option<Learnt<Download>>,
    /// The first files of an upload that a node stores; it says nothing of the others.
    pub files_per_upload: Option<Learnt<usize>>,
    /// Whether results tell a removal link for files of an account, where it means nothing.
    pub removal_told: Option<Learnt<bool>>,
}

impl Habits {
    /// Reads the answers on record.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub fn read(records: &Records) -> fichier_state::Result<Habits> {
        Ok(HABITS.read(records)?.unwrap_or_default())
    }

    /// Adds newer answers to those that are on record.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub fn keep(&self, w: &mut Writing<'_>) -> fichier_state::Result<()> {
        HABITS.keep(w, &Habits::read(w)?.and(self.clone()))
    }

    /// The answer that the work has met when a name was taken.
    pub(crate) fn met_name_taken(is: NameTaken, at_s: i64) -> Habits {
        Habits { name_taken: Some(Learnt { is, at_s, by: By::Work }), ..Habits::default() }
    }

    /// That a node has stored no more than the first so many files of an upload.
    pub(crate) fn met_upload_limit(is: usize, at_s: i64) -> Habits {
        let files_per_upload = Some(Learnt { is, at_s, by: By::Work });
        Habits { files_per_upload, ..Habits::default() }
    }

    /// That a result told removal links for files that are in the account.
    pub(crate) fn met_removal_links(at_s: i64) -> Habits {
        let removal_told = Some(Learnt { is: true, at_s, by: By::Work });
        Habits { removal_told, ..Habits::default() }
    }

    /// How many files one upload may have. What was learnt is doubted more with each day, since a
    /// larger upload may work by now: it doubles.
    pub(crate) fn files_per_upload(&self, now_s: i64) -> usize {
        let most = fichier_api::MAX_FILES_PER_UPLOAD;
        self.files_per_upload.map_or(most, |learnt| {
            let days = now_s.saturating_sub(learnt.at_s).max(0) / (24 * 3600);
            let doubled = learnt.is.max(1).saturating_mul(1 << days.min(10));
            doubled.min(most)
        })
    }

    /// Whether a removal link in a result means nothing.
    pub(crate) fn removal_links_mean_nothing(&self) -> bool {
        self.removal_told.is_some_and(|told| told.is)
    }

    /// The answer that the work has met when a folder's name was taken.
    pub(crate) fn met_folder_taken(is: FolderTaken, at_s: i64) -> Habits {
        Habits { folder_taken: Some(Learnt { is, at_s, by: By::Work }), ..Habits::default() }
    }

    /// Whether `mkdir` is known to refuse a name in use, so that it tells by itself that a folder
    /// was not there.
    pub(crate) fn mkdir_refuses(&self) -> bool {
        self.folder_taken.is_some_and(|taken| taken.is == FolderTaken::Refused)
    }

    /// The later answers, and those earlier ones that have no later one.
    fn and(self, later: Habits) -> Habits {
        Habits {
            folder_taken: later.folder_taken.or(self.folder_taken),
            folders_fold_case: later.folders_fold_case.or(self.folders_fold_case),
            name_taken: later.name_taken.or(self.name_taken),
            batch: later.batch.or(self.batch),
            link_after_move: later.link_after_move.or(self.link_after_move),
            upload_lag_s: later.upload_lag_s.or(self.upload_lag_s),
            link_lag_s: later.link_lag_s.or(self.link_lag_s),
            move_lag_s: later.move_lag_s.or(self.move_lag_s),
            full_folder: later.full_folder.or(self.full_folder),
            remove_unknown: later.remove_unknown.or(self.remove_unknown),
            download: later.download.or(self.download),
            files_per_upload: later.files_per_upload.or(self.files_per_upload),
            removal_told: later.removal_told.or(self.removal_told),
        }
    }

    /// How many links one call may carry.
    pub fn links_per_call(&self) -> usize {
        self.batch.map_or(MAX_LINKS_PER_CALL, |batch| batch.is.clamp(1, MAX_LINKS_PER_CALL))
    }

    /// Whether `mkdir` may answer with a folder that was there before, or make a second one: then
    /// its parent has to be listed first.
    pub fn mkdir_hides_what_is_there(&self) -> bool {
        self.folder_taken.is_some_and(|taken| taken.is != FolderTaken::Refused)
    }

    /// The number of seconds within which a listing shows a change: `assumed_s`, or four times the
    /// measured lag if that is longer.
    pub fn listed_within_s(&self, assumed_s: i64) -> i64 {
        let measured = [self.upload_lag_s, self.move_lag_s].into_iter().flatten();
        let longest = measured.map(|lag| lag.is).max().unwrap_or(0);
        i64::try_from(longest.saturating_mul(4)).unwrap_or(i64::MAX).max(assumed_s)
    }

    /// Each question, with its answer and the answer's day, for people.
    ///
    /// Questions that only the work asks are told once they are answered.
    pub fn rows(&self) -> Vec<(&'static str, Option<String>)> {
        let met = [
            ("files of an upload that are stored", answer(self.files_per_upload)),
            ("removal links for our own uploads", answer(self.removal_told)),
        ];
        let mut rows = vec![
            ("mkdir of a name in use", answer(self.folder_taken)),
            ("folder names that differ in case are one", answer(self.folders_fold_case)),
            ("mv of a file onto a name in use", answer(self.name_taken)),
            ("links in one call (100 were tried)", answer(self.batch)),
            ("link after a move", answer(self.link_after_move)),
            ("seconds until an upload is listed", answer(self.upload_lag_s)),
            ("seconds until the link of an upload is known", answer(self.link_lag_s)),
            ("seconds until a moved file is listed", answer(self.move_lag_s)),
            ("rm of a folder with content", answer(self.full_folder)),
            ("rm of links that are not known", answer(self.remove_unknown)),
            ("download to this address", answer(self.download)),
        ];
        rows.extend(met.into_iter().filter(|(_, answer)| answer.is_some()));
        rows
    }
}

fn answer<T: Serialize>(learnt: Option<Learnt<T>>) -> Option<String> {
    let Learnt { is, at_s, .. } = learnt?;
    let day = when::day(Timestamp::from_second(at_s).unwrap_or_default());
    let is = serde_json::to_string(&is).unwrap_or_default();
    Some(format!("{} ({day})", is.trim_matches('"').replace('_', " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt<T>(is: T, at_s: i64) -> Option<Learnt<T>> {
        Some(Learnt { is, at_s, by: By::Probe })
    }

    #[test]
    fn what_is_not_known_is_the_cautious_choice() {
        let none = Habits::default();
        assert_eq!(none.links_per_call(), 100);
        assert!(!none.mkdir_hides_what_is_there());
        assert_eq!(none.listed_within_s(600), 600);
        assert!(none.rows().iter().all(|(_, answer)| answer.is_none()));
    }

    #[test]
    fn later_answers_replace_earlier_ones_and_leave_the_others() {
        let batch = |is, at_s| Habits { batch: learnt(is, at_s), ..Habits::default() };
        let download = learnt(Download::Served, 5);
        let both = batch(3, 1).and(Habits { download, ..batch(7, 9) }).and(Habits::default());
        assert_eq!(both, Habits { download, ..batch(7, 9) });
        assert_eq!(both.links_per_call(), 7);
        assert_eq!(batch(0, 1).links_per_call(), 1);
        assert_eq!(batch(1_000, 1).links_per_call(), 100);
        let lag = |is| Habits { move_lag_s: learnt(is, 1), ..Habits::default() };
        assert_eq!(lag(20).listed_within_s(600), 600, "never less than what is assumed");
        assert_eq!(lag(200).listed_within_s(600), 800);
        let rows = both.rows();
        let row = rows.iter().find(|(question, _)| question.starts_with("download")).unwrap();
        assert_eq!(row.1.as_deref(), Some("served (1970-01-01)"));
    }

    #[test]
    fn y47_what_a_node_takes_at_once_is_tried_anew_after_a_day() {
        let habits = Habits::met_upload_limit(3, 1_000);
        let at = |days: i64| habits.files_per_upload(1_000 + days * 24 * 3600);
        assert_eq!([at(0), at(1), at(2), at(30)], [3, 6, 12, 500]);
        assert_eq!(habits.files_per_upload(0), 3, "a clock that was set back");
        assert_eq!(Habits::default().files_per_upload(5), 500);
    }

    #[test]
    fn the_answer_that_is_recorded_later_wins_from_either_source_and_with_any_date() {
        let work = Habits::met_name_taken(NameTaken::Refused, 3);
        let probe = Habits { name_taken: learnt(NameTaken::Twins, 2), ..Habits::default() };
        assert_eq!(work.clone().and(probe.clone()), probe);
        assert_eq!(probe.and(work.clone()), work);
    }

    #[test]
    fn an_answer_of_an_earlier_version_is_the_probe_s() {
        let stored = r#"{"name_taken":{"is":"renamed","at_s":4},"batch":null}"#;
        let habits: Habits = serde_json::from_str(stored).unwrap();
        let expected = Habits { name_taken: learnt(NameTaken::Renamed, 4), ..Habits::default() };
        assert_eq!(habits, expected);
    }
}
