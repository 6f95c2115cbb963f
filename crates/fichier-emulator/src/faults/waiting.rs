//! The faults that wait for their requests, in the order in which tests asked for them.

use super::action::Action;
use super::fault::{Fault, Subject};

/// The faults that are waiting.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The action of the first fault that is due for a request to `endpoint`.
    pub(crate) fn take(&mut self, endpoint: &str, subject: Subject) -> Option<Action> {
        let mut due = None;
        for fault in &mut self.0 {
            if !fault.concerns(endpoint, subject) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 && due.is_none() {
                fault.times -= 1;
                due = Some(fault.action.clone());
            }
        }
        self.forget_spent();
        due
    }

    /// Whether a fault poisons an upload of files with these names.
    pub(crate) fn poisons(&mut self, endpoint: &str, names: &[&str]) -> bool {
        let poisoned = self.0.iter_mut().find(|fault| {
            let name_matches =
                matches!(&fault.action, Action::Poison(name) if names.contains(&name.as_str()));
            name_matches && (fault.on == "*" || fault.on == endpoint) && fault.times > 0
        });
        let hit = match poisoned {
            Some(fault) if fault.skip > 0 => {
                fault.skip -= 1;
                false
            }
            Some(fault) => {
                fault.times -= 1;
                true
            }
            None => false,
        };
        self.forget_spent();
        hit
    }

    fn forget_spent(&mut self) {
        self.0.retain(|fault| fault.times > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_skips_then_strikes_then_is_spent() {
        let mut faults = Faults::default();
        faults.add(Fault { times: 2, ..Fault::once("file/mv.cgi", Action::Reset).after(1) });
        let struck = [0; 4].map(|_| faults.take("file/mv.cgi", Subject::default()).is_some());
        assert_eq!(struck, [false, true, true, false]);
    }

    #[test]
    fn a_fault_leaves_other_endpoints_alone() {
        let mut faults = Faults::default();
        faults.add(Fault::always("file/mv.cgi", Action::Empty));
        assert_eq!(faults.take("file/rm.cgi", Subject::default()), None);
        faults.add(Fault::always("*", Action::Reset));
        assert_eq!(faults.take("file/rm.cgi", Subject::default()), Some(Action::Reset));
        assert_eq!(faults.take("file/mv.cgi", Subject::default()), Some(Action::Empty));
    }

    #[test]
    fn a_fault_of_one_file_passes_the_others_and_is_not_used_up_by_them() {
        let mut faults = Faults::default();
        let subject = |link, name| Subject { link, name, has_range: false };
        for only in ["https://1fichier.com/?aaaaa", "a.bin"] {
            faults.add(Fault::once("download", Action::WrongBytes).only(only));
            assert_eq!(faults.take("download", Subject::default()), None);
            let other = subject(Some("https://1fichier.com/?bbbbb"), Some("b.bin"));
            assert_eq!(faults.take("download", other), None);
            let file = subject(Some("https://1fichier.com/?aaaaa"), Some("a.bin"));
            assert_eq!(faults.take("download", file), Some(Action::WrongBytes), "{only}");
        }
    }

    #[test]
    fn poison_strikes_only_the_upload_that_contains_it() {
        let mut faults = Faults::default();
        faults.add(Fault::always("upload.cgi", Action::Poison("bad.bin".into())));
        assert_eq!(faults.take("upload.cgi", Subject::default()), None);
        assert!(!faults.poisons("upload.cgi", &["good.bin"]));
        assert!(faults.poisons("upload.cgi", &["good.bin", "bad.bin"]));
        assert!(faults.poisons("upload.cgi", &["bad.bin"]));
    }
}
