//! What a message, a signature and a transfer cost in the model, and the queues that they wait in. All times are nanoseconds.

/// Nanoseconds.
pub(crate) type Ns = u64;
pub(crate) const US: Ns = 1_000;
pub(crate) const MS: Ns = 1_000_000;
pub(crate) const S: Ns = 1_000_000_000;

/// A signature that is verified alone is `SIGNATURES_NS` + `SIGNATURE_NS` = 43 µs, one of 256 and more 17 µs.
pub(crate) const SIGNATURES_NS: Ns = 26 * US;
pub(crate) const SIGNATURE_NS: Ns = 17 * US;
/// Making a signature.
pub(crate) const SIGN_NS: Ns = 16 * US;
/// A transfer that comes in, besides its signature: decoded and checked 7, network 17, let into the mempool 10 µs.
pub(crate) const TRANSFER_IN_NS: Ns = 34 * US;
/// A transfer in a proposal: chosen by the primary, judged by the others.
pub(crate) const TRANSFER_JUDGED_NS: Ns = 7 * US;
/// A transfer that becomes final: connected 7, written to the state 10 µs.
pub(crate) const TRANSFER_FINAL_NS: Ns = 17 * US;
/// A transfer that gossip brings once more: decrypted and hashed, and no more.
pub(crate) const TRANSFER_AGAIN_NS: Ns = US;
/// A message that comes in: decrypted, decoded, counted by the engine.
pub(crate) const MESSAGE_IN_NS: Ns = 100 * US;
/// One copy of a message that goes out.
pub(crate) const MESSAGE_OUT_NS: Ns = 50 * US;
/// What is done for a block whatever it holds: its rows, its events, the tasks that are woken.
pub(crate) const BLOCK_NS: Ns = 2 * MS;
/// A write that is to be durable, or all that wait for the disk at that moment.
pub(crate) const SYNC_NS: Ns = 350 * US;

/// Bytes of a transfer with one input and two outputs, and of its name.
pub(crate) const TRANSFER_BYTES: u64 = 253;
pub(crate) const NAME_BYTES: u64 = 32;
/// Messages, and transfers, of one peer that are verified together at most.
pub(crate) const BATCH_MESSAGES: usize = 32;
pub(crate) const BATCH_TRANSFERS: u64 = 256;

/// Bytes of a frame on the wire: its length, yamux, Noise, and the headers of TCP and IP for each packet of 1,448 bytes.
pub(crate) fn wire_bytes(encoded: u64) -> u64 {
    let framed = encoded + 4 + 12;
    let sealed = framed + 18 * framed.div_ceil(65_519);
    sealed + 52 * sealed.div_ceil(1_448)
}

/// Verifying so many signatures in one batch.
pub(crate) fn verify_ns(signatures: u64) -> Ns {
    if signatures == 0 { 0 } else { SIGNATURES_NS + signatures * SIGNATURE_NS }
}

/// How long so many bytes take at so many bits a second.
pub(crate) fn transmission_ns(bytes: u64, bits_per_s: u64) -> Ns {
    u64::try_from(u128::from(bytes) * 8 * u128::from(S) / u128::from(bits_per_s)).expect("less than 584 years")
}

/// Something that does one thing after another: a processor, an up-link.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Server {
    free_at: Ns,
    /// Time in which it was not idle.
    pub(crate) busy: Ns,
}

impl Server {
    /// Takes work that is there at `now`; when it will be done.
    pub(crate) fn serve(&mut self, now: Ns, work: Ns) -> Ns {
        self.free_at = self.free_at.max(now) + work;
        self.busy += work;
        self.free_at
    }

    pub(crate) fn free_at(&self) -> Ns {
        self.free_at
    }
}

/// A disk that syncs what waits for it together, one sync after another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Disk {
    /// When the sync under way ends.
    now_until: Ns,
    /// When the one after it ends; the same while nothing waits.
    next_until: Ns,
    /// Syncs so far.
    pub(crate) syncs: u64,
}

impl Disk {
    /// A record is written at `now`, in order; when it is durable.
    pub(crate) fn sync(&mut self, now: Ns) -> Ns {
        if now >= self.next_until {
            self.now_until = now + SYNC_NS;
            self.next_until = self.now_until;
            self.syncs += 1;
        } else if now >= self.now_until {
            // What waited is under way.
            self.now_until = self.next_until;
            self.next_until += SYNC_NS;
            self.syncs += 1;
        } else if self.next_until == self.now_until {
            self.next_until += SYNC_NS;
            self.syncs += 1;
        }
        self.next_until
    }
}

/// Factor a and exponent b with which y = a · x^b fits best: by least squares on logarithms.
pub(crate) fn power_fit(points: &[(f64, f64)]) -> (f64, f64) {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = logs.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = logs.iter().map(|point| (point.0 - x) * (point.0 - x)).sum();
    let exponent = above / below;
    ((y - exponent * x).exp(), exponent)
}
