//! What the program's exit code says to scripts and to systemd.
//!
//! The numbers are a promise (docs/operations.md lists them): 69 to 78 are those of
//! `sysexits.h`, and the unit does not restart on 77 and 78, since only a person can fix those.

use std::process::ExitCode;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was asked for is done.
    Done = 0,
    /// The command failed, for a reason that none of the other codes names.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The command has finished, but some files have problems.
    Problems = 3,
    /// Something is held: a person has to decide.
    Held = 4,
    /// 1fichier, or the running fichierd, was not reached.
    Unavailable = 69,
    /// It cannot be done now, because of a hold-off, another instance or a service that fails.
    TryLater = 75,
    /// The service refuses the key, or the account's offer does not allow it.
    Refused = 77,
    /// The configuration or the key file is wrong.
    Config = 78,
    /// Ctrl-C ended the command.
    Interrupted = 130,
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The one of these that matters most; [`Exit::Done`] if there is none.
    pub fn worst(exits: impl IntoIterator<Item = Exit>) -> Exit {
        let by_weight = [
            Exit::Interrupted,
            Exit::Usage,
            Exit::Config,
            Exit::Failed,
            Exit::Refused,
            Exit::Unavailable,
            Exit::TryLater,
            Exit::Held,
            Exit::Problems,
        ];
        let exits: Vec<Exit> = exits.into_iter().collect();
        by_weight.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Done)
    }

    /// The meaning of a number that came over the control socket; an unknown one counts as
    /// [`Exit::Failed`].
    pub fn from_code(code: u8) -> Exit {
        let all = [
            Exit::Done,
            Exit::Usage,
            Exit::Problems,
            Exit::Held,
            Exit::Unavailable,
            Exit::TryLater,
            Exit::Refused,
            Exit::Config,
            Exit::Interrupted,
        ];
        all.into_iter().find(|exit| exit.code() == code).unwrap_or(Exit::Failed)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_was_sent_means_the_same_when_it_arrives() {
        for exit in [Exit::Done, Exit::Problems, Exit::Held, Exit::Config, Exit::Interrupted] {
            assert_eq!(Exit::from_code(exit.code()), exit);
        }
        assert_eq!(Exit::from_code(99), Exit::Failed);
    }
}
