//! The advice for the administrator about folders that are not watched.
//!
//! The kernel limits watches and instances by user. Running into a limit is not an error of this
//! program, but its message, "no space left on device", does not lead to the setting.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use super::instances::Refusal;
use super::tree::Unwatched;
use crate::base::words::{counted, duration};

/// The smallest limit for watches that is advised: distributions that raise the limit at all choose
/// this.
const USUAL_WATCHES: u64 = 524_288;

/// The system's limit for watches of one user; 0 if it cannot be read.
pub(super) fn max_user_watches() -> u64 {
    let text = fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok();
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// The problem and what to do about it, for `status` and the journal.
pub(super) fn advice<'a>(
    unwatched: impl Iterator<Item = &'a Unwatched>,
    watched: u64,
    limit: u64,
    poll: Duration,
) -> String {
    let (mut beyond_limit, mut denied, mut twice, mut other) = (0, 0, 0, 0);
    let mut silent: Option<(&str, u64)> = None;
    let mut last_words: Option<&str> = None;
    for folder in unwatched {
        match &folder.why {
            Refusal::WatchLimit => beyond_limit += folder.folders,
            Refusal::Denied => denied += folder.folders,
            Refusal::Twice => twice += folder.folders,
            Refusal::SilentFileSystem(name) => {
                silent = Some((name, silent.map_or(0, |(_, count)| count) + folder.folders));
            }
            Refusal::Gone => {}
            // Opening a folder takes a descriptor, and no instance.
            Refusal::InstanceLimit => {
                other += folder.folders;
                last_words = Some("too many open files");
            }
            Refusal::ThreadLimit => {
                other += folder.folders;
                last_words = Some("no thread is left");
            }
            Refusal::Other(words) => {
                other += folder.folders;
                last_words = Some(words);
            }
        }
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    if beyond_limit > 0 {
        let fitting = fitting_limit(watched + beyond_limit, limit);
        _ = write!(
            text,
            "{} beyond the system's limit for watches: \
             run `sysctl -w fs.inotify.max_user_watches={fitting}` and put \
             `fs.inotify.max_user_watches={fitting}` into /etc/sysctl.d/60-fichierd.conf; ",
            folders_are(beyond_limit)
        );
    }
    if denied > 0 {
        _ = write!(
            text,
            "{} may not be read by this user: check the permissions; ",
            counted(denied, "folder")
        );
    }
    if let Some((name, count)) = silent {
        let folders = folders_are(count);
        _ = write!(text, "{folders} on {name}, which does not report changes: nothing helps; ");
    }
    if twice > 0 {
        _ = write!(
            text,
            "{} mounted a second time in this mirror: exclude one of the places; ",
            folders_are(twice)
        );
    }
    if let Some(words) = last_words {
        _ = write!(text, "{} cannot be watched ({words}); ", counted(other, "folder"));
    }
    _ = write!(text, "looked at every {} instead", duration(poll));
    text
}

fn folders_are(count: u64) -> String {
    format!("{} {}", counted(count, "folder"), if count == 1 { "is" } else { "are" })
}

/// The reason why nothing at all can be watched.
pub(super) fn reason(why: &Refusal) -> String {
    match why {
        Refusal::WatchLimit => format!(
            "the system's limit for watches is used up: raise fs.inotify.max_user_watches, \
             for example `sysctl -w fs.inotify.max_user_watches={}`",
            fitting_limit(0, max_user_watches())
        ),
        Refusal::InstanceLimit => "no more inotify instances can be had: raise \
             fs.inotify.max_user_instances, for example \
             `sysctl -w fs.inotify.max_user_instances=512`, or the limit for open files"
            .to_owned(),
        Refusal::ThreadLimit => "no more threads can be had: raise `TasksMax` of the unit, see: \
             systemctl edit fichierd"
            .to_owned(),
        Refusal::SilentFileSystem(name) => {
            format!("{name} does not report changes that others make: nothing helps")
        }
        Refusal::Gone => "the folder is not there".to_owned(),
        Refusal::Denied => "this user may not read the folder".to_owned(),
        Refusal::Twice => "the folder is watched under another path".to_owned(),
        Refusal::Other(words) => words.clone(),
    }
}

/// A limit with room for twice the folders, and above the present one: other programs watch too.
fn fitting_limit(folders: u64, limit: u64) -> u64 {
    let wanted = (2 * folders).max(limit + 1).max(USUAL_WATCHES);
    wanted.next_power_of_two()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(unwatched: &[(Refusal, u64)], expected: Expect) {
        let unwatched: Vec<_> = unwatched
            .iter()
            .map(|(why, folders)| Unwatched { why: why.clone(), folders: *folders })
            .collect();
        let text = advice(unwatched.iter(), 300_000, 250_000, Duration::from_secs(600));
        expected.assert_eq(&text);
    }

    #[test]
    fn beyond_the_limit_the_advice_has_a_number_that_fits_the_tree() {
        check(
            &[(Refusal::WatchLimit, 1), (Refusal::WatchLimit, 399_999)],
            expect![
                "400,000 folders are beyond the system's limit for watches: \
                 run `sysctl -w fs.inotify.max_user_watches=2097152` \
                 and put `fs.inotify.max_user_watches=2097152` into /etc/sysctl.d/60-fichierd.conf; \
                 looked at every 10 min instead"
            ],
        );
    }

    #[test]
    fn each_cause_is_said_once_with_its_count() {
        check(
            &[
                (Refusal::Denied, 2),
                (Refusal::SilentFileSystem("NFS"), 1),
                (Refusal::Denied, 1),
                (Refusal::Other("File name too long (os error 36)".to_owned()), 1),
                (Refusal::Twice, 1),
            ],
            expect![
                "3 folders may not be read by this user: check the permissions; \
                 1 folder is on NFS, which does not report changes: nothing helps; \
                 1 folder is mounted a second time in this mirror: exclude one of the places; \
                 1 folder cannot be watched (File name too long (os error 36)); \
                 looked at every 10 min instead"
            ],
        );
    }

    #[test]
    fn the_number_is_never_below_the_usual_one_nor_the_present_one() {
        assert_eq!(fitting_limit(10, 8_192), 524_288);
        assert_eq!(fitting_limit(10, 524_288), 1_048_576);
        assert_eq!(fitting_limit(700_000, 8_192), 2_097_152);
    }
}
