//! What messages and effects look like in the transcripts.

use super::cluster::short;
use crate::chain::snapshot::SnapshotStep;
use crate::engine::{Effect, Record, Trace};
use crate::ledger::units::{Height, View};
use crate::message::{Message, PreparedBlock, ViewChange, Vote};

/// One line about an effect, if it is worth one.
pub(super) fn describe_effect(effect: &Effect) -> Option<String> {
    let line = match effect {
        Effect::Persist(Record::Body(block)) => format!("persist body {}", short(block.id())),
        Effect::Persist(Record::Vote(vote)) => format!("persist {}", describe_vote(vote)),
        Effect::Persist(Record::Prepared(it)) => format!("persist prepared {}", it.certificate.ballot.height),
        Effect::Persist(Record::Committed(it)) => format!("persist committed {}", it.ballot.height),
        Effect::Persist(Record::ViewChange(it)) => {
            format!("persist {}", describe(&Message::ViewChange(it.clone())))
        }
        Effect::Persist(Record::NewView(it)) => format!("persist {}", describe(&Message::NewView(it.clone()))),
        Effect::Persist(Record::Evidence(it)) => format!("persist evidence against {}", it.first.signer),
        Effect::Persist(Record::Checkpoint(it)) => format!("persist checkpoint {}", it.checkpoint.height),
        Effect::Persist(Record::CheckpointState(it)) => format!("persist state {}", it.checkpoint.height),
        Effect::Persist(Record::Stable(it)) => format!("persist stable {}", it.checkpoint.height),
        Effect::Persist(Record::Epoch(it)) => format!("persist epoch {}", it.epoch()),
        Effect::Persist(record) => format!("persist {record:?}"),
        Effect::Members { set, is_present: true } => format!("epoch {} of {} members", set.epoch, set.n()),
        Effect::Members { set, .. } => format!("the {} members of epoch {} are known", set.n(), set.epoch),
        Effect::Send { to, message } => format!("send {to:?} {}", describe(message)),
        Effect::WantPayload(request) => format!("want payload {} above {}", request.height, request.above.len()),
        Effect::WantOverdue(_) => "want overdue".to_owned(),
        Effect::WantKnown { .. } => panic!("blocks are not announced under PBFT"),
        Effect::Admit { member, transactions, .. } => format!("admit {} of {member}", transactions.len()),
        Effect::Mine(_) => "mine".to_owned(),
        Effect::Snapshot(step) => describe_step(step),
        Effect::Chain(update) => format!("chain +{} tip {}", update.connected.len(), update.tip.height),
        Effect::Blame { peer, fault } => format!("blame {peer:?}: {fault}"),
        Effect::Trace(Trace::Phase { phase, height, .. }) => format!("phase {height} {phase:?}"),
        // Figures of the clock would only blur what was said; they have tests of their own.
        Effect::Trace(Trace::Vote { .. } | Trace::Pace { .. }) => return None,
        Effect::Trace(trace) => format!("trace {trace:?}"),
    };
    Some(line)
}

fn describe_step(step: &SnapshotStep) -> String {
    match step {
        SnapshotStep::Clear => "clear the staging area".to_owned(),
        SnapshotStep::Stage { bucket, coins } => format!("stage {} coins of bucket {bucket}", coins.len()),
        SnapshotStep::Discard { bucket } => format!("discard bucket {bucket}"),
        SnapshotStep::Switch(switch) => format!("switch to {}", switch.tip.height),
        SnapshotStep::Switched(tip) => format!("switched to {}", tip.height),
        SnapshotStep::Keep { from } => format!("keep snapshots from {from}"),
    }
}

fn describe_vote(vote: &Vote) -> String {
    let view = if vote.ballot.view == View(0) { String::new() } else { format!(" in {}", vote.ballot.view) };
    format!("{:?} {} {}{view}", vote.kind, vote.ballot.height, short(vote.ballot.block))
}

fn describe_change(change: &ViewChange) -> String {
    let base = change.committed.as_ref().map_or(Height::GENESIS, |it| it.ballot.height);
    let of_certificate = |it: &PreparedBlock| {
        let ballot = it.certificate.ballot;
        format!(" {}={}@{}", ballot.height, short(ballot.block), ballot.view)
    };
    let prepared: String = change.prepared.iter().map(of_certificate).collect();
    format!("{} base {base} prepared{prepared}", change.signer)
}

pub(super) fn describe(message: &Message) -> String {
    match message {
        Message::PrePrepare(proposal) => describe_vote(&proposal.vote),
        Message::Vote(vote) => describe_vote(vote),
        Message::Tip(info) => format!("Tip {}", info.final_height),
        Message::GetCertified { from, count } => format!("GetCertified {from} x{count}"),
        Message::Certified(blocks) => {
            let heights: Vec<u64> = blocks.0.iter().map(|it| it.certificate.ballot.height.0).collect();
            format!("Certified {heights:?}")
        }
        Message::ViewChange(change) => format!("ViewChange to {} of {}", change.view, describe_change(change)),
        Message::NewView(new_view) => {
            let changes: Vec<String> = new_view.changes.iter().map(describe_change).collect();
            format!("NewView {} [{}]", new_view.view, changes.join("; "))
        }
        Message::Checkpoint(vote) => format!("Checkpoint {}", vote.checkpoint.height),
        Message::Checkpointed(it) => format!("Checkpointed {}", it.checkpoint.height),
        Message::GetSnapshot { height } => format!("GetSnapshot {height}"),
        Message::Snapshot(it) => {
            format!("Snapshot {:?}", it.as_ref().map(|it| it.certificate.checkpoint.height.0))
        }
        Message::GetBuckets { height, first, last, .. } => format!("GetBuckets {first} to {last} at {height}"),
        Message::Buckets(it) => {
            format!("Buckets at {}: {:?}", it.height, it.parts.iter().map(|part| part.bucket).collect::<Vec<_>>())
        }
        Message::Overdue(overdue) => format!("Overdue {} of {}", overdue.transactions.len(), overdue.signer),
        Message::Successions(it) => {
            format!("Successions {:?}", it.0.iter().map(|it| it.epoch().0).collect::<Vec<_>>())
        }
        Message::GetSuccessions { from } => format!("GetSuccessions {from}"),
        Message::Evidence(evidence) => format!("Evidence against {}", evidence.first.signer),
        other => other.name().to_owned(),
    }
}
