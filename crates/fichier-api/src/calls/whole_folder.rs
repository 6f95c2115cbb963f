//! Folders with more files than one listing shows.
//!
//! The service cuts a listing at 5,000 rows without saying so, in no order, and the only way
//! round is to list the files that were sent within a time (docs/api-notes.md, B.5, G.1 rows 3
//! and 6). So the time is cut into windows, by the dates of the files that are known already, and
//! a window that comes back cut is halved. Windows overlap, as their edges are not documented;
//! files are told apart by their links.
//!
//! Invariant: a listing is complete only if the windows cover all of time, none of them was cut,
//! and there are as many files as `folder/ls` has counted. Files without a date, more files of
//! one second than fit in a listing, and windows that the service reads in another way thus make
//! it incomplete, not wrong.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::calls::file_list::SentBetween;
use crate::calls::folders::Counted;
use crate::client::Client;
use crate::error::Error;
use crate::link::FileUrl;
use crate::types::{FolderId, FolderListing, RemoteFile};
use crate::wire::dates;

/// The time that is asked for beyond each edge of a window. Dates have whole seconds, and it is not
/// known whether the window holds a date exactly at its edge.
const MARGIN: SignedDuration = SignedDuration::from_secs(10);
/// The margin near a clock change, where dates may be off by an hour (A.6).
const WIDE_MARGIN: SignedDuration = SignedDuration::from_secs(65 * 60);

/// A span of time, without end where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Client {
    /// Lists a folder as [`Client::list_folder`] does, and goes on where that was cut: until all
    /// files are known, or it turns out that they cannot be.
    ///
    /// Costs one call for a folder of less than 5,000 files. Beyond, about one more for each
    /// 2,500 files, and 8 more than one for each 1,250 at most. Each of them waits until 30 s
    /// after the one before: a folder of 20,000 files takes about five minutes.
    ///
    /// A listing of a round number of files, such as 1,000, is not believed to be whole: a service
    /// that shows fewer than usual would count them so too (H.2). Two more calls tell.
    ///
    /// A change in the folder meanwhile may be missing in it or make it incomplete.
    ///
    /// # Errors
    ///
    /// As [`Client::list_folder`]; the files found before are lost then.
    ///
    /// Source: docs/api-notes.md, B.5, B.13, G.1 rows 3 and 6.
    pub async fn list_folder_whole(&self, id: FolderId) -> Result<FolderListing, Error> {
        let Counted { listing, files: counted, cut_at, .. } = self.list_counted(id).await?;
        let listed = listing.files.len() as u64;
        let mut is_doubted = cut_at.is_none() && listing.complete && is_round(listed);
        let Some(cap) = cut_at.or(is_doubted.then_some(listed)) else { return Ok(listing) };
        let mut found = HashMap::new();
        add(&mut found, listing.files.clone());
        if is_doubted && Window::ALL.split(&found, 2).len() < 2 {
            return Ok(listing);
        }
        let pieces = counted.div_ceil((cap / 2).max(1)).max(2);
        let mut windows = Window::ALL.split(&found, pieces);
        let mut calls_left = 8 + counted.saturating_mul(4) / cap;
        let mut complete = true;
        // Windows that show as many files as a doubted listing: they are whole if it was.
        let mut full: Vec<Window> = Vec::new();
        loop {
            let Some(window) = windows.pop() else {
                if !is_doubted || found.len() as u64 == listed {
                    break;
                }
                is_doubted = false;
                for window in full.drain(..) {
                    let halves = window.split(&found, 2);
                    complete &= halves.len() > 1;
                    windows.extend(
                        Some(halves).filter(|halves| halves.len() > 1).into_iter().flatten(),
                    );
                }
                continue;
            };
            if calls_left == 0 {
                complete = false;
                break;
            }
            calls_left -= 1;
            let part = self.list_files(id, window.sent()).await?;
            let (shown, is_whole) = (part.files.len() as u64, part.complete);
            add(&mut found, part.files);
            if is_doubted && shown >= cap {
                full.push(window);
                continue;
            }
            let is_cut = shown >= cap;
            let halves = if is_cut { window.split(&found, 2) } else { Vec::new() };
            if is_cut && halves.len() < 2 || !is_cut && !is_whole {
                complete = false;
                break;
            }
            windows.extend(halves);
        }
        complete &= found.len() as u64 >= counted;
        Ok(FolderListing { files: found.into_values().collect(), complete, ..listing })
    }
}

/// Whether a limit may lie at this number of rows.
fn is_round(rows: u64) -> bool {
    rows >= 100 && rows.is_multiple_of(50)
}

/// A file that is listed again replaces the earlier row.
fn add(found: &mut HashMap<FileUrl, RemoteFile>, files: Vec<RemoteFile>) {
    found.extend(files.into_iter().map(|file| (file.url.clone(), file)));
}

impl Window {
    const ALL: Window = Window { from: None, until: None };

    /// Cuts the window into up to `pieces`, so that about as many of the files that are known
    /// fall into each. One piece, the window itself, if it cannot be cut.
    fn split(self, found: &HashMap<FileUrl, RemoteFile>, pieces: u64) -> Vec<Window> {
        let mut dates: Vec<_> = found.values().filter_map(|file| file.sent_at).collect();
        dates.retain(|date| self.has_inside(*date));
        dates.sort_unstable();
        let pieces = usize::try_from(pieces).unwrap_or(usize::MAX).min(dates.len() + 1);
        let mut cuts: Vec<_> =
            (1..pieces).map(|piece| dates[piece * dates.len() / pieces]).collect();
        cuts.dedup();
        let froms = [self.from].into_iter().chain(cuts.iter().copied().map(Some));
        let untils = cuts.iter().copied().map(Some).chain([self.until]);
        froms.zip(untils).map(|(from, until)| Window { from, until }).collect()
    }

    /// Whether the window can be cut at `date`.
    fn has_inside(self, date: Timestamp) -> bool {
        self.from.is_none_or(|from| from < date) && self.until.is_none_or(|until| date < until)
    }

    /// What to ask for, so that nothing at the edges is missed.
    fn sent(self) -> SentBetween {
        let after = self.from.map(|from| from.saturating_sub(margin(from)).unwrap_or(from));
        let before = self.until.map(|until| until.saturating_add(margin(until)).unwrap_or(until));
        SentBetween { after, before }
    }
}

fn margin(edge: Timestamp) -> SignedDuration {
    if dates::is_near_clock_change(edge) { WIDE_MARGIN } else { MARGIN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::RemoteName;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn found(dates: &[&str]) -> HashMap<FileUrl, RemoteFile> {
        let mut found = HashMap::new();
        let files = dates.iter().enumerate().map(|(number, date)| RemoteFile {
            url: FileUrl::parse(&format!("https://1fichier.com/?aaaaaaaaaa{number:010}")).unwrap(),
            name: RemoteName::encode(b"a"),
            size_bytes: 1,
            whirlpool: None,
            sent_at: date.parse().ok(),
        });
        add(&mut found, files.collect());
        found
    }

    fn printed(windows: &[Window]) -> Vec<String> {
        let edge = |edge: Option<Timestamp>| {
            edge.map(|at| at.strftime("%d %H:%M").to_string()).unwrap_or_default()
        };
        windows
            .iter()
            .map(|window| format!("{}..{}", edge(window.from), edge(window.until)))
            .collect()
    }

    #[test]
    fn time_is_cut_by_the_dates_that_are_known() {
        let days = ["2026-06-04T00:00:00Z", "2026-06-01T00:00:00Z", "", "2026-06-03T00:00:00Z"];
        let found = found(&days);
        let windows = Window::ALL.split(&found, 3);
        assert_eq!(printed(&windows), ["..03 00:00", "03 00:00..04 00:00", "04 00:00.."]);
        assert_eq!(printed(&windows[0].split(&found, 2)), ["..01 00:00", "01 00:00..03 00:00"]);
        assert_eq!(printed(&windows[1].split(&found, 2)), ["03 00:00..04 00:00"]);
        assert_eq!(printed(&Window::ALL.split(&found, 99)).len(), 4);
    }

    #[test]
    fn time_that_holds_one_date_cannot_be_cut_for_ever() {
        let found = found(&["2026-06-01T00:00:00Z"; 9]);
        let windows = Window::ALL.split(&found, 2);
        assert_eq!(printed(&windows), ["..01 00:00", "01 00:00.."]);
        for window in windows {
            assert_eq!(window.split(&found, 2), [window]);
        }
        assert_eq!(Window::ALL.split(&HashMap::new(), 2), [Window::ALL]);
    }

    #[test]
    fn windows_overlap_and_by_more_than_two_hours_where_clocks_are_changed() {
        let overlap_s = |edge: &str| {
            let edge = Some(at(edge));
            let before = Window { from: None, until: edge }.sent().before.unwrap();
            let after = Window { from: edge, until: None }.sent().after.unwrap();
            before.duration_since(after).as_secs()
        };
        assert_eq!(overlap_s("2026-06-01T00:00:00Z"), 20);
        assert_eq!(overlap_s("2026-10-25T00:30:00Z"), 2 * 65 * 60);
        assert_eq!(overlap_s("2026-03-29T12:00:00Z"), 2 * 65 * 60);
        assert_eq!(Window::ALL.sent(), SentBetween::default());
    }
}
