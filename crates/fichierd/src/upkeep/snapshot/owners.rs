//! Records the names of the owners of files, as this machine has them: another machine may number
//! its users differently. The system is asked for them, and may ask a directory; so this runs in a
//! thread that may block, and not while the state is locked.

use fichier_state::{Error, MirrorId, Owner, Store};
use nix::unistd::{Gid, Group, Uid, User};

use crate::base::State;

/// Records the names that are new or have changed.
pub(super) fn refresh(state: &State, mirror: MirrorId) -> Result<(), Error> {
    let dir = state.read(|s| Ok(s.dir()))?;
    // This reads every row, so it uses a connection of its own.
    let beside = Store::open_read_only(&dir)?;
    let ids = beside.owner_ids(mirror)?;
    let known = beside.owners()?;
    let found = ids
        .into_iter()
        .filter_map(|(is_group, id)| Some(Owner { is_group, id, name: name_of(is_group, id)? }));
    let news: Vec<Owner> = found.filter(|owner| !known.contains(owner)).collect();
    if news.is_empty() {
        return Ok(());
    }
    state.write(|w| w.put_owners(&news))
}

/// The name of a user or group; `None` if the number has no name, or a directory does not answer:
/// then the number has to do.
fn name_of(is_group: bool, id: u32) -> Option<String> {
    if is_group {
        Group::from_gid(Gid::from_raw(id)).ok().flatten().map(|group| group.name)
    } else {
        User::from_uid(Uid::from_raw(id)).ok().flatten().map(|user| user.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_gets_the_name_that_this_machine_has_for_it() {
        assert_eq!(name_of(false, 0).as_deref(), Some("root"));
        assert_eq!(name_of(true, 0).as_deref(), Some("root"));
        assert_eq!(name_of(false, u32::MAX - 7), None);
    }
}
