//! Runs of the program: the daemon, and single commands.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Machine, until};
use crate::program::Ran;
use crate::service::Service;
use crate::{crypt, loopback};

impl Machine {
    /// Starts the service, which may end before it answers anybody.
    pub fn launch(&mut self) {
        let command = self.service_command();
        self.launch_with(command);
    }

    fn launch_with(&mut self, command: Command) {
        let log = self.path("service.log");
        self.service = Some(Service::start(command, &self.config(), &log));
    }

    fn service_command(&self) -> Command {
        let mut command = self.program.command(self.user);
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command
    }

    /// Starts the service and waits until it answers.
    pub fn start(&mut self) {
        let command = self.service_command();
        self.start_with(command);
    }

    /// Starts the service by a command with an environment or limits of its own, and waits until it
    /// answers.
    pub fn start_with(&mut self, command: Command) {
        self.launch_with(command);
        until("the service answers", || {
            let running = self.service.as_mut().is_some_and(Service::is_running);
            assert!(running, "the service ended:\n{}", self.log());
            self.status().filter(|status| status["running"] == true)
        });
    }

    /// Starts the service, which ends by itself. Returns the exit code.
    pub fn start_that_ends(&self) -> Option<i32> {
        let log = self.path("service.log");
        Service::start(self.program.command(self.user), &self.config(), &log).ended()
    }

    /// The service, which was started.
    pub fn service(&self) -> &Service {
        self.service.as_ref().expect("the service was started")
    }

    /// Takes the service away, to end it.
    pub fn take_service(&mut self) -> Service {
        self.service.take().expect("the service was started")
    }

    /// The program with the configuration of this machine and these arguments, not yet started.
    #[track_caller]
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_with(&self.config(), arguments)
    }

    #[track_caller]
    fn command_with(&self, config: &Path, arguments: &[&str]) -> Command {
        loopback::assert_configured_here(config);
        let mut command = self.program.command(self.user);
        command.arg("--config").arg(config).args(arguments);
        command
    }

    /// Runs a command.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(&self.config(), arguments)
    }

    /// The options that tell the password to a command for which no mirror is configured: none, if
    /// mirrors are plain in this run.
    pub fn password_options(&self) -> Vec<String> {
        if !crypt::is_on() {
            return Vec::new();
        }
        let path = self.path("password");
        vec!["--password-file".to_owned(), path.to_str().expect("a path of text").to_owned()]
    }

    /// Runs a command that is told the password, if the mirrors are encrypted.
    #[track_caller]
    pub fn run_with_password(&self, arguments: &[&str]) -> Ran {
        let options = self.password_options();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        self.run(&[arguments, &options].concat())
    }

    /// Runs a command with another configuration.
    #[track_caller]
    pub fn run_with(&self, config: &Path, arguments: &[&str]) -> Ran {
        let ran = Ran::of(&self.command_with(config, arguments).output().unwrap());
        *self.printed.borrow_mut() += &format!("{}{}", ran.stdout, ran.stderr);
        ran
    }

    /// What `status --json` prints, unless it fails.
    pub fn status(&self) -> Option<Value> {
        let ran = self.run(&["status", "--json"]);
        let status = (ran.code == 0).then(|| serde_json::from_str(&ran.stdout));
        status.map(|parsed| parsed.expect("status --json prints JSON"))
    }

    /// One mirror in the status. Panics if it is not there.
    pub fn mirror(&self, name: &str) -> Value {
        let status = self.status().expect("a status");
        let mirrors = status["mirrors"].as_array().expect("mirrors").iter();
        let mut found = mirrors.filter(|mirror| mirror["name"] == name);
        found.next().unwrap_or_else(|| panic!("no mirror `{name}` in {status}")).clone()
    }
}
