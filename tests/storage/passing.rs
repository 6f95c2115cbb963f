//! Passes the kernel's requests to the [faulty](crate::faulty) file system on to the folder behind
//! it.
//!
//! Files are known by the inode they have there, and the root is 1.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::faulty::{Answer, Asked, Faults};

/// The time for which the kernel may keep an answer: it asks again each time.
const AT_ONCE: Duration = Duration::ZERO;

pub struct Passing {
    behind: PathBuf,
    faults: Faults,
    paths: Mutex<HashMap<u64, PathBuf>>,
    open: Mutex<HashMap<u64, Opened>>,
    listings: Mutex<HashMap<u64, Listing>>,
    next: AtomicU64,
}

struct Opened {
    file: File,
    name: OsString,
}

struct Listing {
    entries: Vec<(u64, FileType, OsString)>,
    /// After so many entries.
    error: Option<(usize, i32)>,
}

impl Passing {
    pub fn new(behind: &Path, faults: Faults) -> Passing {
        let paths = Mutex::new(HashMap::from([(INodeNo::ROOT.0, behind.to_owned())]));
        Passing {
            behind: behind.to_owned(),
            faults,
            paths,
            open: Mutex::default(),
            listings: Mutex::default(),
            next: AtomicU64::new(1),
        }
    }

    fn path(&self, inode: INodeNo) -> Result<PathBuf, Errno> {
        self.paths.lock().unwrap().get(&inode.0).cloned().ok_or(Errno::ENOENT)
    }

    fn below(&self, parent: INodeNo, name: &OsStr) -> Result<PathBuf, Errno> {
        Ok(self.path(parent)?.join(name))
    }

    /// The path of something that is to be changed.
    fn changing(&self, parent: INodeNo, name: &OsStr) -> Result<PathBuf, Errno> {
        self.faults.check(Asked::Change, name)?;
        self.below(parent, name)
    }

    /// The attributes of a path, remembered under its inode.
    fn found(&self, path: PathBuf) -> Result<FileAttr, Errno> {
        let found = self.attributes(&path, &path.symlink_metadata()?);
        self.paths.lock().unwrap().insert(found.ino.0, path);
        Ok(found)
    }

    /// The size that is told instead of the true one.
    fn told_size(&self, path: &Path) -> Option<u64> {
        let name = path.file_name().unwrap_or_default();
        match self.faults.answer(Asked::Attributes, name) {
            Some(Answer::Size(size)) => Some(size),
            _ => None,
        }
    }

    fn attributes(&self, path: &Path, of: &Metadata) -> FileAttr {
        let is_root = self.behind.metadata().is_ok_and(|root| root.ino() == of.ino());
        let time = |s: i64, ns: i64| {
            let ns = u32::try_from(ns).unwrap();
            SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(s).unwrap_or(0), ns)
        };
        FileAttr {
            ino: if is_root { INodeNo::ROOT } else { INodeNo(of.ino()) },
            size: self.told_size(path).unwrap_or(of.size()),
            blocks: of.blocks(),
            atime: time(of.atime(), of.atime_nsec()),
            mtime: time(of.mtime(), of.mtime_nsec()),
            ctime: time(of.ctime(), of.ctime_nsec()),
            crtime: SystemTime::UNIX_EPOCH,
            kind: FileType::from_std(of.file_type()).unwrap(),
            perm: u16::try_from(of.mode() & 0o7777).unwrap(),
            nlink: u32::try_from(of.nlink()).unwrap(),
            uid: of.uid(),
            gid: of.gid(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }

    fn opened(&self, file: File, path: &Path) -> FileHandle {
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        let name = path.file_name().unwrap_or_default().to_owned();
        self.open.lock().unwrap().insert(handle, Opened { file, name });
        FileHandle(handle)
    }

    /// The open file and its name. It is a descriptor of its own, so other requests go on
    /// meanwhile.
    fn file(&self, handle: FileHandle) -> Result<(File, OsString), Errno> {
        let open = self.open.lock().unwrap();
        let opened = open.get(&handle.0).ok_or(Errno::EBADF)?;
        Ok((opened.file.try_clone()?, opened.name.clone()))
    }

    fn open_at(&self, inode: INodeNo, flags: OpenFlags) -> Result<FileHandle, Errno> {
        let path = self.path(inode)?;
        let mode = flags.acc_mode();
        let mut options = OpenOptions::new();
        options.read(mode != OpenAccMode::O_WRONLY).write(mode != OpenAccMode::O_RDONLY);
        Ok(self.opened(options.open(&path)?, &path))
    }

    fn read_at(&self, handle: FileHandle, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let (file, name) = self.file(handle)?;
        let answer = self.faults.answer(Asked::Read, &name);
        if let Some(Answer::Error(error)) = answer {
            return Err(Errno::from_i32(error));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap()];
        let mut length = 0;
        while length < bytes.len() {
            match file.read_at(&mut bytes[length..], offset + length as u64)? {
                0 => break,
                read => length += read,
            }
        }
        bytes.truncate(length);
        if answer == Some(Answer::OtherBytes) {
            bytes.iter_mut().for_each(|byte| *byte ^= 1);
        }
        Ok(bytes)
    }

    fn write_at(&self, handle: FileHandle, offset: u64, data: &[u8]) -> Result<u32, Errno> {
        let (file, name) = self.file(handle)?;
        self.faults.check(Asked::Write, &name)?;
        file.write_all_at(data, offset)?;
        Ok(u32::try_from(data.len()).unwrap())
    }

    fn sync(&self, handle: FileHandle) -> Result<(), Errno> {
        let (file, name) = self.file(handle)?;
        self.faults.check(Asked::Sync, &name)?;
        Ok(file.sync_all()?)
    }

    fn list(&self, inode: INodeNo) -> Result<FileHandle, Errno> {
        let path = self.path(inode)?;
        let answer = self.faults.answer(Asked::List, path.file_name().unwrap_or_default());
        let error = match answer {
            Some(Answer::Error(error)) => return Err(Errno::from_i32(error)),
            Some(Answer::ErrorAfter(entries, error)) => Some((entries, error)),
            Some(Answer::Late(_) | Answer::OtherBytes | Answer::Size(_)) | None => None,
        };
        let mut entries = Vec::new();
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let kind = FileType::from_std(entry.file_type()?).unwrap();
            entries.push((entry.metadata()?.ino(), kind, entry.file_name()));
        }
        entries.sort_by(|one: &(u64, FileType, OsString), other| one.2.cmp(&other.2));
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        self.listings.lock().unwrap().insert(handle, Listing { entries, error });
        Ok(FileHandle(handle))
    }

    fn list_from(
        &self,
        handle: FileHandle,
        offset: u64,
        reply: &mut ReplyDirectory,
    ) -> Result<(), Errno> {
        let listings = self.listings.lock().unwrap();
        let Listing { entries, error } = listings.get(&handle.0).ok_or(Errno::EBADF)?;
        let begin = usize::try_from(offset).unwrap();
        for (at, (inode, kind, name)) in entries.iter().enumerate().skip(begin) {
            match error {
                // Only with the next call: the entries before it are handed over first.
                Some((after, error)) if at >= *after && at == begin => {
                    return Err(Errno::from_i32(*error));
                }
                Some((after, _)) if at >= *after => break,
                _ => {}
            }
            if reply.add(INodeNo(*inode), at as u64 + 1, *kind, name) {
                break;
            }
        }
        Ok(())
    }

    fn rename_paths(&self, from: &Path, to: &Path) {
        for path in self.paths.lock().unwrap().values_mut() {
            if let Ok(below) = path.strip_prefix(from) {
                *path = if below.as_os_str().is_empty() { to.to_owned() } else { to.join(below) };
            }
        }
    }
}

fn answer_empty(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn answer_entry(done: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match done {
        Ok(found) => reply.entry(&AT_ONCE, &found, Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn answer_attributes(done: Result<FileAttr, Errno>, reply: ReplyAttr) {
    match done {
        Ok(found) => reply.attr(&AT_ONCE, &found),
        Err(error) => reply.error(error),
    }
}

fn done(result: io::Result<()>) -> Result<(), Errno> {
    Ok(result?)
}

impl Filesystem for Passing {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer_entry(self.below(parent, name).and_then(|path| self.found(path)), reply);
    }

    fn getattr(&self, _: &Request, inode: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        let found = match handle.map(|handle| self.file(handle)) {
            Some(Ok((file, name))) => {
                file.metadata().map_err(Errno::from).map(|of| self.attributes(name.as_ref(), &of))
            }
            _ => self
                .path(inode)
                .and_then(|path| Ok(self.attributes(&path, &path.symlink_metadata()?))),
        };
        answer_attributes(found, reply);
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let set = || -> Result<FileAttr, Errno> {
            let path = self.path(inode)?;
            if let Some(mode) = mode {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o7777))?;
            }
            if let Some(size) = size {
                self.faults.check(Asked::Change, path.file_name().unwrap_or_default())?;
                File::options().write(true).open(&path)?.set_len(size)?;
            }
            if let Some(TimeOrNow::SpecificTime(time)) = mtime {
                File::open(&path)?.set_modified(time)?;
            }
            self.found(path)
        };
        answer_attributes(set(), reply);
    }

    fn readlink(&self, _: &Request, inode: INodeNo, reply: ReplyData) {
        use std::os::unix::ffi::OsStrExt as _;
        match self.path(inode).and_then(|path| Ok(fs::read_link(path)?)) {
            Ok(target) => reply.data(target.as_os_str().as_bytes()),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let made = self.changing(parent, name).and_then(|path| {
            fs::create_dir(&path)?;
            self.found(path)
        });
        answer_entry(made, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let path = self.changing(parent, name);
        answer_empty(path.and_then(|path| done(fs::remove_file(path))), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let path = self.changing(parent, name);
        answer_empty(path.and_then(|path| done(fs::remove_dir(path))), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let rename = || -> Result<(), Errno> {
            let (from, to) = (self.changing(parent, name)?, self.changing(new_parent, new_name)?);
            fs::rename(&from, &to)?;
            self.rename_paths(&from, &to);
            Ok(())
        };
        answer_empty(rename(), reply);
    }

    fn open(&self, _: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match self.open_at(inode, flags) {
            Ok(handle) => {
                // The kernel would believe the size.
                let path = self.path(inode).unwrap_or_default();
                let is_told = self.told_size(&path).is_some();
                let flags = if is_told { FopenFlags::FOPEN_DIRECT_IO } else { FopenFlags::empty() };
                reply.opened(handle, flags);
            }
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let create = || -> Result<(FileAttr, FileHandle), Errno> {
            let path = self.changing(parent, name)?;
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(mode & 0o7777);
            let handle = self.opened(options.open(&path)?, &path);
            Ok((self.found(path)?, handle))
        };
        match create() {
            Ok((found, handle)) => {
                reply.created(&AT_ONCE, &found, Generation(0), handle, FopenFlags::empty());
            }
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        _inode: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.read_at(handle, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        _inode: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.write_at(handle, offset, data) {
            Ok(written) => reply.written(written),
            Err(error) => reply.error(error),
        }
    }

    fn release(
        &self,
        _: &Request,
        _inode: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.open.lock().unwrap().remove(&handle.0);
        reply.ok();
    }

    fn fsync(
        &self,
        _: &Request,
        _inode: INodeNo,
        handle: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        answer_empty(self.sync(handle), reply);
    }

    fn opendir(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.list(inode) {
            Ok(handle) => reply.opened(handle, FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        _inode: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        match self.list_from(handle, offset, &mut reply) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn releasedir(
        &self,
        _: &Request,
        _inode: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.listings.lock().unwrap().remove(&handle.0);
        reply.ok();
    }

    fn fsyncdir(
        &self,
        _: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }
}
