//! Drafts: transfers that several people sign, each where his keys are, before they are sent.
//!
//! A draft carries the net, the body, and for each input the coin's amount, its lock as far as it is known, the **conditions** that
//! will be revealed (leaves other than keys), and the signatures and preimages so far.
//!
//! **Who has to agree on what.** A signature covers the net, the body, amount and lock of every coin spent, the place of its key in
//! the tree, and which conditions are revealed beside it; it does not cover which *other keys* sign. So a draft fixes the
//! conditions, and with them the branch, when it is made; of a 2 of 3 any two may sign it, in any order.
//!
//! **Whom an offline signer has to trust.** Nobody: amounts and locks are in the digest, so that with a lie about one of them in the
//! file the signatures serve no real coin. What a draft says of itself is checked when it is read ([`Draft::from_text`]), each
//! signature too. Change is what goes back to a lock of the signer's own wallets, whatever the file calls it.
//!
//! [`combine`] is commutative, associative and idempotent, so that files can be mailed around in any order. The text is one
//! for one draft: magic ‖ version u8 ‖ network ‖ body ‖ inputs ‖ checksum, in base64 between two lines.

mod codec;
pub mod create;
pub mod send;
pub mod summary;

pub use codec::{DRAFT_BYTES_MAX, DRAFT_TEXT_BYTES_MAX, DRAFT_VERSION, read};

use crate::locks::policy::satisfy::{Leaf, Missing, PREIMAGE_BYTES, Revealed, SIGNATURE_BYTES, lack_of, reveal};
use crate::locks::policy::{self, satisfy::Means};
use crate::paying::build::Ring;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::{LockHash, NetworkId, TxId, sha256};
use bezant_consensus::ledger::key::{self, PublicKey, Signature};
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::rules::isolated;
use bezant_consensus::ledger::sighash::SighashCommon;
use bezant_consensus::ledger::transaction::{Body, Spend, Transaction, Transfer, Witness};
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// Child indices from the root of a lock.
pub type Path = Vec<u8>;

/// A transfer on its way to be signed. Whatever has this type is consistent: see [`DraftError`] for what is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    network: NetworkId,
    transfer: Transfer,
    inputs: Vec<Input>,
}

/// A coin that a draft spends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// How much it is.
    pub amount: Amount,
    /// Its lock, as far as it is known.
    pub lock: Lock,
    /// Paths of the leaves other than keys that are revealed, ascending.
    pub conditions: Vec<Path>,
    /// By the path of the key.
    pub signatures: BTreeMap<Path, Signature>,
    /// By the path of the hash.
    pub preimages: BTreeMap<Path, [u8; 32]>,
}

/// Why something is no draft, or drafts do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// No text of a draft.
    #[error("this is no draft: {0}")]
    Malformed(String),
    /// The same draft in another text.
    #[error("this is a draft, but not as this program writes it: {0}")]
    NotCanonical(&'static str),
    /// Damage.
    #[error("the draft is damaged: its checksum does not fit")]
    Checksum,
    /// A later version.
    #[error("the draft has version {0}, and this program knows version {DRAFT_VERSION} only")]
    Version(u8),
    /// Another net.
    #[error("the draft is for the net with id {actual}, not {expected}")]
    OtherNet {
        /// Its net.
        actual: NetworkId,
        /// The one that was named.
        expected: NetworkId,
    },
    /// What it does makes no sense.
    #[error("the draft makes no sense: {0}")]
    Body(String),
    /// A lock, condition, signature or preimage that does not belong there.
    #[error("input {input} of the draft: {problem}")]
    Input {
        /// Its index.
        input: usize,
        /// What is wrong.
        problem: String,
    },
    /// Drafts of different transfers.
    #[error("these are drafts of different transfers ({0} and {1})")]
    Different(TxId, TxId),
    /// Drafts of one transfer that say different things of its coins.
    #[error("these drafts say different things of input {0}: its amount, lock or conditions")]
    Contradiction(usize),
}

impl DraftError {
    /// A stable name for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            DraftError::Malformed(_) => "malformed-draft",
            DraftError::NotCanonical(_) => "not-canonical",
            DraftError::Checksum => "damaged-draft",
            DraftError::Version(_) => "draft-version",
            DraftError::OtherNet { .. } => "other-net",
            DraftError::Body(_) | DraftError::Input { .. } => "bad-draft",
            DraftError::Different(..) => "different-drafts",
            DraftError::Contradiction(_) => "contradicting-drafts",
        }
    }
}

impl Draft {
    /// A draft of this transfer, with an input for each of its coins.
    ///
    /// # Errors
    /// When it is not consistent.
    pub fn new(network: NetworkId, transfer: Transfer, inputs: Vec<Input>) -> Result<Draft, DraftError> {
        let draft = Draft { network, transfer, inputs };
        draft.check()?;
        Ok(draft)
    }

    /// The net.
    #[must_use]
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// What it does.
    #[must_use]
    pub fn transfer(&self) -> &Transfer {
        &self.transfer
    }

    /// Its coins, in the order of the transfer's inputs.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The transaction's id, which signatures do not change.
    #[must_use]
    pub fn txid(&self) -> TxId {
        self.body().id()
    }

    fn body(&self) -> Body {
        Body::Transfer(self.transfer.clone())
    }

    fn common(&self) -> SighashCommon {
        let spent: Vec<(Amount, LockHash)> =
            self.inputs.iter().map(|input| (input.amount, input.lock.hash())).collect();
        SighashCommon::new(&self.network, &self.body(), &spent)
    }

    /// What the block's maker gets.
    #[must_use]
    pub fn fee(&self) -> Amount {
        let sum = |amounts: &mut dyn Iterator<Item = Amount>| Amount::checked_sum(amounts).expect("checked");
        let spent = sum(&mut self.inputs.iter().map(|input| input.amount));
        let paid = sum(&mut self.transfer.outputs.iter().map(|output| output.amount));
        spent.checked_sub(paid).expect("checked")
    }

    /// Bytes of the transaction, as far as they can be known: a branch that is known by its hash only counts as a single key.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let sizes = crate::paying::build::sizes();
        let inputs =
            self.inputs.iter().map(|input| policy::satisfy::base_bytes() + input.cheapest().map_or(0, |one| one.bytes));
        sizes.with(inputs.sum(), self.transfer.outputs.len() as u64)
    }

    fn check(&self) -> Result<(), DraftError> {
        let body = |problem: &str| DraftError::Body(problem.to_owned());
        let Transfer { inputs, outputs, .. } = &self.transfer;
        if inputs.is_empty() || outputs.is_empty() {
            return Err(body("it spends or pays nothing"));
        }
        if inputs.len() != self.inputs.len() {
            return Err(body("it does not say of each coin what it is"));
        }
        if inputs.iter().collect::<BTreeSet<_>>().len() != inputs.len() {
            return Err(body("it spends a coin twice"));
        }
        if outputs.iter().any(|output| output.amount == Amount::ZERO) {
            return Err(body("it pays nothing to somebody"));
        }
        let sum = |amounts: &mut dyn Iterator<Item = Amount>| {
            Amount::checked_sum(amounts).ok_or_else(|| body("it has more money than there can be"))
        };
        let spent = sum(&mut self.inputs.iter().map(|input| input.amount))?;
        let paid = sum(&mut outputs.iter().map(|output| output.amount))?;
        spent.checked_sub(paid).ok_or_else(|| body("it pays more than it spends"))?;
        let shape = |(index, input): (usize, &Input)| {
            input.lock.check_shape().map_err(|error| DraftError::Input { input: index, problem: error.to_string() })
        };
        self.inputs.iter().enumerate().try_for_each(shape)?;
        let common = self.common();
        let one = |(index, input): (usize, &Input)| {
            input.check(&common, index).map_err(|problem| DraftError::Input { input: index, problem })
        };
        self.inputs.iter().enumerate().try_for_each(one)
    }

    /// Fills in branches that are known by their hash only, as far as the conditions that the draft fixes leave them of use, and
    /// preimages that its conditions ask for.
    pub fn fill(&mut self, known: &Means) {
        for input in &mut self.inputs {
            let mut filled = Input { lock: policy::fill(&input.lock, &known.locks), ..input.clone() };
            filled.add_preimages(known);
            let usable: BTreeSet<Path> = filled.usable_keys().into_iter().map(|(path, _)| path).collect();
            if filled.cheapest().is_some() && filled.signatures.keys().all(|path| usable.contains(path)) {
                *input = filled;
            } else {
                input.add_preimages(known);
            }
        }
    }

    /// Keys that it may still use and that have not signed.
    #[must_use]
    pub fn unsigned_keys(&self) -> BTreeSet<PublicKey> {
        let of = |input: &Input| {
            let open = input.usable_keys().into_iter().filter(|(path, _)| !input.signatures.contains_key(path));
            open.map(|(_, key)| key).collect::<Vec<_>>()
        };
        self.inputs.iter().flat_map(of).collect()
    }

    /// Signs with every key of the ring that it may use and that has not signed yet; how many signatures that made.
    pub fn sign(&mut self, ring: &Ring<'_>) -> usize {
        let common = self.common();
        let mut made = 0;
        for (index, input) in (0u32..).zip(&mut self.inputs) {
            let revealed = input.conditions_only();
            for (path, key) in input.usable_keys() {
                let Some(key) = ring.get(&key).filter(|_| !input.signatures.contains_key(&path)) else { continue };
                let signature = key.sign(&common.digest(index, &path, &revealed));
                input.signatures.insert(path, signature);
                made += 1;
            }
        }
        made
    }

    /// What is missing, for each input in order; `None` when it can be opened.
    #[must_use]
    pub fn missing(&self) -> Vec<Option<Missing>> {
        self.inputs.iter().map(|input| input.open().err()).collect()
    }

    /// The transaction, once all have signed that must: of more signatures than needed the cheapest, then leftmost ones are taken.
    ///
    /// # Errors
    /// Index of the first input that cannot be opened, and what it lacks.
    pub fn finalize(&self) -> Result<Transaction, (usize, Missing)> {
        let mut witnesses = Vec::with_capacity(self.inputs.len());
        for (index, input) in self.inputs.iter().enumerate() {
            let lock = input.open().map_err(|missing| (index, missing))?.lock;
            let leaves = lock.revealed_leaves();
            let signatures = leaves.iter().filter_map(|(path, _)| input.signatures.get(path).copied()).collect();
            let preimages = leaves.iter().filter_map(|(path, _)| input.preimages.get(path).copied()).collect();
            drop(leaves);
            witnesses.push(Witness::Spend(Spend { amount: input.amount, lock, signatures, preimages }));
        }
        let transaction = Transaction::new(self.body(), witnesses);
        debug_assert!(isolated::verify_transaction(&self.network, &transaction).is_ok());
        Ok(transaction)
    }
}

impl Input {
    /// The leaves, opaque ones too, with their paths.
    fn leaves(&self) -> Vec<(Path, &Lock)> {
        fn walk<'a>(lock: &'a Lock, path: &mut Path, all: &mut Vec<(Path, &'a Lock)>) {
            let Lock::Threshold { of, .. } = lock else {
                all.push((path.clone(), lock));
                return;
            };
            for (index, child) in (0u8..).zip(of) {
                path.push(index);
                walk(child, path, all);
                path.pop();
            }
        }
        let mut all = Vec::new();
        walk(&self.lock, &mut Vec::new(), &mut all);
        all
    }

    /// The cheapest reveal with exactly its conditions and with `wanted`, where `opens` says which keys and hidden branches count.
    fn reveal_with(&self, wanted: Option<&Path>, opens: impl Fn(&[u8], &Lock) -> bool) -> Result<Revealed, Missing> {
        let judge = |path: &[u8], leaf: &Lock| {
            let is_condition = matches!(leaf, Lock::After(_) | Lock::Older(_) | Lock::Hash(_));
            let is_chosen = self.conditions.iter().any(|condition| condition == path);
            if is_condition && !is_chosen || !opens(path, leaf) {
                return Err(lack_of(leaf));
            }
            let bytes = match leaf {
                Lock::Hash(_) => PREIMAGE_BYTES,
                Lock::After(_) | Lock::Older(_) => 0,
                Lock::Key(_) | Lock::Opaque(_) | Lock::Threshold { .. } => SIGNATURE_BYTES,
            };
            Ok(Leaf { bytes, is_wanted: is_condition || wanted.is_some_and(|wanted| wanted == path) })
        };
        let revealed = reveal(&self.lock, &judge)?;
        let expected = self.conditions.len() + usize::from(wanted.is_some());
        if revealed.wanted == expected { Ok(revealed) } else { Err(Missing::Hidden(self.lock.hash())) }
    }

    /// If all keys signed, whoever holds them.
    fn cheapest(&self) -> Option<Revealed> {
        self.reveal_with(None, |_, _| true).ok()
    }

    /// With the signatures and preimages that are there.
    fn open(&self) -> Result<Revealed, Missing> {
        self.reveal_with(None, |path, leaf| match leaf {
            Lock::Key(_) => self.signatures.contains_key(path),
            Lock::Hash(_) => self.preimages.contains_key(path),
            Lock::After(_) | Lock::Older(_) => true,
            Lock::Opaque(_) | Lock::Threshold { .. } => false,
        })
    }

    /// Keys that can sign beside its conditions, with their paths.
    fn usable_keys(&self) -> Vec<(Path, PublicKey)> {
        let usable = |(path, leaf): (Path, &Lock)| match leaf {
            Lock::Key(key) if self.reveal_with(Some(&path), |_, _| true).is_ok() => Some((path, *key)),
            _ => None,
        };
        self.leaves().into_iter().filter_map(usable).collect()
    }

    /// Its lock, with those conditions opaque that are not revealed: what digests are made of.
    fn conditions_only(&self) -> Lock {
        fn walk(lock: &Lock, path: &mut Path, chosen: &[Path]) -> Lock {
            match lock {
                Lock::Threshold { k, of } => {
                    let child = |(index, child): (u8, &Lock)| {
                        path.push(index);
                        let child = walk(child, path, chosen);
                        path.pop();
                        child
                    };
                    Lock::Threshold { k: *k, of: (0u8..).zip(of).map(child).collect() }
                }
                Lock::After(_) | Lock::Older(_) | Lock::Hash(_) if !chosen.contains(path) => Lock::Opaque(lock.hash()),
                other => other.clone(),
            }
        }
        walk(&self.lock, &mut Vec::new(), &self.conditions)
    }

    fn add_preimages(&mut self, known: &Means) {
        let found: Vec<(Path, [u8; 32])> = self
            .leaves()
            .into_iter()
            .filter_map(|(path, leaf)| match leaf {
                Lock::Hash(image) if self.conditions.contains(&path) => Some((path, *known.preimages.get(image)?)),
                _ => None,
            })
            .collect();
        self.preimages.extend(found);
    }

    fn check(&self, common: &SighashCommon, index: usize) -> Result<(), String> {
        let leaves: BTreeMap<Path, &Lock> = self.leaves().into_iter().collect();
        if !self.conditions.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err("its conditions are not in ascending order".to_owned());
        }
        let is_condition =
            |path: &Path| matches!(leaves.get(path), Some(Lock::After(_) | Lock::Older(_) | Lock::Hash(_)));
        if !self.conditions.iter().all(is_condition) {
            return Err("one of its conditions is none".to_owned());
        }
        if self.cheapest().is_none() {
            return Err("nobody can open it with these conditions".to_owned());
        }
        for (path, preimage) in &self.preimages {
            let fits = matches!(leaves.get(path), Some(Lock::Hash(image)) if sha256(preimage) == *image);
            if !fits || !self.conditions.contains(path) {
                return Err("it has a preimage that nothing asks for".to_owned());
            }
        }
        let revealed = self.conditions_only();
        let index = u32::try_from(index).expect("a transfer has at most 1000 inputs");
        let usable: BTreeMap<Path, PublicKey> =
            if self.signatures.is_empty() { BTreeMap::new() } else { self.usable_keys().into_iter().collect() };
        for (path, signature) in &self.signatures {
            let Some(key) = usable.get(path) else {
                return Err("it has a signature where no key can sign".to_owned());
            };
            if !key::verify(key, &common.digest(index, path, &revealed), signature) {
                return Err("it has a signature that is not valid".to_owned());
            }
        }
        Ok(())
    }
}

/// What several files say of one transfer, together: all signatures, preimages and branches. Order and repetition make no difference;
/// of two signatures of one key the smaller is taken.
///
/// # Errors
/// When they are of different transfers, or contradict each other.
///
/// # Panics
/// Without a draft.
pub fn combine(drafts: &[Draft]) -> Result<Draft, DraftError> {
    let (first, others) = drafts.split_first().expect("at least one draft");
    let mut all = first.clone();
    for draft in others {
        if draft.network != all.network || draft.transfer != all.transfer {
            return Err(DraftError::Different(all.txid(), draft.txid()));
        }
        for (index, (one, other)) in all.inputs.iter_mut().zip(&draft.inputs).enumerate() {
            let lock = policy::join(&one.lock, &other.lock);
            let agrees = one.amount == other.amount && one.conditions == other.conditions;
            one.lock = lock.filter(|_| agrees).ok_or(DraftError::Contradiction(index))?;
            for (path, signature) in &other.signatures {
                one.signatures
                    .entry(path.clone())
                    .and_modify(|kept| *kept = (*kept).min(*signature))
                    .or_insert(*signature);
            }
            one.preimages.extend(other.preimages.iter().map(|(path, preimage)| (path.clone(), *preimage)));
        }
    }
    // What fits each alone fits all together, as long as the limits of a lock hold.
    all.check()?;
    Ok(all)
}
