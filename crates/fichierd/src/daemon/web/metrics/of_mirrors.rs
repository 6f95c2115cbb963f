//! Metrics of the mirrors, and of the degraded states of mirrors and service.

use jiff::Timestamp;

use super::{Metric, Sample, Sort};
use crate::status::{Kind, MirrorCounters, MirrorState, MirrorStatus, Scope, Status};

/// Every state of a mirror, and its word in `status --json`.
const STATES: [(MirrorState, &str); 7] = [
    (MirrorState::Idle, "idle"),
    (MirrorState::Working, "working"),
    (MirrorState::Waiting, "waiting"),
    (MirrorState::Held, "held"),
    (MirrorState::Problem, "problem"),
    (MirrorState::Offline, "offline"),
    (MirrorState::Never, "never"),
];

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "fichierd_degraded",
        sort: Sort::Gauge,
        help: "Whether a degraded state lasts (1) or not (0); without a mirror, that of the service.",
        labels: &["mirror", "kind"],
        samples: degraded,
    },
    Metric {
        name: "fichierd_mirror_state",
        sort: Sort::Gauge,
        help: "Which state the mirror is in: 1 for that one, 0 for the others.",
        labels: &["mirror", "state"],
        samples: |status, _| {
            each(status, |it| {
                let one = |(state, word)| Sample::flag(&[&it.name, word], it.state == state);
                STATES.map(one).to_vec()
            })
        },
    },
    Metric {
        name: "fichierd_mirror_complete",
        sort: Sort::Gauge,
        help: "Whether a look at everything found each file safe, and nothing has been open since.",
        labels: &["mirror"],
        samples: |status, _| each(status, |it| vec![Sample::flag(&[&it.name], it.complete)]),
    },
    Metric {
        name: "fichierd_mirror_last_success_timestamp_seconds",
        sort: Sort::Gauge,
        help: "When the mirror was last complete at the end of a cycle; absent if it never was.",
        labels: &["mirror"],
        samples: |status, _| times(status, |it| it.last_success),
    },
    Metric {
        name: "fichierd_mirror_proof_last_good_timestamp_seconds",
        sort: Sort::Gauge,
        help: "When a proof of the copies last ended well: audit, verify, drill or canary.",
        labels: &["mirror", "proof"],
        samples: |status, _| each(status, proofs),
    },
    Metric {
        name: "fichierd_snapshot_timestamp_seconds",
        sort: Sort::Gauge,
        help: "When the newest copy of the records that is on 1fichier was made.",
        labels: &["mirror"],
        samples: |status, _| times(status, |it| it.snapshot.as_ref()?.newest),
    },
    Metric {
        name: "fichierd_files",
        sort: Sort::Gauge,
        help: "Files on 1fichier: safe, confirmed by size only, earlier versions, excluded since, and \
               not ours.",
        labels: &["mirror", "state"],
        samples: |status, _| each(status, files),
    },
    Metric {
        name: "fichierd_bytes",
        sort: Sort::Gauge,
        help: "Bytes of the files that are safe, and of the earlier versions.",
        labels: &["mirror", "state"],
        samples: |status, _| {
            each(status, |it| labelled(it, &[("safe", it.bytes), ("version", it.versions_bytes)]))
        },
    },
    Metric {
        name: "fichierd_pending_files",
        sort: Sort::Gauge,
        help: "Files that were sent, and that 1fichier has not confirmed.",
        labels: &["mirror"],
        samples: |status, _| each(status, |it| vec![Sample::whole(&[&it.name], it.pending_files)]),
    },
    Metric {
        name: "fichierd_pending_bytes",
        sort: Sort::Gauge,
        help: "Bytes of the files that 1fichier has not confirmed.",
        labels: &["mirror"],
        samples: |status, _| each(status, |it| vec![Sample::whole(&[&it.name], it.pending_bytes)]),
    },
    Metric {
        name: "fichierd_queue_files",
        sort: Sort::Gauge,
        help: "Files that are still to be sent: put off, in doubt, being written, or with a problem.",
        labels: &["mirror", "reason"],
        samples: |status, _| each(status, queue),
    },
    Metric {
        name: "fichierd_removals_held",
        sort: Sort::Gauge,
        help: "Removals that wait for a decision.",
        labels: &["mirror"],
        samples: |status, _| {
            let held = |it: &MirrorStatus| it.held.as_ref().map_or(0, |held| held.removals);
            each(status, |it| vec![Sample::whole(&[&it.name], held(it))])
        },
    },
    Metric {
        name: "fichierd_watched_folders",
        sort: Sort::Gauge,
        help: "Folders that are watched; the mode says how: watching, partly, polling or off.",
        labels: &["mirror", "mode"],
        samples: |status, _| {
            each(status, |it| match it.watch.mode.as_str() {
                "" => Vec::new(),
                mode => vec![Sample::whole(&[&it.name, mode], it.watch.watched)],
            })
        },
    },
    Metric {
        name: "fichierd_upload_bytes_total",
        sort: Sort::Counter,
        help: "Bytes of files that were handed to the network since the start.",
        labels: &["mirror"],
        samples: |status, _| {
            counted(status, |name, it| vec![Sample::count(&[name], it.sent_bytes)])
        },
    },
    Metric {
        // Not `fichierd_files_total`: OpenMetrics calls that family `fichierd_files`, as the gauge.
        name: "fichierd_file_actions_total",
        sort: Sort::Counter,
        help: "Files that were sent, adopted, moved, copied or retired since the start.",
        labels: &["mirror", "action"],
        samples: |status, _| counted(status, actions),
    },
];

/// All kinds, each as 0 or 1: those of the service once, the others for each mirror.
fn degraded(status: &Status, _: Timestamp) -> Vec<Sample> {
    let lasts = |mirror: Option<&str>, kind: Kind| {
        status.degraded.iter().any(|it| it.kind == kind && it.mirror.as_deref() == mirror)
    };
    let of = |scope: Scope| Kind::ALL.iter().filter(move |kind| kind.about().scope == scope);
    let of_service = of(Scope::Service)
        .map(|kind| Sample::flag(&["", kind.word()], lasts(None, *kind)))
        .collect::<Vec<_>>();
    let of_mirrors = each(status, |it| {
        let flag =
            |kind: &Kind| Sample::flag(&[&it.name, kind.word()], lasts(Some(&it.name), *kind));
        of(Scope::Mirror).map(flag).collect()
    });
    [of_service, of_mirrors].concat()
}

fn proofs(mirror: &MirrorStatus) -> Vec<Sample> {
    let proofs = &mirror.proofs;
    let all = [
        ("audit", &proofs.audit),
        ("verify", &proofs.verify),
        ("drill", &proofs.drill),
        ("canary", &proofs.canary),
    ];
    all.into_iter()
        .filter_map(|(name, proof)| {
            Some(Sample::time(&[&mirror.name, name], proof.as_ref()?.last_good?))
        })
        .collect()
}

fn files(mirror: &MirrorStatus) -> Vec<Sample> {
    let files = [
        ("safe", mirror.files),
        ("by_size", mirror.completeness.by_size),
        ("version", mirror.versions_files),
        ("unmanaged", mirror.unmanaged),
        ("foreign", mirror.foreign),
    ];
    labelled(mirror, &files)
}

fn queue(mirror: &MirrorStatus) -> Vec<Sample> {
    let open = &mirror.completeness;
    let files = [
        ("put_off", open.put_off),
        ("doubted", open.doubted),
        ("unsettled", open.unsettled),
        ("problem", open.problems),
    ];
    labelled(mirror, &files)
}

fn actions(name: &str, counters: MirrorCounters) -> Vec<Sample> {
    let counts = [
        ("sent", counters.sent),
        ("adopted", counters.adopted),
        ("moved", counters.moved),
        ("copied", counters.copied),
        ("retired", counters.retired),
    ];
    counts.map(|(action, count)| Sample::count(&[name, action], count)).to_vec()
}

fn labelled(mirror: &MirrorStatus, values: &[(&str, u64)]) -> Vec<Sample> {
    let values = values.iter();
    values.map(|(label, value)| Sample::whole(&[&mirror.name, label], *value)).collect()
}

/// The samples of all mirrors.
fn each(status: &Status, samples: impl Fn(&MirrorStatus) -> Vec<Sample>) -> Vec<Sample> {
    status.mirrors.iter().flat_map(samples).collect()
}

fn times(status: &Status, at: impl Fn(&MirrorStatus) -> Option<Timestamp>) -> Vec<Sample> {
    each(status, |it| at(it).iter().map(|at| Sample::time(&[&it.name], *at)).collect())
}

/// The samples of all mirrors that a running service has counted; a mirror that has done nothing has
/// counts too, all of them 0.
fn counted(status: &Status, samples: impl Fn(&str, MirrorCounters) -> Vec<Sample>) -> Vec<Sample> {
    let Some(counters) = &status.counters else { return Vec::new() };
    let of = |name: &str| counters.mirrors.get(name).copied().unwrap_or_default();
    each(status, |it| samples(&it.name, of(&it.name)))
}
