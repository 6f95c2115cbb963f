//! The running service: its process, its log, its signals.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::command::{User, program};
use crate::world::until;

/// A running `fichierd run`; killed when dropped.
pub struct Service {
    child: Child,
}

impl Service {
    pub fn start(
        config: &Path,
        log: &Path,
        user: User,
        environment: &[(&'static str, String)],
    ) -> Service {
        let to = File::options().create(true).append(true).open(log).unwrap();
        let child = program(user)
            .args(["--log-level", "debug", "--config"])
            .arg(config)
            .arg("run")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(to.try_clone().unwrap())
            .stderr(to)
            .spawn()
            .unwrap();
        Service { child }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits for the end; the exit code, or `None` after a signal.
    pub fn ended(mut self) -> Option<i32> {
        let child = &mut self.child;
        until("the service ends", || child.try_wait().unwrap()).code()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Fails the test early if the service is no longer there.
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
