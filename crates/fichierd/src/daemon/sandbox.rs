//! Tests at the start whether the sandbox of the service lets it do its work.
//!
//! A unit that is too strict fails in ways that name no directive: "read-only file system",
//! "address family not supported", a source that is not there. So the service tries everything that
//! it needs once, at its start, and names the directive of the unit that refuses something (O02).
//! Outside of a sandbox the same trials succeed, or fail for reasons that are told elsewhere.

mod mounts;

use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::io::Errno;

use self::mounts::{has_private_tmp, is_emptied, is_hidden, is_read_only_here_alone};
use crate::config::Config;
use crate::disk::MountTable;

/// An action that the sandbox forbids, and the directive of the unit that forbids it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refused {
    /// The words that follow "the sandbox".
    what: String,
    /// The directive, and how to change it.
    directive: String,
    /// Whether the service cannot work without the action.
    is_fatal: bool,
}

impl Refused {
    /// The sentence for people.
    fn text(&self) -> String {
        format!("the sandbox {}: {} (systemctl edit fichierd)", self.what, self.directive)
    }
}

/// Tries everything, and warns of each refusal.
///
/// # Errors
///
/// A text for people, if something is refused without which the service cannot work.
pub fn try_out(config: &Config) -> Result<(), String> {
    let (fatal, others): (Vec<_>, Vec<_>) =
        refused(config).into_iter().partition(|refused| refused.is_fatal);
    for refused in others {
        tracing::warn!("{}", refused.text());
    }
    let texts: Vec<_> = fatal.iter().map(Refused::text).collect();
    if texts.is_empty() { Ok(()) } else { Err(texts.join("; ")) }
}

/// Tries everything. It makes and removes one file in the state folder, and sends nothing.
fn refused(config: &Config) -> Vec<Refused> {
    let mounts = MountTable::read();
    let mut all: Vec<Refused> = Vec::new();
    let tried = [
        (Need::Internet, UdpSocket::bind("0.0.0.0:0").map(drop)),
        (Need::LocalSockets, UnixDatagram::unbound().map(drop)),
        (Need::Watches, watch()),
        (Need::Mounts, mounts.as_ref().map(|_| ()).map_err(|error| error.kind().into())),
    ];
    for (need, tried) in tried {
        all.extend(tried.err().and_then(|error| need.refused(&error)));
    }
    let Ok(mounts) = mounts else { return all };
    if let Err(error) = write(&config.state_dir) {
        all.extend(state_refused(&config.state_dir, &error, &mounts));
    }
    for mirror in &config.mirrors {
        all.extend(source_refused(&mirror.name, &mirror.source, &mounts));
    }
    all
}

/// The needs of every configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Internet,
    LocalSockets,
    Watches,
    Mounts,
}

impl Need {
    /// The refusal that the error of a trial proves; `None` if the error has another cause.
    fn refused(self, error: &io::Error) -> Option<Refused> {
        let errno = Errno::from_io_error(error);
        let by_filter = matches!(errno, Some(Errno::PERM | Errno::NOSYS));
        let by_family = errno == Some(Errno::AFNOSUPPORT);
        let (what, directive, is_fatal) = match self {
            Need::Internet if by_family => (
                "allows no sockets to the Internet",
                "add AF_INET and AF_INET6 to RestrictAddressFamilies=",
                true,
            ),
            Need::Internet if by_filter => (
                "allows no sockets",
                "SystemCallFilter= must allow @network-io, which is in @system-service",
                true,
            ),
            Need::LocalSockets if by_family => (
                "allows no local sockets, by which commands and systemd are reached",
                "add AF_UNIX to RestrictAddressFamilies=",
                true,
            ),
            Need::Watches if by_filter => (
                "allows no watches, so that changes are found by looking from time to time",
                "SystemCallFilter= must allow inotify_init1 and inotify_add_watch, which are in \
                 @file-system and @system-service",
                false,
            ),
            Need::Mounts
                if matches!(error.kind(), io::ErrorKind::NotFound)
                    || matches!(error.kind(), io::ErrorKind::PermissionDenied) =>
            {
                (
                    "hides /proc/self/mountinfo, by which lost disks are noticed",
                    "take /proc out of InaccessiblePaths= and TemporaryFileSystem=",
                    true,
                )
            }
            Need::Internet | Need::LocalSockets | Need::Watches | Need::Mounts => return None,
        };
        Some(Refused { what: what.to_owned(), directive: directive.to_owned(), is_fatal })
    }
}

fn watch() -> io::Result<()> {
    use rustix::fs::inotify::{CreateFlags, init};
    Ok(init(CreateFlags::CLOEXEC).map(drop)?)
}

/// Makes and removes a file in the state folder, if the folder exists.
fn write(state_dir: &Path) -> io::Result<()> {
    if !state_dir.exists() {
        // The folder is made when the state is opened, which tells why it cannot be made.
        return Ok(());
    }
    tempfile::tempfile_in(state_dir).map(drop)
}

fn state_refused(state_dir: &Path, error: &io::Error, mounts: &MountTable) -> Option<Refused> {
    let shown = state_dir.display();
    let directive = match Errno::from_io_error(error)? {
        // The sandbox is not to blame for a disk that turned read-only.
        Errno::ROFS if is_read_only_here_alone(mounts, state_dir) => format!(
            "ProtectSystem= or ReadOnlyPaths= covers it; name it in StateDirectory= (below \
             /var/lib) or in ReadWritePaths={shown}"
        ),
        Errno::ACCESS | Errno::PERM if is_hidden(mounts, state_dir) => {
            format!("take {shown} out of InaccessiblePaths=")
        }
        Errno::ACCESS | Errno::PERM => format!(
            "it belongs to another user: StateDirectory= gives it to User=, or run: chown -R \
             fichierd: {shown}"
        ),
        _ => return None,
    };
    let what = format!("keeps the service from writing to the state folder {shown} ({error})");
    Some(Refused { what, directive, is_fatal: true })
}

/// The refusal of a source that the sandbox hides from this process.
fn source_refused(mirror: &str, source: &Path, mounts: &MountTable) -> Option<Refused> {
    let shown = source.display();
    let seen = std::fs::read_dir(source).map(drop);
    let area = Area::of(source);
    // A home folder lies in memory only if systemd has put it there, for ProtectHome=tmpfs.
    let is_hidden = is_hidden(mounts, source) || area == Area::Home && is_emptied(mounts, source);
    let directive = if is_hidden {
        match area {
            Area::Home => "ProtectHome= hides it; set ProtectHome=read-only".to_owned(),
            Area::Other => format!(
                "InaccessiblePaths= or TemporaryFileSystem= hides it; remove the entry that covers \
                 {shown}"
            ),
            Area::Tmp => "PrivateTmp=yes hides the real one; set PrivateTmp=no".to_owned(),
            Area::Dev => "PrivateDevices=yes hides the real /dev, which cannot be a source".into(),
        }
    } else {
        match (seen, area) {
            (Err(error), Area::Tmp)
                if error.kind() == io::ErrorKind::NotFound && has_private_tmp(mounts, source) =>
            {
                "PrivateTmp=yes hides the real one; set PrivateTmp=no".to_owned()
            }
            (Ok(()) | Err(_), _) => return None,
        }
    };
    let what = format!("hides the source {shown} of mirror `{mirror}`");
    Some(Refused { what, directive, is_fatal: false })
}

/// Parts of the file system with directives of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Area {
    Home,
    Tmp,
    Dev,
    Other,
}

impl Area {
    fn of(path: &Path) -> Area {
        let is_below = |tops: &[&str]| tops.iter().any(|top| path.starts_with(top));
        if is_below(&["/home", "/root", "/run/user"]) {
            Area::Home
        } else if is_below(&["/tmp", "/var/tmp"]) {
            Area::Tmp
        } else if is_below(&["/dev"]) {
            Area::Dev
        } else {
            Area::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(errno: Errno) -> io::Error {
        errno.into()
    }

    #[test]
    fn o02_each_refusal_names_its_directive() {
        let names = [
            (Need::Internet, Errno::AFNOSUPPORT, "RestrictAddressFamilies=", true),
            (Need::Internet, Errno::PERM, "SystemCallFilter=", true),
            (Need::LocalSockets, Errno::AFNOSUPPORT, "RestrictAddressFamilies=", true),
            (Need::Watches, Errno::PERM, "SystemCallFilter=", false),
            (Need::Watches, Errno::NOSYS, "SystemCallFilter=", false),
            (Need::Mounts, Errno::NOENT, "InaccessiblePaths=", true),
        ];
        for (need, errno, directive, is_fatal) in names {
            let refused = need.refused(&of(errno)).unwrap_or_else(|| panic!("{need:?} {errno:?}"));
            assert!(refused.directive.contains(directive), "{refused:?}");
            assert_eq!(refused.is_fatal, is_fatal, "{refused:?}");
        }
    }

    #[test]
    fn other_errors_are_not_blamed_on_the_sandbox() {
        // The errors: too many watches, no descriptor left, an address that is taken.
        for (need, errno) in [
            (Need::Watches, Errno::MFILE),
            (Need::Internet, Errno::NFILE),
            (Need::LocalSockets, Errno::NOMEM),
        ] {
            assert_eq!(need.refused(&of(errno)), None, "{need:?} {errno:?}");
        }
        let disk = "20 1 8:1 / / rw - ext4 /dev/a rw\n21 20 8:2 / /var ro - ext4 /dev/b ro\n";
        let (folder, mounts) = (Path::new("/var/lib/fichierd"), MountTable::parse(disk.as_bytes()));
        assert_eq!(state_refused(folder, &of(Errno::ROFS), &mounts), None, "the disk is");
        assert_eq!(state_refused(folder, &of(Errno::NOSPC), &mounts), None);
    }

    #[test]
    fn o02_a_state_folder_behind_a_read_only_mount_names_the_way_to_write_there() {
        let strict = "20 1 8:1 / / ro - ext4 /dev/a rw\n";
        let folder = Path::new("/srv/state");
        let told = |errno, text: &str| {
            state_refused(folder, &of(errno), &MountTable::parse(text.as_bytes()))
                .map(|it| it.directive)
        };
        let read_only = told(Errno::ROFS, strict).unwrap();
        assert!(read_only.contains("ReadWritePaths=/srv/state"), "{read_only}");
        assert!(read_only.contains("StateDirectory="), "{read_only}");
        let hidden = "20 1 8:1 / / rw - ext4 /dev/a rw\n\
                      21 20 0:30 /systemd/inaccessible/dir /srv/state ro - tmpfs tmpfs rw\n";
        assert!(told(Errno::ACCESS, hidden).unwrap().contains("InaccessiblePaths="));
        assert!(told(Errno::ACCESS, strict).unwrap().contains("User="));
    }

    #[test]
    fn o02_a_hidden_source_names_what_hides_it() {
        let text = "20 1 8:1 / / rw - ext4 /dev/a rw\n\
                    21 20 0:30 /systemd/inaccessible/dir /home ro - tmpfs tmpfs rw\n\
                    22 20 0:30 /systemd/inaccessible/dir /srv/secret ro - tmpfs tmpfs rw\n\
                    23 20 0:31 / /root rw - tmpfs tmpfs rw\n\
                    24 20 8:1 /tmp/systemd-private-1-fichierd.service-x/tmp /tmp rw - ext4 /dev/a rw\n";
        let mounts = MountTable::parse(text.as_bytes());
        let told = |path: &str| source_refused("m", Path::new(path), &mounts);
        for (path, directive) in [
            ("/home/ann/photos", "ProtectHome="),
            ("/root/photos", "ProtectHome="),
            ("/srv/secret/photos", "InaccessiblePaths="),
            ("/tmp/nowhere/photos", "PrivateTmp="),
        ] {
            let refused = told(path).unwrap_or_else(|| panic!("{path}"));
            assert!(refused.directive.contains(directive), "{path}: {refused:?}");
            assert!(!refused.is_fatal, "the other mirrors go on");
        }
        assert_eq!(told("/srv/nowhere"), None, "a disk that is not mounted yet");
    }

    #[test]
    fn nothing_is_refused_outside_of_a_sandbox() {
        let dir = tempfile::tempdir().unwrap();
        for (need, tried) in [
            (Need::Internet, UdpSocket::bind("0.0.0.0:0").map(drop)),
            (Need::LocalSockets, UnixDatagram::unbound().map(drop)),
            (Need::Watches, watch()),
        ] {
            assert_eq!(tried.err().and_then(|error| need.refused(&error)), None, "{need:?}");
        }
        write(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left there");
    }
}
