//! The running service: its process, its log, its signals.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::loopback;
use crate::machine::until;

/// A running `fichierd run`; killed when dropped.
pub struct Service {
    child: Child,
}

impl Service {
    /// Starts the service; `command` is the program, or something that starts it with the arguments
    /// it gets. What it prints is appended to `log`.
    #[track_caller]
    pub fn start(mut command: Command, config: &Path, log: &Path) -> Service {
        loopback::assert_configured_here(config);
        loopback::assert_told_of_nothing_else(&command);
        let to = File::options().create(true).append(true).open(log).unwrap();
        let child = command
            .args(["--log-level", "debug", "--config"])
            .arg(config)
            .arg("run")
            .stdin(Stdio::null())
            .stdout(to.try_clone().unwrap())
            .stderr(to)
            .spawn()
            .unwrap();
        Service { child }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    /// The number of its process, which is valid until [`Service::ended`] or [`Service::kill`].
    pub fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    /// Waits for the end. Returns the exit code, or `None` after a signal.
    pub fn ended(mut self) -> Option<i32> {
        let child = &mut self.child;
        until("the service ends", || child.try_wait().unwrap()).code()
    }

    /// Kills it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
