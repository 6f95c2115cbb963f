//! The environment variables and the user of the process, as far as the configuration depends on
//! them.
//!
//! They are read here, once, and handed on as a value. So the default of every path is a pure
//! function, which tests can call for any surroundings.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The variables that are read; no other one has an effect on the configuration.
const VARIABLES: [&str; 10] = [
    "CONFIGURATION_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
    KEY,
    "HOME",
    "RUNTIME_DIRECTORY",
    "STATE_DIRECTORY",
    "USER",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
];

const KEY: &str = "FICHIER_API_KEY";

/// The environment and the user.
#[derive(Clone, Default)]
pub(crate) struct Surroundings {
    variables: BTreeMap<String, OsString>,
    is_root: bool,
}

impl Surroundings {
    /// The surroundings of this process.
    pub(crate) fn of_process() -> Self {
        let variables = VARIABLES
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?)))
            // Only whether there is a key is known here; `config::key` reads it.
            .map(|(name, value)| if name == KEY { (name, KEY.into()) } else { (name, value) })
            .collect();
        Surroundings { variables, is_root: rustix::process::geteuid().is_root() }
    }

    /// Invented surroundings, for tests.
    #[cfg(test)]
    pub(crate) fn made_up(is_root: bool, variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.into()));
        Surroundings { variables: variables.collect(), is_root }
    }

    /// Whether the process is the system's service or was started by its administrator, and is not
    /// a user's own.
    pub(crate) fn is_system(&self) -> bool {
        self.is_root || self.variables.get("USER").is_some_and(|user| user == "fichierd")
    }

    /// Whether the variable is set and not empty.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.variables.get(name).is_some_and(|value| !value.is_empty())
    }

    /// The variable as an absolute path; of several paths, which systemd joins with colons, the
    /// first. A relative path is ignored, as the XDG specification asks.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        let value = self.variables.get(name)?;
        std::env::split_paths(value).next().filter(|path| path.is_absolute())
    }

    /// `$HOME` and a path below it.
    pub(crate) fn below_home(&self, rest: &str) -> Option<PathBuf> {
        Some(self.path("HOME")?.join(rest))
    }

    /// The files that may hold the configuration; the first that exists is used.
    pub(crate) fn config_files(&self) -> Vec<PathBuf> {
        let system = PathBuf::from("/etc/fichierd");
        let mut folders = Vec::from_iter(self.path("CONFIGURATION_DIRECTORY"));
        if !self.is_system() {
            let xdg = self.path("XDG_CONFIG_HOME").or_else(|| self.below_home(".config"));
            folders.extend(xdg.map(|folder| folder.join("fichierd")));
        }
        folders.push(system);
        folders.dedup();
        folders.into_iter().map(|folder| folder.join("config.toml")).collect()
    }

    /// The state folder if the configuration names none.
    pub(crate) fn state_dir(&self) -> Option<PathBuf> {
        if let Some(given) = self.path("STATE_DIRECTORY") {
            return Some(given);
        }
        if self.is_system() {
            return Some(PathBuf::from("/var/lib/fichierd"));
        }
        let xdg = self.path("XDG_STATE_HOME").or_else(|| self.below_home(".local/state"));
        xdg.map(|folder| folder.join("fichierd"))
    }

    /// The socket on which the service listens for commands if the configuration names none.
    pub(crate) fn control_socket(&self, state_dir: &std::path::Path) -> PathBuf {
        let folder = if let Some(given) = self.path("RUNTIME_DIRECTORY") {
            given
        } else if self.is_system() {
            PathBuf::from("/run/fichierd")
        } else if let Some(runtime) = self.path("XDG_RUNTIME_DIR") {
            runtime.join("fichierd")
        } else {
            state_dir.to_path_buf()
        };
        folder.join("control.sock")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_system_service_uses_the_system_folders() {
        let root = Surroundings::made_up(true, &[("HOME", "/root"), ("XDG_STATE_HOME", "/root/s")]);
        assert_eq!(root.config_files(), [Path::new("/etc/fichierd/config.toml")]);
        assert_eq!(root.state_dir().unwrap(), Path::new("/var/lib/fichierd"));
        assert_eq!(
            root.control_socket(Path::new("/var/lib/fichierd")),
            Path::new("/run/fichierd/control.sock")
        );
        assert!(Surroundings::made_up(false, &[("USER", "fichierd")]).is_system());
    }

    #[test]
    fn a_user_has_folders_of_their_own_and_sees_the_system_configuration() {
        let user = Surroundings::made_up(
            false,
            &[("HOME", "/home/eve"), ("USER", "eve"), ("XDG_RUNTIME_DIR", "/run/user/1000")],
        );
        assert_eq!(
            user.config_files(),
            [
                Path::new("/home/eve/.config/fichierd/config.toml"),
                Path::new("/etc/fichierd/config.toml")
            ]
        );
        let state = user.state_dir().unwrap();
        assert_eq!(state, Path::new("/home/eve/.local/state/fichierd"));
        assert_eq!(user.control_socket(&state), Path::new("/run/user/1000/fichierd/control.sock"));
    }

    #[test]
    fn what_systemd_hands_over_wins_and_relative_paths_do_not_count() {
        let unit = Surroundings::made_up(
            false,
            &[
                ("USER", "fichierd"),
                ("STATE_DIRECTORY", "/srv/state:/srv/other"),
                ("RUNTIME_DIRECTORY", "run"),
            ],
        );
        assert_eq!(unit.state_dir().unwrap(), Path::new("/srv/state"));
        assert_eq!(
            unit.control_socket(Path::new("/srv/state")),
            Path::new("/run/fichierd/control.sock")
        );
    }

    #[test]
    fn without_a_runtime_folder_the_socket_lies_with_the_state() {
        let bare = Surroundings::made_up(false, &[]);
        assert_eq!(bare.control_socket(Path::new("/s")), Path::new("/s/control.sock"));
        assert_eq!(bare.state_dir(), None);
    }
}
