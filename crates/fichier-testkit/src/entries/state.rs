//! The contents of files: rows of the state, and copies of the records that the service kept.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fichier_api::{FileUrl, Fingerprint, FolderId, Whirlpool};
use fichier_state::{
    Content, Entry, FolderFacts, FolderKey, Holes, Intent, Metadata, Mirror, Moment, Moved, Origin,
    RelPath, RemoteCopy, RemoteSpot, SnapshotFacts, Stamp, Store, examine, extract, facts_of,
};
use fichierd::restore::Proved;
use tempfile::TempDir;

use super::names::check_stays_below;

/// The bytes are the value of a row: JSON of an intent or of a result, a list of holes.
pub fn state_rows(data: &[u8]) {
    if let Ok(holes) = Holes::decode(data) {
        assert_eq!(holes.encode(), data, "two spellings of the same holes");
        let json = serde_json::to_vec(&holes).expect("holes can be written");
        assert_eq!(serde_json::from_slice::<Holes>(&json).ok(), Some(holes));
    }
    if let Ok(metadata) = serde_json::from_slice::<Metadata>(data) {
        let json = serde_json::to_vec(&metadata).expect("metadata can be written");
        assert_eq!(serde_json::from_slice::<Metadata>(&json).ok(), Some(metadata));
    }
    if let Ok(intent) = serde_json::from_slice::<Intent>(data) {
        let json = serde_json::to_vec(&intent).expect("an intent can be written");
        assert_eq!(serde_json::from_slice::<Intent>(&json).ok().as_ref(), Some(&intent));
        if let Intent::MakeFolder { path, .. } = &intent {
            check_stays_below(path);
        }
        if let Intent::Move { then } = &intent {
            then.iter().for_each(|Moved { from, to, .. }| {
                check_stays_below(from);
                check_stays_below(to);
            });
        }
        assert!(!format!("{intent:?}").contains("1fichier.com/?"), "a link is printed");
    }
    if let Ok(proved) = serde_json::from_slice::<Proved>(data) {
        proved.broken.iter().for_each(|broken| check_stays_below(&broken.path));
    }
}

/// A copy of the records as a hostile service would hand it out, laid into a new state.
///
/// The bytes are lines: `@OFFSET HEX` writes bytes into the sound file, and `TABLE.COLUMN=HEX` puts
/// a blob or, after a `#`, a whole number into all rows of a column, past all checks. A last line
/// that is neither is ignored.
pub fn snapshots(data: &[u8]) {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("copy.db");
    let mut image = sound().to_vec();
    for line in data.split(|byte| *byte == b'\n') {
        patch(&mut image, line);
    }
    fs::write(&path, &image).expect("a file");
    for line in data.split(|byte| *byte == b'\n') {
        set_column(&path, line);
    }
    drop(facts_of(&path));
    let Ok(facts) = examine(&path) else { return };
    let state_dir = dir.path().join("state");
    fs::create_dir(&state_dir).expect("a folder");
    let Ok(mut store) = Store::open(&state_dir) else { panic!("a new state is refused") };
    if store.import(&path, |_, _| Ok(())).is_err() {
        let left = store.mirrors().expect("the state is as it was");
        assert!(left.is_empty(), "half of a copy was laid in");
        return;
    }
    let Ok(mirrors) = store.mirrors() else { return };
    for mirror in mirrors {
        assert_eq!(mirror.name, facts.mirror);
        // A row that cannot be read is an error, of that row.
        drop(walk(&store, &mirror));
    }
}

/// Reads all that leads to paths; each must stay below its folder.
fn walk(store: &Store, mirror: &Mirror) -> fichier_state::Result<()> {
    store.entries_below(mirror.root, |path, entry| {
        check_stays_below(&path);
        assert_eq!(path.name(), entry.name);
        ControlFlow::Continue(())
    })?;
    let mut open = vec![mirror.root];
    let mut seen = 0;
    while let Some(key) = open.pop() {
        seen += 1;
        assert!(seen < 1_000, "the folders never end");
        check_stays_below(&store.path_of(key)?);
        for entry in store.entries(key)? {
            check_name(&entry.name);
        }
        for folder in store.subfolders(key)? {
            check_name(&folder.name);
            open.push(folder.key);
        }
    }
    let now = Moment(i64::MAX);
    for entry in store.entries_at(mirror.root, now)? {
        check_name(&entry.name);
    }
    for folder in store.folders_at(mirror.root, now)? {
        check_name(&folder.name);
    }
    for version in store.versions(mirror.id, None, 100)? {
        check_stays_below(&version.path);
    }
    Ok(())
}

fn check_name(name: &[u8]) {
    let path = RelPath::parse(name).expect("a name from a copy is a path");
    assert!(path.depth() == 1, "{path} is no name");
}

fn patch(image: &mut [u8], line: &[u8]) {
    let Some(text) = line.strip_prefix(b"@").and_then(|text| str::from_utf8(text).ok()) else {
        return;
    };
    let Some((offset, hex)) = text.split_once(' ') else { return };
    let (Ok(offset), Some(bytes)) = (offset.parse::<usize>(), unhex(hex)) else { return };
    let offset = offset % image.len();
    for (at, byte) in image[offset..].iter_mut().zip(bytes) {
        *at = byte;
    }
}

/// Sets a column; a line that names none is ignored.
fn set_column(path: &Path, line: &[u8]) {
    let Some((column, value)) = str::from_utf8(line).ok().and_then(|line| line.split_once('='))
    else {
        return;
    };
    let Some((table, column)) = column.split_once('.') else { return };
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !is_word(table) || !is_word(column) {
        return;
    }
    let value = match (value.strip_prefix('#'), unhex(value)) {
        (Some(number), _) => match number.parse::<i64>() {
            Ok(number) => number.to_string(),
            Err(_) => return,
        },
        (None, Some(_)) => format!("x'{value}'"),
        (None, None) => return,
    };
    let Ok(db) = rusqlite::Connection::open(path) else { return };
    let sql = format!(
        "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;
        PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;
        UPDATE {table} SET {column} = {value}"
    );
    drop(db.execute_batch(&sql));
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(|digits| (digits.len() == 2).then(|| pair(digits))?).collect()
}

/// A copy of a few files and folders, as the program makes it.
fn sound() -> &'static [u8] {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let dir = TempDir::new().expect("a folder");
        let out = made(dir.path()).expect("a copy of a sound state");
        fs::read(out).expect("the copy")
    })
}

fn made(dir: &Path) -> fichier_state::Result<PathBuf> {
    let mut store = Store::open(dir)?;
    let mirror = store.write(|w| {
        let mirror = w.add_mirror("photos", Path::new("/srv/photos"), "/backup/photos")?;
        let root = mirror.root;
        let spot = |id| Some(RemoteSpot { id: FolderId(id), made_by_us: true, listed: true });
        w.set_folder_remote(root, spot(10), None)?;
        let metadata = Metadata::default();
        let facts = FolderFacts { device: 1, inode: 2, ctime_ns: 3, metadata };
        let folder = w.add_folder(mirror.id, root, b"d", &facts)?;
        w.set_folder_remote(folder, spot(11), None)?;
        let inner = w.add_folder(mirror.id, folder, b"e", &facts)?;
        for (folder, number) in [(root, 1), (folder, 2), (inner, 3)] {
            w.put_entry(&file(folder, number))?;
        }
        w.remove_entry(root, b"f1")?;
        w.put_entry(&file(root, 4))?;
        Ok(mirror)
    })?;
    let facts = SnapshotFacts {
        name: "copy".to_owned(),
        base: None,
        mirror: mirror.name.clone(),
        source: mirror.source.clone(),
        target: mirror.target.clone(),
        installation: None,
        made_s: 1_764_000_000,
        moment: Moment(0),
        config: None,
        program: "0.1.0".to_owned(),
    };
    let out = dir.join("sound.db");
    extract(dir, mirror.id, &facts, &out, None)?;
    Ok(out)
}

fn file(folder: FolderKey, number: u8) -> Entry {
    let copy = RemoteCopy {
        url: FileUrl::parse(&format!("https://1fichier.com/?abcdefghijklmno{number:05}"))
            .expect("a link"),
        whirlpool: Whirlpool::from_bytes([number; 64]),
        fingerprint: Fingerprint::from_bytes([number; 32]),
        remote_name: None,
        confirmed_s: 1_763_900_000,
        origin: Origin::Sent,
        unsettled: false,
        cipher: None,
    };
    Entry {
        folder,
        name: format!("f{number}").into_bytes(),
        stamp: Stamp { size_bytes: 5, mtime_ns: 1, ctime_ns: 2, inode: 3 },
        metadata: Metadata::default(),
        content: Content::File(copy),
        racy: false,
        unmanaged: false,
    }
}
