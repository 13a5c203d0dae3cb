//! Where the replicas are, and what follows from that, the rules of the protocol and the costs, without any queue.

use crate::model::{
    BLOCK_NS, MESSAGE_IN_NS, MESSAGE_OUT_NS, MS, NAME_BYTES, Ns, SIGN_NS, SIGNATURE_NS, TRANSFER_AGAIN_NS,
    TRANSFER_BYTES, TRANSFER_FINAL_NS, TRANSFER_IN_NS, TRANSFER_JUDGED_NS, transmission_ns, verify_ns, wire_bytes,
};
use crate::world::{MESH, Setup};

/// The regions, so that the first few are far apart. Node i is in region i mod 10.
pub(crate) const REGIONS: [&str; 10] =
    ["Washington DC", "Frankfurt", "Tokyo", "Sydney", "São Paulo", "Dallas", "London", "Osaka", "Toronto", "Madrid"];

/// Round trips between regions in milliseconds: what IBM Cloud published as the averages of 17 August to 15 September 2024 of its
/// own network (repository `ibm-cloud-docs/vpc`, `_include-segments/network-latency.md`), the mean of both directions. On the
/// diagonal: between zones of one region.
const ROUND_TRIPS_MS: [[f64; 10]; 10] = [
    [2.2, 91.0, 165.0, 215.0, 118.0, 31.5, 75.5, 174.0, 19.5, 89.0],
    [91.0, 2.2, 229.5, 250.0, 197.5, 123.0, 13.0, 232.0, 92.5, 29.0],
    [165.0, 229.5, 2.2, 115.0, 284.0, 143.0, 242.0, 9.0, 161.5, 256.5],
    [215.0, 250.0, 115.0, 2.2, 327.5, 185.5, 261.0, 122.0, 214.5, 275.0],
    [118.0, 197.5, 284.0, 327.5, 2.2, 145.5, 187.0, 291.0, 130.0, 206.0],
    [31.5, 123.0, 143.0, 185.5, 145.5, 2.2, 113.0, 150.5, 34.0, 119.0],
    [75.5, 13.0, 242.0, 261.0, 187.0, 113.0, 2.2, 244.0, 82.0, 27.0],
    [174.0, 232.0, 9.0, 122.0, 291.0, 150.5, 244.0, 2.2, 168.5, 258.5],
    [19.5, 92.5, 161.5, 214.5, 130.0, 34.0, 82.0, 168.5, 2.2, 109.0],
    [89.0, 29.0, 256.5, 275.0, 206.0, 119.0, 27.0, 258.5, 109.0, 2.2],
];

/// How long a message is under way from one node to another, without jitter and queues; nothing to itself.
pub(crate) fn one_way_ns(from: usize, to: usize) -> Ns {
    if from == to {
        return 0;
    }
    (ROUND_TRIPS_MS[from % 10][to % 10] / 2.0 * MS as f64) as Ns
}

/// Votes that make a certificate.
pub(crate) fn quorum(n: usize) -> usize {
    (n + (n - 1) / 3 + 1).div_ceil(2)
}

/// Members of n that may do as they like.
pub(crate) fn faulty(n: usize) -> usize {
    (n - 1) / 3
}

/// Messages of the three phases of one block, in all: n − 1 proposals, (n − 1)² PREPAREs, n(n − 1) COMMITs.
pub(crate) fn votes_in_all(n: usize) -> f64 {
    let n = n as f64;
    2.0 * n * (n - 1.0)
}

/// When, after the proposal, things happen if nothing but distance takes time.
#[derive(Clone, Debug)]
pub(crate) struct Rounds {
    /// The primary is prepared: it may propose the next block.
    pub(crate) next: Ns,
    /// Final at the primary.
    pub(crate) primary_final: Ns,
    /// Final at each node.
    pub(crate) all_final: Vec<Ns>,
}

/// Of a net whose node 0 is the primary and of which only `speaking` take part. Each proposal leaves `apart` after the one before.
pub(crate) fn rounds(n: usize, speaking: &[usize], apart: Ns, judging: Ns) -> Rounds {
    let quorum = quorum(n);
    let kth = |mut times: Vec<Ns>| {
        times.sort_unstable();
        times[quorum - 1]
    };
    let proposed = |to: usize| if to == 0 { 0 } else { one_way_ns(0, to) + to as Ns * apart + judging };
    let proposed: Vec<Ns> = (0..n).map(proposed).collect();
    // The proposal is the primary's PREPARE.
    let prepared = |at: usize| {
        let heard = |from: &usize| if *from == 0 { proposed[at] } else { proposed[*from] + one_way_ns(*from, at) };
        kth(speaking.iter().map(heard).collect()).max(proposed[at])
    };
    let prepared: Vec<Ns> = (0..n).map(prepared).collect();
    let committed = |at: usize| kth(speaking.iter().map(|from| prepared[*from] + one_way_ns(*from, at)).collect());
    let all_final: Vec<Ns> = (0..n).map(committed).collect();
    Rounds { next: prepared[0], primary_final: all_final[0], all_final }
}

impl Rounds {
    /// The mean over all nodes.
    pub(crate) fn mean_final(&self) -> f64 {
        self.all_final.iter().sum::<Ns>() as f64 / self.all_final.len() as f64
    }
}

/// The least time between two blocks that each resource alone would allow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// With two heights in flight the child of a block is proposed once its parent is prepared and its grandparent final.
    pub(crate) distance: Ns,
    /// Of the primary.
    pub(crate) uplink: Ns,
    /// Of any node.
    pub(crate) processor: Ns,
}

impl Bounds {
    pub(crate) fn of(setup: &Setup) -> Bounds {
        let everybody: Vec<usize> = (0..setup.n).collect();
        let rounds = rounds(setup.n, &everybody, 0, 0);
        let bytes = sent_bytes(setup.n, setup.block);
        Bounds {
            distance: rounds.next.max(rounds.primary_final / 2),
            uplink: transmission_ns(bytes[0] as u64, setup.bits_per_s),
            processor: processor_ns(setup.n, setup.block),
        }
    }

    pub(crate) fn interval(&self) -> Ns {
        self.distance.max(self.uplink).max(self.processor)
    }

    /// Which of them it is.
    pub(crate) fn name(&self) -> &'static str {
        match self.interval() {
            most if most == self.distance => "distance",
            most if most == self.uplink => "up-link",
            _ => "processor",
        }
    }
}

/// Bytes that the primary sends for one block, and those that another sends: votes and proposals, and each transfer once for each
/// neighbour of gossip, and from whoever took it in to all.
pub(crate) fn sent_bytes(n: usize, transfers: u64) -> [f64; 2] {
    let others = (n - 1) as f64;
    let vote = wire_bytes(VOTE_BYTES) as f64;
    // Who passes on has it from one of the others, who may be a neighbour.
    let passed_on = MESH.min(n - 1) as f64 * (others - 1.0) / others;
    let gossip = wire_bytes(transfers * TRANSFER_BYTES) as f64 * others / n as f64 * (1.0 + passed_on);
    [others * (proposal_bytes(transfers) as f64 + vote) + gossip, others * 2.0 * vote + gossip]
}

/// What a backup's processor does for one block.
pub(crate) fn processor_ns(n: usize, transfers: u64) -> Ns {
    let others = n as u64 - 1;
    let votes = 2 * others * (verify_ns(1) + MESSAGE_IN_NS + MESSAGE_OUT_NS) + 2 * SIGN_NS;
    let again = TRANSFER_AGAIN_NS * MESH.min(n - 1) as u64;
    let transfer = SIGNATURE_NS + TRANSFER_IN_NS + TRANSFER_JUDGED_NS + TRANSFER_FINAL_NS + again;
    BLOCK_NS + votes + transfers * transfer
}

/// Bytes of an encoded PREPARE or COMMIT.
const VOTE_BYTES: u64 = 128;

/// Bytes of a proposal on the wire: transfers are named where there are many.
pub(crate) fn proposal_bytes(transfers: u64) -> u64 {
    let each = if transfers > 16 { NAME_BYTES } else { TRANSFER_BYTES };
    wire_bytes(260 + each * transfers)
}

/// As milliseconds.
pub(crate) fn ms(ns: Ns) -> f64 {
    ns as f64 / 1e6
}
