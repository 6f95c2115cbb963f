//! Which local owners restored files get for the recorded ones.
//!
//! Numbers mean people only together with a user database: after a new installation `www-data` may
//! have another one. So a name that was recorded and is known here decides; otherwise the number
//! does, as it must for containers and removed users.
//!
//! Invariant: root stays root, and no other user becomes root.

use std::collections::HashMap;

use nix::unistd::{Group, User};

/// Finds local owners for recorded ones. Each is looked up once.
#[derive(Debug, Default)]
pub struct Owners {
    users: Ids,
    groups: Ids,
}

/// Recorded numbers with a name, and the local numbers found so far.
#[derive(Debug, Default)]
struct Ids {
    names: HashMap<u32, String>,
    found: HashMap<u32, u32>,
}

impl Owners {
    /// Keeps the recorded numbers, whatever they mean here.
    pub fn numeric() -> Owners {
        Owners::default()
    }

    /// Takes the names that were recorded for users and for groups; an owner without a name keeps
    /// its number.
    pub fn by_name(
        users: impl IntoIterator<Item = (u32, String)>,
        groups: impl IntoIterator<Item = (u32, String)>,
    ) -> Owners {
        let ids = |names| Ids { names, found: HashMap::new() };
        Owners {
            users: ids(users.into_iter().collect()),
            groups: ids(groups.into_iter().collect()),
        }
    }

    /// The local user for a recorded one. May ask the network for it (LDAP), once.
    pub fn uid(&mut self, recorded: u32) -> u32 {
        self.users.local(recorded, |name| Some(User::from_name(name).ok()??.uid.as_raw()))
    }

    /// The local group for a recorded one.
    pub fn gid(&mut self, recorded: u32) -> u32 {
        self.groups.local(recorded, |name| Some(Group::from_name(name).ok()??.gid.as_raw()))
    }
}

impl Ids {
    fn local(&mut self, recorded: u32, find: impl FnOnce(&str) -> Option<u32>) -> u32 {
        let Some(name) = self.names.get(&recorded) else { return recorded };
        if recorded == 0 {
            return 0;
        }
        let local = || find(name).filter(|local| *local != 0).unwrap_or(recorded);
        *self.found.entry(recorded).or_insert_with(local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_known_here_decides_and_else_the_number() {
        let names = |list: &[(u32, &str)]| {
            list.iter().map(|(id, name)| (*id, (*name).to_owned())).collect::<Vec<_>>()
        };
        let recorded =
            names(&[(0, "nobody"), (4711, "nobody"), (4712, "no such user"), (5, "root")]);
        let groups = names(&[(4711, "tty"), (5, "root"), (0, "tty")]);
        let mut owners = Owners::by_name(recorded, groups);
        let nobody = User::from_name("nobody").unwrap().unwrap().uid.as_raw();
        let tty = Group::from_name("tty").unwrap().unwrap().gid.as_raw();
        for _ in 0..2 {
            assert_eq!(owners.uid(4711), nobody);
            assert_eq!(owners.uid(4712), 4712, "not known here");
            assert_eq!(owners.uid(4713), 4713, "recorded without a name");
            assert_eq!(owners.uid(5), 5, "nobody becomes root by a name");
            assert_eq!(owners.uid(0), 0, "root stays root");
            assert_eq!((owners.gid(4711), owners.gid(5), owners.gid(0)), (tty, 5, 0));
        }
        assert_eq!(Owners::numeric().uid(4711), 4711);
    }

    #[test]
    fn each_name_is_looked_up_once() {
        let mut ids = Ids { names: [(7, "x".to_owned())].into(), found: HashMap::new() };
        assert_eq!(ids.local(7, |_| Some(70)), 70);
        assert_eq!(ids.local(7, |_| Some(71)), 70);
    }
}
