//! Makes the file of a snapshot: a packed copy of the records, or of what changed since the last
//! whole one. Blocks, and costs no call.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use fichier_api::Whirlpool;
use fichier_state::{
    Error, MirrorId, Moment, SnapshotFacts, SnapshotId, SnapshotRow, difference, digest, extract,
    facts_of, failpoint, form_in,
};

use super::files::{Files, pack};
use crate::base::Form;
use crate::remote::Made;

/// The changes are sent alone where, packed, they are less than this part (a fourth) of the last
/// whole snapshot.
const MUCH_SMALLER: u64 = 4;

/// The age of the last whole snapshot from which the next one is whole in any case: all that are
/// laid over it depend on it.
const WHOLE_EVERY_S: i64 = 7 * 24 * 3600;

/// The inputs for one snapshot.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) files: Files,
    /// How the file is stored.
    pub(super) form: Form,
    pub(super) state_dir: PathBuf,
    pub(super) mirror: MirrorId,
    /// The snapshot's key, once it is on record.
    pub(super) id: SnapshotId,
    /// The facts about itself that the file bears; its name is added here.
    pub(super) facts: SnapshotFacts,
    /// The mirror's snapshots on record.
    pub(super) rows: Vec<SnapshotRow>,
    /// The digest of the last snapshot's contents ([`digest`]).
    pub(super) last_digest: Option<u64>,
    /// When the work is broken off; `None` for never.
    pub(super) deadline: Option<Instant>,
}

/// The result of an order.
#[derive(Debug)]
pub(super) enum MakeOutcome {
    Made(Made),
    /// Up to this moment the records hold nothing that the last snapshot lacks.
    NothingNew(Moment),
}

/// A file that is packed.
struct Packed {
    name: String,
    base: Option<SnapshotId>,
    packed: (u64, Whirlpool),
}

/// Why no snapshot was made.
#[derive(Debug, thiserror::Error)]
pub(super) enum MakeError {
    #[error(transparent)]
    State(#[from] Error),
    #[error("a snapshot could not be written to {}", folder.display())]
    Io {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Order {
    /// Makes the snapshot's file.
    pub(super) fn carry_out(&self) -> Result<MakeOutcome, MakeError> {
        let folder = self.files.folder().to_owned();
        let failed = |source| MakeError::Io { folder: folder.clone(), source };
        self.files.prepare().map_err(failed)?;
        let whole = self.files.whole();
        let named = SnapshotFacts { name: self.name("full"), ..self.facts.clone() };
        let facts = extract(&self.state_dir, self.mirror, &named, &whole, self.deadline)?;
        failpoint::reached("snapshot:extracted");
        let digest = digest(&whole)?;
        if self.last_digest == Some(digest) {
            self.files.clear(false);
            return Ok(MakeOutcome::NothingNew(facts.moment));
        }
        let packed = match self.smaller().map_err(failed)? {
            Some(part) => part,
            None => {
                let packed = pack(&whole, &self.files.packed(), &self.form, self.deadline)
                    .map_err(failed)?;
                Packed { name: facts.name, base: None, packed }
            }
        };
        failpoint::reached("snapshot:packed");
        let Packed { name, base, packed: (size_bytes, whirlpool) } = packed;
        let (made_s, moment) = (facts.made_s, facts.moment);
        let stored_as = Some(self.form.file_name(name.as_bytes()));
        Ok(MakeOutcome::Made(Made {
            name,
            stored_as,
            base,
            made_s,
            moment,
            size_bytes,
            whirlpool,
            digest,
        }))
    }

    /// The file's name: unique, sortable by time, and readable, such as
    /// `20261124T101500Z-000123-full.zst`.
    fn name(&self, kind: &str) -> String {
        let at = jiff::Timestamp::from_second(self.facts.made_s).unwrap_or_default();
        format!("{}-{:06}-{kind}.zst", at.strftime("%Y%m%dT%H%M%SZ"), self.id.0)
    }

    /// Packs the changes alone; `None` if there is nothing to compare with, or they are not much
    /// smaller.
    fn smaller(&self) -> io::Result<Option<Packed>> {
        let Some((base, base_bytes)) = self.base() else { return Ok(None) };
        // One form cannot be read with the keys of another: the two would not come back together.
        let form_of = |copy: PathBuf| form_in(&copy).ok();
        if form_of(self.files.base()) != form_of(self.files.whole()) {
            return Ok(None);
        }
        let (whole, part, name) = (self.files.whole(), self.files.part(), self.name("part"));
        match difference(&self.files.base(), &whole, &part, &name) {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            // The file beside the state may be damaged: a whole snapshot does not need it.
            Err(error) => {
                tracing::debug!("cannot compare with the last whole snapshot: {error}");
                return Ok(None);
            }
        }
        let packed = pack(&part, &self.files.packed(), &self.form, self.deadline)?;
        let is_smaller = packed.0.saturating_mul(MUCH_SMALLER) < base_bytes;
        Ok(is_smaller.then_some(Packed { name, base: Some(base), packed }))
    }

    /// The last whole snapshot and its size, if it is recent, is at the service, and is here to
    /// compare with.
    fn base(&self) -> Option<(SnapshotId, u64)> {
        let here = facts_of(&self.files.base()).ok()?;
        let row = self.rows.iter().find(|row| row.name == here.name && row.base.is_none())?;
        let is_recent = (0..WHOLE_EVERY_S).contains(&(self.facts.made_s - row.made_s));
        let is_there = row.url.is_some() && here.target == self.facts.target;
        (is_recent && is_there).then_some((row.id, row.size_bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Instant;

    use fichier_api::{FileUrl, Fingerprint};
    use fichier_state::{
        Content, Entry, FolderFacts, Metadata, Mirror, Origin, RemoteCopy, Stamp, Store, Writing,
    };

    use super::*;

    /// Bytes as random as hashes are.
    fn random<const N: usize>(number: u64) -> [u8; N] {
        let mut bytes = [0; N];
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    fn put(w: &mut Writing<'_>, mirror: &Mirror, first: u64) -> fichier_state::Result<()> {
        let facts = FolderFacts { device: 1, inode: 1, ctime_ns: 1, metadata: Metadata::default() };
        let name = format!("folder-{first:07}");
        let folder = w.add_folder(mirror.id, mirror.root, name.as_bytes(), &facts)?;
        for n in first..first + 100 {
            let hex = blake3::hash(&n.to_le_bytes()).to_hex();
            let ns = 1_763_900_000_000_000_000 + (n * 1_234_567_891).cast_signed();
            w.put_entry(&Entry {
                folder,
                name: format!("IMG_{n:08}.jpg").into_bytes(),
                stamp: Stamp { size_bytes: 1 + n * 37, mtime_ns: ns, ctime_ns: ns, inode: n },
                metadata: Metadata { mode: 0o100_644, ..Metadata::default() },
                content: Content::File(RemoteCopy {
                    url: FileUrl::parse(&format!("https://1fichier.com/?{}", &hex[..20])).unwrap(),
                    whirlpool: Whirlpool::from_bytes(random(n)),
                    fingerprint: Fingerprint::from_bytes(random(n)),
                    remote_name: None,
                    confirmed_s: ns / 1_000_000_000,
                    origin: Origin::Sent,
                    unsettled: false,
                    cipher: None,
                }),
                racy: false,
                unmanaged: false,
            })?;
        }
        Ok(())
    }

    fn memory(line: &str) -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let value = status.lines().find_map(|l| l.strip_prefix(line)).unwrap();
        value.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Run twice: the first time it fills a state, the second time it measures.
    /// `FICHIERD_MEASURE=/tmp/x FICHIERD_FILES=1000000 cargo test -p fichierd --lib -- --ignored
    /// how_long_and_how_much_memory --nocapture`
    #[test]
    #[ignore = "a measurement, not a test"]
    fn how_long_and_how_much_memory_a_snapshot_takes() {
        let dir = std::env::var("FICHIERD_MEASURE").unwrap();
        let files: u64 = std::env::var("FICHIERD_FILES").unwrap().parse().unwrap();
        let is_there = Path::new(&dir).join("state.db").exists();
        let mut store = Store::open(Path::new(&dir)).unwrap();
        if !is_there {
            let mirror = store.write(|w| w.add_mirror("m", "/srv".as_ref(), "/m")).unwrap();
            for start in (0..files).step_by(10_000) {
                let mut folders = (start..(start + 10_000).min(files)).step_by(100);
                store.write(|w| folders.try_for_each(|n| put(w, &mirror, n))).unwrap();
            }
            return store.close().unwrap();
        }
        let mirror = store.mirrors().unwrap().remove(0);
        let order = |rows: Vec<SnapshotRow>, last_digest| Order {
            files: Files::new(Path::new(&dir), "m"),
            form: Form::Plain,
            state_dir: dir.clone().into(),
            mirror: mirror.id,
            id: SnapshotId(1),
            facts: SnapshotFacts {
                name: String::new(),
                base: None,
                mirror: "m".into(),
                source: "/srv".into(),
                target: "/m".into(),
                installation: None,
                made_s: store.clock().now_s(),
                moment: Moment(1),
                config: None,
                program: String::new(),
            },
            rows,
            last_digest,
            deadline: None,
        };
        let (before, began) = (memory("VmRSS"), Instant::now());
        let MakeOutcome::Made(whole) = order(Vec::new(), None).carry_out().unwrap() else {
            panic!()
        };
        let say = |what: &str, size: u64, began: Instant| {
            let more = memory("VmHWM").saturating_sub(before);
            eprintln!("{what}: {size} bytes, {:.2?}, {more} KiB more", began.elapsed());
        };
        say("whole", whole.size_bytes, began);
        Files::new(Path::new(&dir), "m").keep_as_base().unwrap();
        let row = SnapshotRow {
            id: SnapshotId(1),
            mirror: mirror.id,
            base: None,
            name: whole.name,
            made_s: whole.made_s,
            moment: whole.moment,
            size_bytes: whole.size_bytes,
            whirlpool: whole.whirlpool,
            url: FileUrl::parse("https://1fichier.com/?01234567890123456789").ok(),
        };
        let order = order(vec![row], Some(0));
        store.write(|w| put(w, &mirror, files + 1000)).unwrap();
        let began = Instant::now();
        let MakeOutcome::Made(part) = order.carry_out().unwrap() else { panic!() };
        assert!(part.base.is_some());
        say("part", part.size_bytes, began);
    }
}
