//! The watched folders, found by their path and by their identity.
//!
//! There may be a hundred thousand, and a path for each, twice, would be most of the memory that
//! the service holds between cycles. So it is a tree: a folder has a number, its own name and the
//! number of the one above it, and two tables of numbers find it. A path is put together when it is
//! asked for.
//!
//! A folder may be added before or after those on its way: these have a place without a watch then,
//! which is freed when nothing is below it any more.
//!
//! Invariant: two watched folders have neither the same path nor the same identity.

use std::hash::{BuildHasher as _, RandomState};

use fichier_state::RelPath;
use hashbrown::HashTable;

use super::folder::Identity;
use super::instances::InstanceId;

/// A watched folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watched {
    pub(super) identity: Identity,
    pub(super) instance: InstanceId,
}

/// The number of a place.
type Number = u32;

/// The number of the root's place, which always exists.
const ROOT: Number = 0;

/// No place: the end of a list.
const NONE: Number = Number::MAX;

/// Watched folders.
#[derive(Debug)]
pub(super) struct Folders {
    places: Vec<Place>,
    // The first of the free places, linked by `next`.
    free: Number,
    by_name: HashTable<Number>,
    by_identity: HashTable<Number>,
    // The device numbers; places have an index into them. There is nearly always one.
    devices: Vec<u64>,
    hasher: RandomState,
    watched: usize,
}

#[derive(Debug)]
struct Place {
    name: Name,
    inode: u64,
    device: u32,
    above: Number,
    first_below: Number,
    next: Number,
    previous: Number,
    // `None` for a place without a watch.
    instance: Option<InstanceId>,
}

/// A name. Nearly all are short, and an allocation would be larger than the name.
#[derive(Debug)]
enum Name {
    Short(u8, [u8; SHORT]),
    // Boxed twice, because a length beside the address would make each name longer.
    Long(Box<Box<[u8]>>),
}

const SHORT: usize = 14;

impl Folders {
    pub(super) fn new() -> Folders {
        Folders {
            places: vec![Place::new(b"", NONE)],
            free: NONE,
            by_name: HashTable::new(),
            by_identity: HashTable::new(),
            devices: Vec::new(),
            hasher: RandomState::new(),
            watched: 0,
        }
    }

    /// The number of watched folders.
    pub(super) fn len(&self) -> usize {
        self.watched
    }

    /// The folder at `path`.
    pub(super) fn get(&self, path: &RelPath) -> Option<Watched> {
        self.watched(self.find(path)?)
    }

    /// The path of the folder of that identity.
    pub(super) fn path_of(&self, identity: Identity) -> Option<RelPath> {
        self.find_identity(identity).map(|number| self.path(number))
    }

    /// Adds a folder, in place of the one at its path. No other may have its identity.
    pub(super) fn insert(&mut self, path: &RelPath, Watched { identity, instance }: Watched) {
        self.remove(path);
        debug_assert!(self.find_identity(identity).is_none(), "the same folder under two paths");
        let mut number = ROOT;
        for name in path.components() {
            number = self.child(number, name).unwrap_or_else(|| self.add_place(number, name));
        }
        let device = self.device(identity.device);
        let place = &mut self.places[number as usize];
        (place.inode, place.device, place.instance) = (identity.inode, device, Some(instance));
        self.watched += 1;
        let hash = self.hash_identity(identity);
        let Folders { places, by_identity, devices, hasher, .. } = self;
        by_identity.insert_unique(hash, number, |number| {
            hasher.hash_one(places[*number as usize].identity(devices))
        });
    }

    /// Removes the folder at `path`, and nothing below it.
    pub(super) fn remove(&mut self, path: &RelPath) -> Option<Watched> {
        let number = self.find(path)?;
        let watched = self.watched(number)?;
        let hash = self.hash_identity(watched.identity);
        if let Ok(entry) = self.by_identity.find_entry(hash, |found| *found == number) {
            entry.remove();
        }
        self.places[number as usize].instance = None;
        self.watched -= 1;
        self.clear_away(number);
        Some(watched)
    }

    /// The paths of the folder at `path` and of all below it.
    pub(super) fn at_and_below(&self, path: &RelPath) -> Vec<RelPath> {
        let mut found = Vec::new();
        let mut stack: Vec<_> =
            self.find(path).map(|number| (number, path.clone())).into_iter().collect();
        while let Some((number, path)) = stack.pop() {
            let mut below = self.places[number as usize].first_below;
            while below != NONE {
                let place = &self.places[below as usize];
                stack.push((below, path.join(place.name.bytes())));
                below = place.next;
            }
            found.extend(self.watched(number).map(|_| path));
        }
        found
    }

    fn watched(&self, number: Number) -> Option<Watched> {
        let place = &self.places[number as usize];
        let instance = place.instance?;
        Some(Watched { identity: place.identity(&self.devices), instance })
    }

    fn path(&self, number: Number) -> RelPath {
        let mut names = Vec::new();
        let mut at = number;
        while at != ROOT {
            let place = &self.places[at as usize];
            names.push(&place.name);
            at = place.above;
        }
        names.into_iter().rev().fold(RelPath::root(), |path, name| path.join(name.bytes()))
    }

    fn find(&self, path: &RelPath) -> Option<Number> {
        path.components().try_fold(ROOT, |number, name| self.child(number, name))
    }

    fn child(&self, above: Number, name: &[u8]) -> Option<Number> {
        let is_it = |number: &Number| {
            let place = &self.places[*number as usize];
            place.above == above && place.name.bytes() == name
        };
        self.by_name.find(self.hasher.hash_one((above, name)), is_it).copied()
    }

    fn find_identity(&self, identity: Identity) -> Option<Number> {
        let is_it =
            |number: &Number| self.places[*number as usize].identity(&self.devices) == identity;
        self.by_identity.find(self.hash_identity(identity), is_it).copied()
    }

    fn hash_identity(&self, identity: Identity) -> u64 {
        self.hasher.hash_one(identity)
    }

    fn device(&mut self, device: u64) -> u32 {
        let known = self.devices.iter().position(|known| *known == device);
        let index = known.unwrap_or_else(|| {
            self.devices.push(device);
            self.devices.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// A place for `name`, in front of the others that are directly below `above`.
    fn add_place(&mut self, above: Number, name: &[u8]) -> Number {
        let mut place = Place::new(name, above);
        place.next = self.places[above as usize].first_below;
        let next = place.next;
        let number = match self.free {
            NONE => {
                self.places.push(place);
                // The kernel has no more than two thousand million watches.
                Number::try_from(self.places.len() - 1).unwrap_or(NONE)
            }
            free => {
                self.free = self.places[free as usize].next;
                self.places[free as usize] = place;
                free
            }
        };
        self.places[above as usize].first_below = number;
        if next != NONE {
            self.places[next as usize].previous = number;
        }
        let Folders { places, by_name, hasher, .. } = self;
        by_name.insert_unique(hasher.hash_one((above, name)), number, |number| {
            let place = &places[*number as usize];
            hasher.hash_one((place.above, place.name.bytes()))
        });
        number
    }

    /// Frees a place, and those above it, that have no watch and nothing below them.
    fn clear_away(&mut self, mut number: Number) {
        while number != ROOT {
            let place = &self.places[number as usize];
            if place.instance.is_some() || place.first_below != NONE {
                return;
            }
            let (above, next, previous) = (place.above, place.next, place.previous);
            let hash = self.hasher.hash_one((above, place.name.bytes()));
            if let Ok(entry) = self.by_name.find_entry(hash, |found| *found == number) {
                entry.remove();
            }
            match previous {
                NONE => self.places[above as usize].first_below = next,
                previous => self.places[previous as usize].next = next,
            }
            if next != NONE {
                self.places[next as usize].previous = previous;
            }
            self.places[number as usize] = Place { next: self.free, ..Place::new(b"", NONE) };
            self.free = number;
            number = above;
        }
    }
}

impl Place {
    fn new(name: &[u8], above: Number) -> Place {
        Place {
            name: Name::of(name),
            inode: 0,
            device: 0,
            above,
            first_below: NONE,
            next: NONE,
            previous: NONE,
            instance: None,
        }
    }

    fn identity(&self, devices: &[u64]) -> Identity {
        let device = devices.get(self.device as usize).copied().unwrap_or_default();
        Identity { device, inode: self.inode }
    }
}

impl Name {
    fn of(name: &[u8]) -> Name {
        let mut short = [0; SHORT];
        match (u8::try_from(name.len()), short.get_mut(..name.len())) {
            (Ok(length), Some(room)) => {
                room.copy_from_slice(name);
                Name::Short(length, short)
            }
            _ => Name::Long(Box::new(name.into())),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Name::Short(length, bytes) => &bytes[..usize::from(*length)],
            Name::Long(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    fn watched(inode: u64) -> Watched {
        Watched { identity: Identity { device: inode % 3, inode }, instance: InstanceId(7) }
    }

    #[test]
    fn a_folder_may_go_before_what_is_below_it() {
        let mut folders = Folders::new();
        folders.insert(&path("a/b/c"), watched(3));
        folders.insert(&path("a"), watched(1));
        assert_eq!(folders.get(&path("a/b")), None, "a place without a watch");
        assert_eq!(folders.remove(&path("a")), Some(watched(1)));
        assert_eq!(folders.at_and_below(&path("a")), [path("a/b/c")]);
        assert_eq!(folders.remove(&path("a/b/c")), Some(watched(3)));
        assert_eq!(folders.by_name.len(), 0, "no place is left");
        assert_eq!(folders.len(), 0);
    }

    #[test]
    fn s02_a_watched_folder_takes_little_besides_its_name() {
        assert!(size_of::<Place>() <= 48, "{}", size_of::<Place>());
    }

    proptest! {
        #[test]
        fn it_does_what_a_map_of_paths_does(
            steps in prop::collection::vec((0..2u8, prop::sample::select(vec![
                "", "a", "a/a", "a/b", "b", "b/a/a", "b/a/b", "b/a", "a/fourteen bytes", "a/of fourteen b",
            ])), 1..60),
        ) {
            let (mut folders, mut map) = (Folders::new(), BTreeMap::new());
            for (inode, (kind, at)) in (1u64..).zip(steps) {
                let at = path(at);
                if kind == 0 {
                    prop_assert_eq!(folders.remove(&at), map.remove(&at));
                } else {
                    folders.insert(&at, watched(inode));
                    map.insert(at.clone(), watched(inode));
                }
                prop_assert_eq!(folders.len(), map.len());
                for (path, watched) in &map {
                    prop_assert_eq!(folders.get(path), Some(*watched));
                    prop_assert_eq!(folders.path_of(watched.identity), Some(path.clone()));
                }
                let mut below = folders.at_and_below(&at);
                below.sort();
                let expected = map.keys().filter(|path| path.starts_with(&at));
                prop_assert_eq!(below, expected.cloned().collect::<Vec<_>>());
            }
        }
    }
}
