//! Nothing that a test starts reaches another machine (`fichier_testkit::loopback`).

use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use fichier_api::{PaceConfig, Pacer};
use fichier_testkit::{Machine, Program, Service, User, loopback};

/// In the documentation's range of addresses, where nobody is.
const ELSEWHERE: &str = "http://192.0.2.1:3128";

/// Set in a run of this program that a test has started.
const INSIDE: &str = "FICHIER_TESTKIT_INSIDE";

fn is_refused<T>(act: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(act)).is_err()
}

#[test]
fn an_address_leads_to_this_machine_or_is_refused() {
    for here in ["http://127.0.0.1:4000/v1", "http://[::1]:4000/v1", "https://localhost:4000/v1"] {
        loopback::assert_leads_here(here);
    }
    for elsewhere in [
        "https://api.1fichier.com/v1",
        "https://127.0.0.1.example/v1",
        "https://localhost.example/v1",
        "https://127.0.0.1@api.1fichier.com/v1",
        "127.0.0.1:4000",
        ELSEWHERE,
    ] {
        assert!(is_refused(|| loopback::assert_leads_here(elsewhere)), "{elsewhere}");
    }
}

#[test]
fn a_client_of_another_machine_is_refused() {
    let pacer = || Pacer::in_memory(PaceConfig::default());
    let real = "https://api.1fichier.com/v1";
    assert!(is_refused(|| loopback::client("a-key", pacer(), real)));
    assert!(is_refused(|| loopback::client_through(ELSEWHERE, "a-key", pacer())));
}

#[test]
fn the_program_is_not_started_with_a_configuration_that_leads_elsewhere() {
    let machine = Machine::of(Program::at("true"));
    let good = fs::read_to_string(machine.config()).unwrap();
    let here = format!("api_url = \"{}\"", machine.emulator.api_url());
    // The program refuses a fast clock together with another machine: that must not hide it.
    let good = good.replace("time_scale = 1000\n", "");
    let start = || {
        let command = Program::at("true").command(User::Ours);
        Service::start(command, &machine.config(), &machine.path("log"))
    };
    fs::write(machine.config(), &good).unwrap();
    assert!(!is_refused(|| machine.run(&["sync"])) && !is_refused(start));
    // The address of the real service, and none, which means the same.
    for other in ["api_url = \"https://api.1fichier.com/v1\"", ""] {
        fs::write(machine.config(), good.replace(&here, other)).unwrap();
        assert!(is_refused(|| machine.run(&["sync"])), "`{other}`");
        assert!(is_refused(start), "`{other}`");
    }
}

#[test]
fn a_service_is_not_told_of_a_proxy_elsewhere_or_to_leave_one_out() {
    let machine = Machine::of(Program::at("true"));
    let start = |name: &str, value: &str| {
        let mut command = Program::at("true").command(User::Ours);
        command.env(name, value);
        Service::start(command, &machine.config(), &machine.path("log"))
    };
    assert!(!is_refused(|| start("HTTPS_PROXY", "http://127.0.0.1:3128")));
    for (name, value) in [("HTTPS_PROXY", ELSEWHERE), ("all_proxy", ELSEWHERE), ("NO_PROXY", "*")] {
        assert!(is_refused(|| start(name, value)), "{name}={value}");
    }
}

#[test]
fn the_program_inherits_no_proxy_from_the_person_who_runs_the_tests() {
    if env::var_os(INSIDE).is_none() {
        let mut inside = Command::new(env::current_exe().unwrap());
        inside.args(["--exact", "--nocapture"]);
        inside.arg("the_program_inherits_no_proxy_from_the_person_who_runs_the_tests");
        inside.env(INSIDE, "1").env("https_proxy", ELSEWHERE).env("HTTPS_PROXY", ELSEWHERE);
        let output = inside.env("ALL_PROXY", ELSEWHERE).env("no_proxy", "*").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    assert_eq!(env::var("HTTPS_PROXY").unwrap(), ELSEWHERE);
    let mut shell = Command::new("sh");
    shell.args(["-ec", "exec \"$@\"", "sh"]);
    let printing = Program::at("env");
    for mut command in [printing.command(User::Ours), printing.started_by(shell)] {
        let printed = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert!(printed.contains("PATH="), "{printed}");
        assert!(!printed.to_lowercase().contains("_proxy="), "{printed}");
    }
}
