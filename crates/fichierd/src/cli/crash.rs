//! A panic anywhere ends the process: half a service is worse than none (K22).
//!
//! Tasks are joined by the daemon, which ends when one has crashed. Threads that cannot be joined,
//! such as those of the watching library, would silently be gone, and with them the events. systemd
//! starts the service again, and the next start goes on from the records on disk.

use std::panic;
use std::process;

use crate::base::Exit;

/// Makes every later panic end the process with [`Exit::Failed`], after it was told on stderr as
/// usual.
pub fn end_process_on_panic() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        tell(info);
        process::exit(i32::from(Exit::Failed.code()));
    }));
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_panic_in_a_thread_that_is_not_joined_ends_the_process() {
        let child = "cli::crash::tests::a_process_with_such_a_thread";
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", child, "--ignored", "--nocapture"])
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(1), "{ran:?}");
        let told = String::from_utf8(ran.stderr).unwrap();
        assert!(told.contains("this is the end"), "{told}");
    }

    #[test]
    #[ignore = "ends its process; the test above runs it in one of its own"]
    fn a_process_with_such_a_thread() {
        end_process_on_panic();
        let thread = std::thread::spawn(|| panic!("this is the end"));
        // Without the hook the test goes on and passes: the exit code is 0.
        while !thread.is_finished() {
            std::thread::yield_now();
        }
    }
}
