//! The checks: account and disk are equal, nothing is left over, no secret was printed.

use super::{Machine, is_encrypted_here, target};
use crate::tree::{self, Tree};
use crate::{crypt, witness};

impl Machine {
    /// Where disk and account differ, for people.
    pub fn differences(&self, name: &str) -> Vec<String> {
        let local = tree::on_disk(&self.source(name));
        let remote = tree::in_account(&self.emulator, &target(name));
        let mut differences = Vec::new();
        let only = |a: &Tree, b: &Tree, what: &str, into: &mut Vec<String>| {
            let missing = a.keys().filter(|path| !b.contains_key(*path));
            into.extend(missing.map(|path| format!("{what} {path:?}")));
        };
        only(&local, &remote, "missing", &mut differences);
        only(&remote, &local, "too many", &mut differences);
        let both =
            local.iter().filter(|(path, bytes)| remote.get(*path).is_some_and(|r| r != *bytes));
        differences.extend(both.map(|(path, _)| format!("different {path:?}")));
        differences
    }

    /// Panics unless everything is mirrored, nothing is left over anywhere, and another look costs
    /// no call.
    #[track_caller]
    pub fn assert_at_rest(&self) {
        self.run(&["sync"]).expect(0);
        for (name, _) in &self.mirrors {
            self.until_chores_done(name);
        }
        let before = self.emulator.calls();
        self.run(&["sync"]).expect(0);
        let calls = self.emulator.calls_since(before);
        // After many starts of the service their old claims are being tidied away.
        let is_tidying = self.service.is_some() && Machine::is_tidying(&calls);
        assert!(calls.is_empty() || is_tidying, "{calls:?}");
        self.assert_mirrored();
    }

    /// Whether these are the calls of a service that starts and finds nothing to do: it looks once
    /// where it stands and claims the target. It looks at the claims before, unless the process
    /// before ended as it should; the second start makes their folder. After many starts it tidies
    /// old claims away.
    pub fn is_start(calls: &[String]) -> bool {
        let (ls, mkdir) = ("folder/ls.cgi", "folder/mkdir.cgi");
        let second = [ls, ls, mkdir, mkdir, mkdir, mkdir];
        let starts = [&second[..], &second[..3], &second[1..3]];
        starts.into_iter().any(|start| {
            calls.len() >= start.len()
                && calls.iter().zip(start).all(|(call, expected)| call == expected)
                && Machine::is_tidying(&calls[start.len()..])
        })
    }

    /// Listings and removals by turns: each old claim is looked for and removed. The calls that a
    /// test has seen may begin or end in the middle of that.
    fn is_tidying(calls: &[String]) -> bool {
        let (ls, rm) = ("folder/ls.cgi", "folder/rm.cgi");
        let turns = if calls.first().is_some_and(|call| call == rm) { [rm, ls] } else { [ls, rm] };
        calls.iter().zip(turns.iter().cycle()).all(|(call, expected)| call == expected)
    }

    /// Panics unless everything is mirrored, nothing is left over anywhere, and no rule of the
    /// service was broken.
    #[track_caller]
    pub fn assert_mirrored(&self) {
        for (name, _) in &self.mirrors {
            assert_eq!(self.differences(name), Vec::<String>::new(), "in `{name}`");
        }
        // The chores may be sending the records, or the canary, at this moment.
        self.until_done("nothing is left in staging or outside the targets", || {
            let left_over = [tree::staged(&self.emulator), self.strays()].concat();
            left_over.is_empty().then_some(())
        });
        self.emulator.assert_no_violations();
    }

    /// The names of files outside all targets.
    fn strays(&self) -> Vec<String> {
        let is_stray =
            |path: &str| !self.mirrors.iter().any(|(name, _)| path.starts_with(&target(name)));
        let files = self.emulator.files().into_iter();
        files.filter(|file| is_stray(&file.path)).map(|file| file.name).collect()
    }

    /// Panics if commands or services have printed a secret (invariant I10).
    pub(super) fn assert_no_secret_was_printed(&self) {
        let all = [self.log(), self.printed.borrow().clone()].concat();
        assert!(!all.contains(self.emulator.api_key()), "the API key was printed");
        let password = str::from_utf8(crypt::PASSWORD).expect("it is text");
        assert!(!all.contains(password), "the password was printed");
        let ids = self.emulator.files().into_iter().map(|file| file.link);
        for link in ids {
            let id = link.rsplit('?').next().expect("a link has an id").to_owned();
            assert!(!all.contains(&id), "a file link was printed");
        }
    }

    /// Panics if a mirror that the switch encrypts has a file with a plain name or plain contents.
    pub(super) fn assert_nothing_is_readable(&self) {
        let encrypted = self.mirrors.iter().filter(|(_, settings)| is_encrypted_here(settings));
        for (name, _) in encrypted {
            let below = format!("{}/", target(name));
            let files = self.emulator.files().into_iter();
            for file in files.filter(|file| format!("{}/", file.path).starts_with(&below)) {
                crypt::assert_unreadable(&file, self.emulator.content(&file.link));
            }
        }
    }

    /// Where disk and account are equal, rclone has to say so too, if there is one.
    pub(super) fn assert_rclone_agrees(&self) {
        let Some(rclone) = witness::rclone() else { return };
        for (name, _) in &self.mirrors {
            match self.differences(name).first() {
                Some(difference) => {
                    let short: String = difference.chars().take(60).collect();
                    witness::not_asked(name, &format!("not at rest: {short}"));
                }
                None if crypt::is_on() => witness::not_asked(name, "encrypted: tests/interop does"),
                None => witness::assert_agrees(&rclone, &self.emulator, name, &self.source(name)),
            }
        }
    }
}
