//! The facts that the state keeps as notes: each has a name, and a type that its text is read as.
//!
//! Nothing else builds or parses the text of a note, except where it is plain text as it came: the
//! installation, this machine, the path of the configuration file. Facts about one mirror, folder
//! or target have its number or name in theirs.
//!
//! A [`Fact`] is JSON, as it was in all earlier versions; the JSON of a number is its digits. A
//! text that cannot be read counts as no fact: the daemon then does what it does the first time.
//! A [`Flag`] is set while its note is there, whatever the text.

use std::borrow::Cow;
use std::marker::PhantomData;

use fichier_state::{Records, Result, Writing};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A fact of type `T`, by its name.
#[derive(Debug)]
pub struct Fact<T> {
    name: Cow<'static, str>,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Fact<T> {
    /// The fact of this name, about the whole installation.
    pub const fn named(name: &'static str) -> Fact<T> {
        Fact { name: Cow::Borrowed(name), of: PhantomData }
    }

    /// The fact of this name, which says what it is about.
    pub fn about(name: String) -> Fact<T> {
        Fact { name: Cow::Owned(name), of: PhantomData }
    }

    /// Reads the fact; nothing if there is none, or none that can be read.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub fn read(&self, records: &Records) -> Result<Option<T>> {
        let text = records.note(&self.name)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Whether there is such a note, even one that cannot be read.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub fn is_there(&self, records: &Records) -> Result<bool> {
        Ok(records.note(&self.name)?.is_some())
    }

    /// Keeps the fact in place of what was there.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub fn keep(&self, w: &mut Writing<'_>, fact: &T) -> Result<()> {
        // Plain structures do not fail to become JSON; one that did would be read as no fact.
        w.set_note(&self.name, Some(&serde_json::to_string(fact).unwrap_or_default()))
    }

    /// Changes the fact, or the default where there is none, within the transaction.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub fn change<R>(&self, w: &mut Writing<'_>, change: impl FnOnce(&mut T) -> R) -> Result<R>
    where
        T: Default,
    {
        let mut fact = self.read(w)?.unwrap_or_default();
        let done = change(&mut fact);
        self.keep(w, &fact)?;
        Ok(done)
    }

    /// Removes the fact, if there is one.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub fn forget(&self, w: &mut Writing<'_>) -> Result<()> {
        w.set_note(&self.name, None)
    }
}

/// A fact that holds or does not, by its name.
#[derive(Debug)]
pub struct Flag {
    name: String,
}

impl Flag {
    /// The flag of this name.
    pub fn named(name: String) -> Flag {
        Flag { name }
    }

    /// Whether it is set.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub fn is_set(&self, records: &Records) -> Result<bool> {
        Ok(records.note(&self.name)?.is_some())
    }

    /// Sets it, or takes it away.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub fn set(&self, w: &mut Writing<'_>, holds: bool) -> Result<()> {
        w.set_note(&self.name, holds.then_some("yes"))
    }
}

#[cfg(test)]
mod tests {
    use fichier_state::Store;

    use super::*;

    const NUMBER: Fact<i64> = Fact::named("number");

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    #[test]
    fn a_number_is_kept_as_its_digits_and_read_as_earlier_versions_wrote_it() {
        let (_dir, mut store) = store();
        assert_eq!(NUMBER.read(&store).unwrap(), None);
        store.write(|w| NUMBER.keep(w, &-12)).unwrap();
        assert_eq!(store.note("number").unwrap().as_deref(), Some("-12"));
        for number in [0, 1, -1, i64::MIN, i64::MAX] {
            store.write(|w| w.set_note("number", Some(&number.to_string()))).unwrap();
            assert_eq!(NUMBER.read(&store).unwrap(), Some(number));
        }
        store.write(|w| NUMBER.forget(w)).unwrap();
        assert_eq!(store.note("number").unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_is_there_and_counts_as_no_fact() {
        let (_dir, mut store) = store();
        for text in ["", "a", "1.5", "99999999999999999999", "{}", "1 2"] {
            store.write(|w| w.set_note("number", Some(text))).unwrap();
            assert_eq!(NUMBER.read(&store).unwrap(), None, "{text}");
            assert!(NUMBER.is_there(&store).unwrap());
        }
        let before = store.write(|w| NUMBER.change(w, |n| std::mem::replace(n, 4))).unwrap();
        assert_eq!((before, NUMBER.read(&store).unwrap()), (0, Some(4)));
    }

    #[test]
    fn a_flag_is_set_by_any_text() {
        let (_dir, mut store) = store();
        let flag = Flag::named("flag".to_owned());
        assert!(!flag.is_set(&store).unwrap());
        store.write(|w| flag.set(w, true)).unwrap();
        assert_eq!(store.note("flag").unwrap().as_deref(), Some("yes"));
        store.write(|w| w.set_note("flag", Some(""))).unwrap();
        assert!(flag.is_set(&store).unwrap());
        store.write(|w| flag.set(w, false)).unwrap();
        assert!(!flag.is_set(&store).unwrap());
    }
}
