//! Decides, without calls and clock, whether an upload arrived and how to go on.
//!
//! The same state machine serves the usual case, a lost reply and a restart after a crash: it is
//! told the records and the answers, and says what to do next (I12). The node is asked first, a few
//! times at the first look and once at later ones; then the staging folder is listed; the files
//! that came are published; those that came nowhere are sent again, once they had enough time to
//! show up. A file that is there without a hash is waited for, and never sent again.
//!
//! ```text
//!   begin ──► ask the node ──► ask again, later ──► list the staging folder ──► publish ──► end
//!                  └── all came ──────────────────────────────────────────────────┘
//! ```

use std::time::Duration;

use super::Fate;

/// How often the node is asked for links that are late or being scanned, before other work goes
/// on; the next cycle asks again.
const POLLS: u32 = 6;
/// The pause before the node is asked for the second time; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest of these pauses.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// One upload on its way.
#[derive(Debug)]
pub(super) struct Delivery {
    /// How many files the upload has on record.
    files: usize,
    /// How many of them have not shown up.
    open: usize,
    /// Whether the node told which files it has.
    is_told: bool,
    /// Whether it has had enough time to scan the files, so that its word for that is not enough.
    is_overdue: bool,
    polls: u32,
    wait: Duration,
}

/// What is known of an upload when it is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// How many files it has on record.
    pub(super) files: usize,
    /// How many of them have not shown up.
    pub(super) open: usize,
    /// Whether the node is asked once and not several times: it was asked before, or it has
    /// refused.
    pub(super) asks_once: bool,
    /// Whether the files were sent so long ago that the scanner must be done.
    pub(super) is_overdue: bool,
}

/// The answer to the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The node told links; `open` files have not shown up after that. With `is_doubtful` some
    /// links are to be looked at in the listing, before anything is concluded from them.
    Links { open: usize, is_doubtful: bool },
    /// The node still looks for viruses.
    Scanning,
    /// The node knows of no file, or not yet.
    Nothing,
    /// The node does not answer in a way that can be read.
    Lost,
    /// The staging folder was listed, and our files in it are on record.
    Listed,
    /// The files that came are published, as far as the service let that happen. On record are
    /// still `arrived` files that have come, `missing` files that have not (with `is_young` these
    /// may still show up), and `unproved` files that are there without a hash.
    Published { arrived: usize, missing: usize, unproved: usize, is_young: bool },
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Todo {
    /// Ask the node after this pause, in the service's time.
    AskNode {
        after: Duration,
    },
    List,
    Publish,
    End(DeliveryVerdict),
}

/// How the upload ends, for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeliveryVerdict {
    pub(super) fate: Fate,
    /// Whether the files that have not shown up are sent again.
    pub(super) gives_up: bool,
    /// Whether something is still to be done: the next cycle asks again.
    pub(super) is_pending: bool,
}

impl Delivery {
    /// Begins the delivery of an upload.
    pub(super) fn begin(known: Known) -> (Delivery, Todo) {
        let Known { files, open, asks_once, is_overdue } = known;
        let polls = if asks_once { POLLS } else { 1 };
        let delivery =
            Delivery { files, open, is_told: false, is_overdue, polls, wait: FIRST_WAIT };
        // With no file left, all have changed while they were read: the files that arrived have to
        // be removed.
        let asks = files == 0 || open > 0;
        (delivery, if asks { Todo::AskNode { after: Duration::ZERO } } else { Todo::Publish })
    }

    pub(super) fn next(&mut self, heard: Heard) -> Todo {
        match heard {
            Heard::Links { open, is_doubtful } => {
                self.open = open;
                self.is_told = true;
                if is_doubtful { Todo::List } else { self.list_or_publish() }
            }
            Heard::Scanning | Heard::Nothing if self.polls < POLLS => {
                self.polls += 1;
                let after = self.wait;
                self.wait = (self.wait * 2).min(LONGEST_WAIT);
                Todo::AskNode { after }
            }
            Heard::Scanning if !self.is_overdue => Todo::End(DeliveryVerdict {
                fate: Fate::Waiting,
                gives_up: false,
                is_pending: true,
            }),
            Heard::Scanning | Heard::Nothing | Heard::Lost => self.list_or_publish(),
            Heard::Listed => Todo::Publish,
            Heard::Published { arrived, missing, unproved, is_young } => {
                let mut verdict = self.verdict(arrived, missing, is_young, unproved > 0);
                verdict.is_pending |= unproved > 0;
                Todo::End(verdict)
            }
        }
    }

    /// Whether `todo` is done without the node having told which files it has: these may be more
    /// than are on record, namely files that changed while they were read.
    pub(super) fn goes_on_untold(&self, todo: Todo) -> bool {
        !self.is_told && matches!(todo, Todo::List | Todo::Publish)
    }

    fn list_or_publish(&self) -> Todo {
        if self.open > 0 { Todo::List } else { Todo::Publish }
    }

    fn verdict(
        &self,
        arrived: usize,
        missing: usize,
        is_young: bool,
        has_unproved: bool,
    ) -> DeliveryVerdict {
        // Files of an upload with none left on record may still show up, and have to be removed.
        let is_awaited = missing > 0 || (self.files == 0 && !self.is_told);
        let may_show_up = is_awaited && is_young;
        let gives_up = is_awaited && !is_young;
        let fate = if missing > 0 && missing == self.files {
            Fate::NothingCame { given_up: gives_up }
        } else if may_show_up {
            Fate::Waiting
        } else if gives_up {
            Fate::GivenUp
        } else if has_unproved {
            Fate::Waiting
        } else {
            Fate::Settled
        };
        DeliveryVerdict { fate, gives_up, is_pending: may_show_up || arrived > 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps for an upload with two files of which none has shown up, given these answers.
    fn story(heard: &[Heard]) -> Vec<String> {
        let (mut delivery, first) = begin(2, 2);
        let next = heard.iter().map(|heard| delivery.next(*heard));
        std::iter::once(first).chain(next.collect::<Vec<_>>()).map(say).collect()
    }

    fn begin(files: usize, open: usize) -> (Delivery, Todo) {
        Delivery::begin(Known { files, open, asks_once: false, is_overdue: false })
    }

    fn links(open: usize) -> Heard {
        Heard::Links { open, is_doubtful: false }
    }

    fn say(todo: Todo) -> String {
        match todo {
            Todo::AskNode { after } => format!("ask after {} s", after.as_secs()),
            Todo::List => "list".to_owned(),
            Todo::Publish => "publish".to_owned(),
            Todo::End(DeliveryVerdict { fate, gives_up, is_pending }) => {
                let again = if gives_up { ", send again" } else { "" };
                let later = if is_pending { ", look again" } else { "" };
                format!("{fate:?}{again}{later}")
            }
        }
    }

    fn published(arrived: usize, missing: usize, is_young: bool) -> Heard {
        Heard::Published { arrived, missing, unproved: 0, is_young }
    }

    #[test]
    fn what_the_node_tells_is_published_without_a_listing() {
        assert_eq!(
            story(&[links(0), published(0, 0, true)]),
            ["ask after 0 s", "publish", "Settled"]
        );
    }

    #[test]
    fn late_links_are_asked_for_six_times_and_then_looked_for() {
        let told = story(&[Heard::Nothing; 6]);
        assert_eq!(
            told,
            [
                "ask after 0 s",
                "ask after 2 s",
                "ask after 4 s",
                "ask after 8 s",
                "ask after 16 s",
                "ask after 30 s",
                "list"
            ]
        );
    }

    #[test]
    fn an_upload_that_is_being_scanned_is_left_for_later_and_never_given_up() {
        let told = story(&[Heard::Scanning; 6]);
        assert_eq!(told.last().unwrap(), "Waiting, look again");
    }

    #[test]
    fn a_node_that_is_lost_is_not_asked_again() {
        assert_eq!(story(&[Heard::Lost, Heard::Listed])[1..], ["list", "publish"]);
    }

    #[test]
    fn a_link_that_is_missing_is_looked_for_in_the_listing() {
        assert_eq!(story(&[links(1)])[1], "list");
    }

    #[test]
    fn what_shows_up_nowhere_is_sent_again_only_when_it_had_its_time() {
        let end = |arrived, missing, is_young| {
            let heard = [Heard::Lost, Heard::Listed, published(arrived, missing, is_young)];
            story(&heard).pop().unwrap()
        };
        assert_eq!(end(0, 2, true), "NothingCame { given_up: false }, look again");
        assert_eq!(end(0, 2, false), "NothingCame { given_up: true }, send again");
        assert_eq!(end(0, 1, true), "Waiting, look again");
        assert_eq!(end(0, 1, false), "GivenUp, send again");
        assert_eq!(end(1, 0, false), "Settled, look again");
        assert_eq!(end(0, 0, false), "Settled");
    }

    #[test]
    fn what_is_all_there_already_is_only_published() {
        assert_eq!(begin(2, 0).1, Todo::Publish);
    }

    #[test]
    fn an_upload_of_which_no_file_is_wanted_any_more_is_asked_for_once_more() {
        let (mut delivery, first) = begin(0, 0);
        assert_eq!(first, Todo::AskNode { after: Duration::ZERO });
        assert_eq!(delivery.next(Heard::Lost), Todo::Publish);
        assert_eq!(say(delivery.next(published(0, 0, true))), "Waiting, look again");
        assert_eq!(say(delivery.next(published(0, 0, false))), "GivenUp, send again");

        let mut told = begin(0, 0).0;
        assert_eq!(told.next(links(0)), Todo::Publish);
        assert_eq!(say(told.next(published(0, 0, true))), "Settled");
    }

    #[test]
    fn what_the_node_did_not_tell_may_be_more_than_is_on_record() {
        let mut delivery = begin(2, 2).0;
        assert!(!delivery.goes_on_untold(Todo::AskNode { after: Duration::ZERO }));
        for untold in [Heard::Lost, Heard::Listed] {
            let todo = delivery.next(untold);
            assert!(delivery.goes_on_untold(todo), "{untold:?}");
        }
        let todo = begin(2, 2).0.next(Heard::Scanning);
        assert!(!delivery.goes_on_untold(todo), "it is asked again");

        let mut told = begin(2, 2).0;
        let todo = told.next(links(1));
        assert!(!told.goes_on_untold(todo));
    }

    #[test]
    fn y40_a_scan_that_takes_too_long_is_looked_for_in_the_listing() {
        let known = Known { files: 2, open: 2, asks_once: true, is_overdue: true };
        let mut delivery = Delivery::begin(known).0;
        assert_eq!(delivery.next(Heard::Scanning), Todo::List);
        assert_eq!(delivery.next(Heard::Listed), Todo::Publish);
    }

    #[test]
    fn a_later_look_and_one_after_a_refusal_ask_the_node_once() {
        let known = Known { files: 2, open: 2, asks_once: true, is_overdue: false };
        assert_eq!(Delivery::begin(known).0.next(Heard::Nothing), Todo::List);
        let scanned = Delivery::begin(known).0.next(Heard::Scanning);
        assert_eq!(say(scanned), "Waiting, look again");
    }

    #[test]
    fn y43_links_that_are_doubted_are_looked_for_in_the_listing_though_all_have_come() {
        let mut delivery = begin(2, 2).0;
        assert_eq!(delivery.next(Heard::Links { open: 0, is_doubtful: true }), Todo::List);
    }

    #[test]
    fn y41_a_file_without_a_hash_is_waited_for_and_never_sent_again() {
        let end = |missing, is_young| {
            let mut delivery = begin(2, 2).0;
            delivery.next(links(2));
            let heard = Heard::Published { arrived: 0, missing, unproved: 1, is_young };
            say(delivery.next(heard))
        };
        assert_eq!(end(0, false), "Waiting, look again");
        assert_eq!(end(1, true), "Waiting, look again");
        assert_eq!(end(1, false), "GivenUp, send again, look again");
    }
}
