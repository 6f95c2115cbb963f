//! The running service: its process, its log, its signals.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::world::until;

/// A running `fichierd run`; killed when dropped.
pub struct Service {
    child: Child,
}

impl Service {
    /// `program` runs the program, whatever else it may do before.
    pub fn start(mut program: Command, config: &Path, log: &Path) -> Service {
        let to = File::options().create(true).append(true).open(log).unwrap();
        let child = program
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

    pub fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    /// Its number, which it has until it was waited for.
    pub fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
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
