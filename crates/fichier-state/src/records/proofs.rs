//! Proofs of a mirror's copies: the last good and the last bad result of each kind of proof.

use rusqlite::{Row, params};

use crate::base::{MirrorId, Result, columns};
use crate::store::{Records, Writing};

/// The result of one proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Whether everything was as recorded.
    pub good: bool,
    /// When it ended; Unix seconds.
    pub at_s: i64,
    /// How many files were looked at.
    pub files: u64,
    /// How many bytes they have together.
    pub bytes: u64,
    /// The result in words, for people.
    pub detail: String,
}

/// The ways to prove that the copies are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofKind {
    /// Listings were compared with the records.
    Audit,
    /// Files were downloaded and their hashes compared.
    Verify,
    /// A sample was restored and compared with disk and records.
    Drill,
    /// One tiny file could be downloaded to this address.
    Canary,
}

impl ProofKind {
    fn name(self) -> &'static str {
        match self {
            ProofKind::Audit => "audit",
            ProofKind::Verify => "verify",
            ProofKind::Drill => "drill",
            ProofKind::Canary => "canary",
        }
    }
}

impl Records {
    /// The last results of a kind, the newer one first; at most one good and one bad one.
    pub fn proofs(&self, mirror: MirrorId, kind: ProofKind) -> Result<Vec<Proof>> {
        let mut select = self.db.prepare_cached(
            "SELECT good, at_s, files, bytes, detail FROM proofs
            WHERE mirror_id = ?1 AND kind = ?2 ORDER BY at_s DESC, good",
        )?;
        let rows = select.query_map(params![mirror, kind.name()], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Writing<'_> {
    /// Keeps a result, in place of the last one of its kind that was as good.
    pub fn put_proof(&mut self, mirror: MirrorId, kind: ProofKind, proof: &Proof) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT INTO proofs (mirror_id, kind, good, at_s, files, bytes, detail)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                ON CONFLICT (mirror_id, kind, good) DO UPDATE SET at_s = ?4, files = ?5,
                    bytes = ?6, detail = ?7",
            )?
            .execute(params![
                mirror,
                kind.name(),
                proof.good,
                proof.at_s,
                columns::size(proof.files),
                columns::size(proof.bytes),
                proof.detail,
            ])?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Proof> {
    Ok(Proof {
        good: row.get(0)?,
        at_s: row.get(1)?,
        files: columns::read_size(row, 2)?,
        bytes: columns::read_size(row, 3)?,
        detail: row.get(4)?,
    })
}
