//! Upload nodes that refuse: which rest, for how long, and in which words they refused.
//!
//! A page of a node says little that can be relied on: that the account is full, the files too
//! large, the node broken. So a refusal is counted, and after a few in a row the uploads rest, for
//! longer each time, until one is taken. If only one node has refused, only that node rests.
//! Whether the account is full is not read from the page: the account is asked.
//!
//! The note is shared by all mirrors, and kept over restarts.

use std::collections::BTreeMap;

use fichier_api::{Account, ErrorKind, UploadSlot};
use fichier_state::{NewProblem, Records, RelPath};
use serde::{Deserialize, Serialize};

use crate::base::Fact;
use crate::base::words::{bytes, chain};
use crate::remote::Remote;
use crate::remote::error::RemoteError;

/// Refusals in a row after which uploads rest. A batch with one file at fault is refused no more
/// often than this: twice as a whole, and once as a half.
const MOST_IN_A_ROW: u32 = 4;
/// From so many refusals in a row on people are told, since files are not sent.
const TOLD_FROM: u32 = 2;
/// Seconds of the first rest; each is twice as long as the one before.
const FIRST_REST_S: i64 = 300;
/// The least number of seconds between two questions for a node that does not rest.
const ASK_AGAIN_S: i64 = 600;
/// The longest rest, in seconds.
const LONGEST_REST_S: i64 = 3600;
/// Nodes that are remembered; of more, those with the earliest ends are forgotten.
const MOST_NODES: usize = 50;

const NODES: Fact<Nodes> = Fact::named("upload nodes that refuse");

/// What is known of nodes that refuse.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Nodes {
    /// Refusals since an upload was taken.
    in_a_row: u32,
    /// Rests since an upload was taken.
    rests: u32,
    /// Before this no upload is begun, at any node; Unix seconds.
    until_s: i64,
    /// The last refusal, for people.
    pub(crate) words: String,
    /// Files of the next upload at most; `None` for as many as there are.
    pub(crate) most_files: Option<usize>,
    /// The nodes that have refused since they took an upload.
    nodes: BTreeMap<String, Node>,
}

/// A node that has refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Node {
    /// Until when it gets nothing; Unix seconds. 0 while it does not rest.
    until_s: i64,
    /// Its rests so far, because other nodes took what it had refused.
    rests: u32,
}

/// Whether uploads wait because nodes have refused the last ones.
///
/// # Errors
///
/// The state file's.
pub(crate) fn nodes_refuse(records: &Records) -> Result<bool, fichier_state::Error> {
    Ok(NODES.read(records)?.is_some_and(|nodes| nodes.in_a_row >= TOLD_FROM))
}

impl Nodes {
    /// Until when no upload is begun; `None` if one may be begun now.
    pub(crate) fn rest_until_s(&self, now_s: i64) -> Option<i64> {
        // A time that no rest can end at is not believed: the clock was set.
        (now_s < self.until_s && self.until_s <= now_s + LONGEST_REST_S).then_some(self.until_s)
    }

    /// Whether the last upload was refused.
    pub(crate) fn refuses(&self) -> bool {
        self.in_a_row > 0
    }

    /// Until when this node gets nothing.
    pub(crate) fn node_rests_until_s(&self, node: &str, now_s: i64) -> Option<i64> {
        let until_s = self.nodes.get(node)?.until_s;
        (now_s < until_s && until_s <= now_s + LONGEST_REST_S).then_some(until_s)
    }

    /// When an upload may be begun again that this node, or the rest of all, holds back; Unix
    /// seconds.
    pub(crate) fn ends_s(&self, node: &str) -> i64 {
        self.until_s.max(self.nodes.get(node).map_or(0, |node| node.until_s))
    }

    /// Counts a refusal of an upload with this many files. Returns whether uploads rest now.
    fn refused(&mut self, refusal: Refusal<'_>, now_s: i64, scale: u32) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(refusal.weight);
        refusal.words.clone_into(&mut self.words);
        self.nodes.entry(refusal.node.to_owned()).or_default().until_s = 0;
        if let Some(files) = refusal.files {
            self.most_files = Some((files / 2).max(1));
        }
        if self.in_a_row < MOST_IN_A_ROW {
            return false;
        }
        self.rests = self.rests.saturating_add(refusal.weight);
        let until_s = now_s + rest_s(self.rests, scale);
        if self.nodes.len() == 1 {
            self.nodes.values_mut().for_each(|node| node.until_s = until_s);
        } else {
            self.until_s = until_s;
        }
        true
    }

    /// Notes that a node has taken an upload of so many files. Others that have refused meanwhile
    /// rest: the files were not at fault.
    fn taken(&mut self, node: &str, files: usize, now_s: i64, scale: u32) {
        let most = self.most_files.map(|most| most.max(files).saturating_mul(2));
        let most_files = most.filter(|most| *most < fichier_api::MAX_FILES_PER_UPLOAD);
        let mut nodes = std::mem::take(&mut self.nodes);
        nodes.remove(node);
        for other in nodes.values_mut().filter(|other| other.until_s == 0) {
            other.rests = other.rests.saturating_add(1);
            other.until_s = now_s + rest_s(other.rests, scale);
        }
        while nodes.len() > MOST_NODES {
            let first = nodes.iter().min_by_key(|(_, node)| node.until_s);
            let Some(first) = first.map(|(name, _)| name.clone()) else { break };
            nodes.remove(&first);
        }
        *self = Nodes { nodes, most_files, ..Nodes::default() };
    }
}

/// Seconds of the `n`th rest, counted from 1.
fn rest_s(n: u32, scale: u32) -> i64 {
    let doubled = FIRST_REST_S << n.saturating_sub(1).min(10);
    doubled.min(LONGEST_REST_S) / i64::from(scale.max(1))
}

/// An upload that a node has refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal<'a> {
    /// The node.
    pub(crate) node: &'a str,
    /// The refusal, for people.
    pub(crate) words: &'a str,
    /// The number of files, if fewer of them may be taken.
    pub(crate) files: Option<usize>,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// For how many refusals it counts: those that cost more calls to find out count for more.
    pub(crate) weight: u32,
}

impl Remote {
    /// What is known of nodes that refuse.
    pub(crate) fn nodes(&self) -> Result<Nodes, RemoteError> {
        Ok(self.state.read(|s| NODES.read(s))?.unwrap_or_default())
    }

    /// Counts a refusal. Returns whether uploads rest now; the account was then asked whether it is
    /// full, which may cost a call.
    pub(crate) async fn node_refused(&self, refusal: Refusal<'_>) -> Result<bool, RemoteError> {
        let (now_s, scale) = (self.state.now_s(), self.client.pacer().time_scale());
        let is_resting =
            self.state.write(|w| NODES.change(w, |nodes| nodes.refused(refusal, now_s, scale)))?;
        let is_second = !is_resting && self.nodes()?.in_a_row == TOLD_FROM;
        if (is_resting || is_second)
            && let Some(full) = self.says_full(refusal.bytes).await
        {
            let words = format!("{full}. The upload node said: {}", refusal.words);
            self.state.write(|w| NODES.change(w, |nodes| nodes.words = words))?;
        }
        Ok(is_resting)
    }

    /// Tells people in which words nodes refuse, if they do.
    pub(crate) fn tell_refusals(&self) -> Result<(), RemoteError> {
        let nodes = self.nodes()?;
        if nodes.in_a_row >= TOLD_FROM {
            self.report(|report| report.uploads_refused = Some(nodes.words));
        }
        Ok(())
    }

    /// Notes that a node has taken an upload of so many files.
    pub(crate) fn node_took(&self, node: &str, files: usize) -> Result<(), RemoteError> {
        let before = self.nodes()?;
        let mut nodes = before.clone();
        nodes.taken(node, files, self.state.now_s(), self.client.pacer().time_scale());
        if nodes == before {
            return Ok(());
        }
        let is_over = before.refuses() && !nodes.refuses();
        Ok(self.state.write(|w| {
            if is_over {
                // The problem of `uploads_wait`.
                w.clear_problem(self.mirror, &RelPath::root())?;
            }
            NODES.keep(w, &nodes)
        })?)
    }

    /// Notes that files wait because nodes refuse uploads, until then.
    pub(crate) fn uploads_wait(&self, until_s: i64) -> Result<(), RemoteError> {
        let words = self.nodes()?.words;
        self.report(|report| {
            report.uploads_refused = Some(words.clone());
            report.problems += 1;
        });
        let what = format!("files in it wait: 1fichier takes no uploads now: {words}");
        let problem = NewProblem {
            path: &RelPath::root(),
            what: &what,
            hint: "they are sent by themselves as soon as it takes uploads again",
            is_wide: true,
            next_try_s: until_s,
        };
        let now_s = self.state.now_s();
        Ok(self.state.write(|w| w.put_problem(self.mirror, &problem, now_s))?)
    }

    /// Names a node for one upload that does not rest. `Err`: there is none until this time, in
    /// Unix seconds. Costs at most a call.
    ///
    /// # Errors
    ///
    /// Those of the call.
    pub(crate) async fn open_slot(&self) -> Result<Result<UploadSlot, i64>, RemoteError> {
        if let Some(until_s) = self.nodes()?.rest_until_s(self.state.now_s()) {
            return Ok(Err(until_s));
        }
        let slot = self.client.open_upload().await?;
        let now_s = self.state.now_s();
        let Some(rests_until_s) = self.nodes()?.node_rests_until_s(&slot.node, now_s) else {
            return Ok(Ok(slot));
        };
        // The service may name another node sooner, but it is not asked all the time.
        let least_s = ASK_AGAIN_S / i64::from(self.client.pacer().time_scale().max(1));
        let wait_s = least_s.max((rests_until_s - now_s) / 4);
        let until_s = rests_until_s.min(now_s + wait_s);
        self.state.write(|w| NODES.change(w, |nodes| nodes.until_s = until_s))?;
        Ok(Err(until_s))
    }

    /// Why the account takes no more files, if it says so itself.
    async fn says_full(&self, bytes: u64) -> Option<String> {
        match self.client.account().await {
            Ok(account) => why_full(&account, bytes),
            Err(error) => {
                tracing::debug!("the account could not be asked: {}", chain(&error));
                None
            }
        }
    }
}

/// Why an account takes no upload of so many bytes; `None` if it says nothing of the kind.
fn why_full(account: &Account, more: u64) -> Option<String> {
    let used = account.cold_storage_bytes.zip(account.allowed_cold_storage_bytes);
    let has_room = used.is_none_or(|(used, allowed)| used.saturating_add(more) <= allowed);
    match used {
        Some((used, allowed)) if account.overquota || !has_room => {
            Some(format!("the account is full: {} of {} are used", bytes(used), bytes(allowed)))
        }
        _ if account.overquota => Some("the account is full".to_owned()),
        _ if account.upload_forbidden => {
            Some("1fichier forbids uploads to this account".to_owned())
        }
        _ => None,
    }
}

/// Whether an error is that of a node which took nothing, or nothing that is known.
pub(crate) fn is_refusal(error: &fichier_api::Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::NodeStorage
            | ErrorKind::NoFileInUpload
            | ErrorKind::NodeRefused { .. }
            | ErrorKind::Maintenance
            | ErrorKind::Failing { .. }
            | ErrorKind::UnexpectedReply { .. }
            | ErrorKind::Refused { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: Refusal<'_> =
        Refusal { node: "up1", words: "no", files: Some(8), bytes: 1, weight: 1 };

    #[test]
    fn y46_a_node_that_refuses_rests_longer_and_longer_and_less_than_forty_times_a_day() {
        let (mut nodes, mut tries) = (Nodes::default(), Vec::new());
        for now_s in 0..24 * 3600 {
            if nodes.node_rests_until_s("up1", now_s).is_none() {
                nodes.refused(BATCH, now_s, 1);
                tries.push(now_s);
            }
        }
        assert_eq!(tries[..7], [0, 1, 2, 3, 303, 903, 2103]);
        assert!(tries.len() < 40, "{}", tries.len());
        assert_eq!(nodes.rest_until_s(24 * 3600), None, "another node may be asked");
    }

    #[test]
    fn y46_files_that_are_taken_and_lost_are_sent_twice_before_nodes_rest() {
        let lost = Refusal { files: None, weight: 2, ..BATCH };
        let mut nodes = Nodes::default();
        assert!(!nodes.refused(lost, 0, 1));
        assert!(nodes.refused(lost, 400, 1));
        assert_eq!(nodes.node_rests_until_s("up1", 400), Some(1_000));
        assert_eq!(nodes.most_files, None, "fewer files would be lost too");
    }

    #[test]
    fn when_several_nodes_refuse_no_upload_is_begun_at_any() {
        let mut nodes = Nodes::default();
        for node in ["up1", "up2", "up3"] {
            assert!(!nodes.refused(Refusal { node, ..BATCH }, 10, 1));
        }
        assert!(nodes.refused(BATCH, 10, 1));
        assert_eq!(nodes.rest_until_s(10), Some(310));
        assert_eq!(nodes.rest_until_s(310), None);
        assert_eq!(nodes.rest_until_s(-10_000), None, "the clock was set back");
    }

    #[test]
    fn an_upload_that_is_taken_ends_the_rests_and_batches_grow_again() {
        let mut nodes = Nodes::default();
        for _ in 0..4 {
            nodes.refused(BATCH, 0, 1);
        }
        assert_eq!(nodes.most_files, Some(4));
        nodes.taken("up1", 4, 0, 1);
        assert_eq!(nodes, Nodes { most_files: Some(8), ..Nodes::default() });
        for files in [8, 16, 32, 64, 128, 256, 500] {
            nodes.taken("up1", files, 0, 1);
        }
        assert_eq!(nodes, Nodes::default());
    }

    #[test]
    fn a_node_rests_when_another_one_takes_what_it_has_refused() {
        let mut nodes = Nodes::default();
        for (round, rest_s) in [300, 600, 1200].into_iter().enumerate() {
            let now_s = 10_000 * i64::try_from(round).unwrap();
            assert!(!nodes.refused(BATCH, now_s, 1));
            nodes.taken("up2", 8, now_s, 1);
            assert_eq!(nodes.node_rests_until_s("up1", now_s), Some(now_s + rest_s));
            assert_eq!(nodes.rest_until_s(now_s), None);
        }
        nodes.taken("up1", 8, 50_000, 1);
        assert_eq!(nodes.node_rests_until_s("up1", 50_000), None);
    }
}
