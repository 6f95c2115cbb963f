//! The environment variables and the user of the process, as far as the configuration depends on
//! them.
//!
//! They are read here, once, and handed on as a value. So the default of every path is a pure
//! function, which tests can call for any surroundings.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

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

/// The configuration of the system's service.
const SYSTEM_CONFIG: &str = "/etc/fichierd/config.toml";

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

    /// The state folder if the configuration in the file `config` names none. The system's
    /// configuration has the system's state folder, also for a user who only asks its service.
    pub(crate) fn state_dir(&self, config: &Path) -> Option<PathBuf> {
        if let Some(given) = self.path("STATE_DIRECTORY") {
            return Some(given);
        }
        if self.is_of_system(config) {
            return Some(PathBuf::from("/var/lib/fichierd"));
        }
        let xdg = self.path("XDG_STATE_HOME").or_else(|| self.below_home(".local/state"));
        xdg.map(|folder| folder.join("fichierd"))
    }

    /// The socket on which the service listens for commands if the configuration names none: in
    /// the runtime folder that systemd gives to its unit, else in the state folder, which no other
    /// service has.
    pub(crate) fn control_socket(&self, state_dir: &Path) -> PathBuf {
        let runtime = self.path("RUNTIME_DIRECTORY");
        socket_in(&runtime.unwrap_or_else(|| state_dir.to_path_buf()))
    }

    /// Where a service of the same configuration may listen if it was started by systemd, or with
    /// another `control_socket`. A service leaves a link to its socket in the state folder; those
    /// who may not enter that one look in the runtime folders that the shipped units get.
    pub(crate) fn other_sockets(
        &self,
        config: &Path,
        state_dir: &Path,
        control_socket: &Path,
    ) -> Vec<PathBuf> {
        let runtime = if self.is_of_system(config) {
            Some(PathBuf::from("/run/fichierd"))
        } else {
            self.path("XDG_RUNTIME_DIR").map(|folder| folder.join("fichierd"))
        };
        let mut sockets = vec![socket_in(state_dir)];
        sockets.extend(runtime.as_deref().map(socket_in));
        sockets.retain(|socket| socket != control_socket);
        sockets
    }

    /// Whether the configuration in this file is that of the system's service.
    fn is_of_system(&self, config: &Path) -> bool {
        self.is_system() || config == Path::new(SYSTEM_CONFIG)
    }
}

/// The control socket in this folder, for a service that is told of no other.
pub(crate) fn socket_in(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration that is not the system's.
    const OWN: &str = "/home/eve/b.toml";

    fn own() -> &'static Path {
        Path::new(OWN)
    }

    #[test]
    fn the_system_service_uses_the_system_folders() {
        let root = Surroundings::made_up(true, &[("HOME", "/root"), ("XDG_STATE_HOME", "/root/s")]);
        assert_eq!(root.config_files(), [Path::new("/etc/fichierd/config.toml")]);
        assert_eq!(root.state_dir(own()).unwrap(), Path::new("/var/lib/fichierd"));
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
        let state = user.state_dir(own()).unwrap();
        assert_eq!(state, Path::new("/home/eve/.local/state/fichierd"));
        // Of the system's service it is the records that count, not those of the user.
        let system = user.state_dir(Path::new(SYSTEM_CONFIG)).unwrap();
        assert_eq!(system, Path::new("/var/lib/fichierd"));
    }

    #[test]
    fn what_systemd_hands_over_wins_and_relative_paths_do_not_count() {
        let mut unit = vec![("USER", "fichierd"), ("STATE_DIRECTORY", "/srv/state:/srv/other")];
        unit.push(("RUNTIME_DIRECTORY", "run"));
        let relative = Surroundings::made_up(false, &unit);
        assert_eq!(relative.state_dir(own()).unwrap(), Path::new("/srv/state"));
        let in_state = Path::new("/srv/state/control.sock");
        assert_eq!(relative.control_socket(Path::new("/srv/state")), in_state);
        unit.push(("RUNTIME_DIRECTORY", "/run/fichierd-b"));
        let whole = Surroundings::made_up(false, &unit);
        let given = Path::new("/run/fichierd-b/control.sock");
        assert_eq!(whole.control_socket(Path::new("/srv/state")), given);
    }

    #[test]
    fn without_a_runtime_folder_of_systemd_the_socket_lies_with_the_state() {
        let in_state = Path::new("/s/control.sock");
        let user = [("XDG_RUNTIME_DIR", "/run/user/1000")];
        let bare = Surroundings::made_up(false, &[]);
        let (root, eve) = (Surroundings::made_up(true, &[]), Surroundings::made_up(false, &user));
        for around in [&bare, &root, &eve] {
            assert_eq!(around.control_socket(Path::new("/s")), in_state);
        }
        assert_eq!(bare.state_dir(own()), None);
    }

    #[test]
    fn a_command_also_looks_where_systemd_lets_the_service_listen() {
        let others = |around: &Surroundings, config: &str, socket: &str| {
            around.other_sockets(Path::new(config), Path::new("/s"), Path::new(socket))
        };
        let (in_state, system) = ("/s/control.sock", "/run/fichierd/control.sock");
        let root = Surroundings::made_up(true, &[]);
        assert_eq!(others(&root, OWN, in_state), [Path::new(system)]);
        assert_eq!(others(&root, OWN, "/else"), [Path::new(in_state), Path::new(system)]);
        let user = Surroundings::made_up(false, &[("XDG_RUNTIME_DIR", "/run/user/1000")]);
        let of_user = Path::new("/run/user/1000/fichierd/control.sock");
        assert_eq!(others(&user, OWN, in_state), [of_user]);
        assert_eq!(others(&user, SYSTEM_CONFIG, in_state), [Path::new(system)]);
    }
}
