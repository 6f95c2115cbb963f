//! Judges what the folders below `.fichierd/epoch` say about this state; pure.
//!
//! A folder named by a number is a claim: each process that works on the target makes the next one
//! when it starts. A folder `host-…` names the machine that made the newest claim.

use fichier_api::{FolderId, FolderListing};

/// The beginning of the name of the folder that names the machine that works on the target.
const HOST: &str = "host-";

/// The claims and machines that a listing showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// The claims' numbers and folders, in ascending order.
    pub(super) epochs: Vec<(u64, FolderId)>,
    /// The machines and their folders.
    pub(super) hosts: Vec<(String, FolderId)>,
}

/// The meaning of the claims for a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimVerdict {
    /// No claim is newer than this state's.
    Newest,
    /// There is one claim more, which this state was about to make: the claim may be its own.
    PerhapsOurs,
    /// This machine has made newer claims: the state is an older one.
    Older,
    /// Another machine has made newer claims.
    OtherMachine,
    /// Two states have made the same claim.
    Twice,
}

impl Claims {
    pub(super) fn of(listing: &FolderListing) -> Claims {
        let mut claims = Claims::default();
        for folder in &listing.folders {
            let name = folder.name.as_str();
            if let Some(host) = name.strip_prefix(HOST) {
                claims.hosts.push((host.to_owned(), folder.id));
            } else if let Some(epoch) = epoch_of(name) {
                claims.epochs.push((epoch, folder.id));
            }
        }
        claims.epochs.sort_by_key(|(epoch, id)| (*epoch, id.0));
        claims
    }

    pub(super) fn newest(&self) -> u64 {
        self.epochs.last().map_or(0, |(epoch, _)| *epoch)
    }

    /// Judges the claims: `known` is the newest claim that the state knows of, `claiming` one that
    /// it was about to make, `machine` the machine that it is on.
    pub(super) fn judge(&self, known: u64, claiming: Option<u64>, machine: &str) -> ClaimVerdict {
        let newest = self.newest();
        let same = self.epochs.iter().filter(|(epoch, _)| *epoch == newest).count();
        if newest >= known && same > 1 {
            ClaimVerdict::Twice
        } else if newest <= known {
            ClaimVerdict::Newest
        } else if claiming == Some(newest) && newest == known + 1 {
            ClaimVerdict::PerhapsOurs
        } else if self.hosts.iter().any(|(host, _)| host != machine) {
            ClaimVerdict::OtherMachine
        } else {
            ClaimVerdict::Older
        }
    }
}

/// The name of the folder that names a machine.
pub(super) fn host_name(machine: &str) -> String {
    format!("{HOST}{machine}")
}

/// The number of a claim; only names that we would write ourselves count, so `07` is no claim.
fn epoch_of(name: &str) -> Option<u64> {
    let epoch = name.parse::<u64>().ok()?;
    (epoch > 0 && epoch < u64::MAX / 2 && epoch.to_string() == name).then_some(epoch)
}

#[cfg(test)]
mod tests {
    use fichier_api::RemoteFolder;
    use fichier_api::names::RemoteName;

    use super::*;

    fn claims(names: &[&str]) -> Claims {
        let folders = names.iter().zip(1..).map(|(name, id)| RemoteFolder {
            id: FolderId(id),
            name: RemoteName::from_service((*name).to_owned()),
        });
        Claims::of(&FolderListing {
            id: FolderId(9),
            name: "epoch".to_owned(),
            folders: folders.collect(),
            files: Vec::new(),
            complete: true,
        })
    }

    #[test]
    fn what_the_claims_say_about_a_state() {
        use ClaimVerdict::{Newest, Older, OtherMachine, PerhapsOurs, Twice};
        let table: [(&[&str], u64, Option<u64>, ClaimVerdict); 13] = [
            (&[], 0, None, Newest),
            (&[], 5, None, Newest),
            (&["host-a", "5"], 5, None, Newest),
            // The state was moved to another machine, and goes on where it was.
            (&["host-b", "5"], 5, None, Newest),
            (&["host-a", "4"], 5, None, Newest),
            (&["host-a", "10", "9"], 9, None, Older),
            (&["6"], 5, None, Older),
            (&["host-a", "host-b", "6"], 5, None, OtherMachine),
            (&["host-b", "6"], 5, None, OtherMachine),
            (&["host-a", "6"], 5, Some(6), PerhapsOurs),
            (&["host-a", "7"], 5, Some(6), Older),
            (&["host-a", "5", "5"], 5, None, Twice),
            (&["host-a", "4", "4", "5"], 5, None, Newest),
        ];
        for (names, known, claiming, verdict) in table {
            let found = claims(names).judge(known, claiming, "a");
            assert_eq!(found, verdict, "{names:?} known {known} claiming {claiming:?}");
        }
    }

    #[test]
    fn what_we_did_not_write_is_no_claim() {
        let found = claims(&["07", "0", "-1", "1 ", "x", "18446744073709551615", "3"]);
        assert_eq!(found.epochs, [(3, FolderId(7))]);
    }
}
