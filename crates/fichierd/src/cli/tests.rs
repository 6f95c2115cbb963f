//! The command line as its user sees it.

use clap::CommandFactory;
use clap::Parser;
use clap::error::ErrorKind;

use super::*;

fn rejected(line: &str) -> clap::Error {
    Cli::try_parse_from(line.split(' ')).unwrap_err()
}

#[test]
fn the_definitions_hold_together() {
    Cli::command().debug_assert();
}

#[cfg(feature = "emulator")]
#[test]
fn help_lists_each_command_in_eighty_columns() {
    let help = Cli::command().render_help().to_string();
    expect_test::expect![[r#"
        Keeps folders of a 1fichier account equal to local folders: a backup to trust

        Usage: fichierd [OPTIONS] <COMMAND>

        Commands:
          run             Run the service: watch and mirror, until told to stop
          sync            Compare and send now, and wait until it is done
          status          Say whether everything is safe, and what needs a decision
          pause           Begin nothing new until `resume`
          resume          Go on after `pause`
          check           Check the configuration, the key file and this machine
          approve         Let what is held in a mirror happen, such as many removals
          reject          Refuse the held removals of a mirror
          why             Say why a path is, or is not, on the service
          ls              List what a mirror held, now or at an earlier time
          versions        List what a path has been over time
          restore         Put a mirror back on a disk, as it is or as it was
          verify          Download some files, or all, and compare them with the records
          drill           Restore a random sample for a test, and compare it
          recover         Rebuild the records on a new machine, from the key and the
                          target
          recovery-sheet  Print the few lines to keep on paper
          diff            Compare what a mirror held at two times
          history         List what the last cycles of a mirror did
          prune           Remove remote files that are now excluded
          notify          Try whether alerts reach those who are told
          remote          Look at the account, and work in it by hand
          demo            Watch the service at work for half a minute, without an
                          account
          emulator        Run an imitation of 1fichier on this machine, to try things
                          out
          completions     Print the completions for a shell
          man             Print the manual page, or write all of them to a folder
          help            Print this message or the help of the given subcommand(s)

        Options:
          -h, --help     Print help
          -V, --version  Print version

        Global options:
              --config <FILE>        Read this configuration [default: that of the user,
                                     else /etc/fichierd/config.toml]
              --log-level <LEVEL>    How much is logged: error, warn, info, debug or
                                     trace [default: info]
              --log-format <FORMAT>  Log as text or json [default: the journal under
                                     systemd, else text]

        Exit codes: 0 done, 1 failed, 2 usage, 3 some files have problems, 4 held, 69
        unavailable, 75 try later, 77 refused, 78 configuration, 130 interrupted.
    "#]]
    .assert_eq(&help);
    let widest = help.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 80, "{widest} columns");
}

#[test]
fn every_command_and_every_argument_says_what_it_is_for() {
    fn look(command: &clap::Command, silent: &mut Vec<String>) {
        let name = command.get_name();
        if command.get_about().is_none() {
            silent.push(name.to_owned());
        }
        for argument in command.get_arguments().filter(|argument| argument.get_help().is_none()) {
            silent.push(format!("{name} {}", argument.get_id()));
        }
        command.get_subcommands().for_each(|command| look(command, silent));
    }
    let mut silent = Vec::new();
    look(&Cli::command(), &mut silent);
    assert_eq!(silent, [""; 0]);
}

#[test]
fn what_makes_no_sense_ends_with_two() {
    assert_eq!(rejected("fichierd frobnicate").kind(), ErrorKind::InvalidSubcommand);
    assert_eq!(rejected("fichierd approve").kind(), ErrorKind::MissingRequiredArgument);
    assert_eq!(rejected("fichierd --api-key x status").kind(), ErrorKind::UnknownArgument);
    assert_eq!(rejected("fichierd frobnicate").exit_code(), i32::from(Exit::Usage.code()));
}

#[test]
fn global_options_may_stand_behind_the_command() {
    let cli = Cli::try_parse_from(["fichierd", "status", "--config", "/c.toml"]).unwrap();
    assert_eq!(cli.global.config.unwrap(), std::path::Path::new("/c.toml"));
}
