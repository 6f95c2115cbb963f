//! File systems for tests: loop images and tmpfs, in mount namespaces of their own.
//!
//! Only the test that mounts them, and the programs that it starts, see these mounts: the kernel
//! removes them with the last of these processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MntFlags, MsFlags};
use nix::sched::CloneFlags;

/// Gives this thread, and the programs that it starts from here on, mounts of its own. False, with
/// the reason printed, if that is not permitted or there is no loop device.
pub fn own_mounts() -> bool {
    let Err(why) = try_own_mounts() else { return true };
    eprintln!("skipped: {why}");
    false
}

/// The same for tests that need FUSE too.
pub fn own_mounts_and_fuse() -> bool {
    match File::options().read(true).write(true).open("/dev/fuse") {
        Ok(_) => own_mounts(),
        Err(error) => {
            eprintln!("skipped: /dev/fuse cannot be opened: {error}");
            false
        }
    }
}

fn try_own_mounts() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root may mount".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Err("there are no loop devices".to_owned());
    }
    let has_tools = Command::new("mkfs.ext4").arg("-V").stderr(Stdio::null()).status();
    if !has_tools.is_ok_and(|status| status.success()) {
        return Err("there is no mkfs.ext4".to_owned());
    }
    nix::sched::unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|error| format!("a mount namespace cannot be had: {error}"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    nix::mount::mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .map_err(|error| format!("the mounts cannot be made private: {error}"))
}

/// A file that holds an ext4.
pub struct Image {
    pub file: PathBuf,
}

impl Image {
    /// Makes an image of so many MiB, with an identifier of its own.
    pub fn make(file: PathBuf, mebibytes: u64) -> Image {
        File::create(&file).unwrap().set_len(mebibytes << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m0"]).arg(&file));
        Image { file }
    }

    /// A copy of the image, as a power cut would leave it at this moment. Its writers must be
    /// stopped.
    pub fn copy(&self, to: PathBuf) -> Image {
        run(Command::new("cp").arg("--sparse=always").arg(&self.file).arg(&to));
        Image { file: to }
    }

    pub fn mount(&self, at: &Path) -> Mounted {
        fs::create_dir_all(at).unwrap();
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.file).arg(at));
        Mounted { at: at.to_owned() }
    }
}

/// Mounts a file system in memory that holds at most so many bytes.
pub fn tmpfs(at: &Path, bytes: u64) -> Mounted {
    fs::create_dir_all(at).unwrap();
    let options = format!("size={bytes},mode=0700");
    let none = MsFlags::empty();
    nix::mount::mount(Some("tmpfs"), at, Some("tmpfs"), none, Some(options.as_str())).unwrap();
    Mounted { at: at.to_owned() }
}

/// A mounted file system; unmounted when dropped, also while it is in use.
pub struct Mounted {
    pub at: PathBuf,
}

impl Mounted {
    /// Unmounts as `umount` does: refused while it is in use.
    pub fn unmount(self) {
        nix::mount::umount(&self.at).unwrap();
        std::mem::forget(self);
    }

    /// Unmounts as `umount --lazy` does: processes that have a file open keep it, all others see
    /// the folder below.
    pub fn unmount_lazily(self) {
        drop(self);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The test may have unmounted it already.
        nix::mount::umount2(&self.at, MntFlags::MNT_DETACH).ok();
    }
}

/// Runs a tool that must succeed.
#[track_caller]
pub fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
