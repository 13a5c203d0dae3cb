//! Who decides in later epochs: proved from the genesis on, by what nodes tell and nobody has to believe.

use super::{Client, ClientError};
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::units::Epoch;
use bezant_consensus::message::epoch::Succession;
use bezant_consensus::verify::Verifier;

/// Why the members of an epoch were not learned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// No node answers, or it refuses: one of proof of work, for example.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The node knows no such epoch, or keeps it to itself.
    #[error("the node does not say how epoch {0} began")]
    Missing(u64),
    /// What the node says proves nothing.
    #[error("the node does not prove how epoch {epoch} began: {reason}")]
    Unproved {
        /// Which epoch.
        epoch: u64,
        /// What is wrong with the proof.
        reason: String,
    },
}

impl Client {
    /// Lets a verifier learn the members of all epochs up to this one. Nothing is believed unproved: each succession has to be
    /// sealed by a quorum of the epoch before, the first by one of the genesis. What the verifier knows is not asked again.
    /// Returns what was learned, in order: for a verifier that knew the genesis alone, all that leads to that epoch.
    ///
    /// # Errors
    /// When a node does not say, or its proofs prove nothing; epochs proved before that are known then.
    pub async fn follow_epochs(&self, verifier: &mut Verifier, up_to: Epoch) -> Result<Vec<Succession>, FollowError> {
        let mut learned = Vec::new();
        let mut next = 0;
        while next <= up_to.0 {
            if verifier.set_of(Epoch(next)).is_ok() {
                next += 1;
                continue;
            }
            let view = self.epochs(next).await?;
            if view.successions.is_empty() {
                return Err(FollowError::Missing(next));
            }
            for text in &view.successions {
                if next > up_to.0 {
                    break;
                }
                let succession = follow(verifier, Epoch(next), text);
                learned.push(succession.map_err(|reason| FollowError::Unproved { epoch: next, reason })?);
                next += 1;
            }
        }
        Ok(learned)
    }
}

/// Only the epoch that is wanted: whoever is told of the others again and again gets nowhere.
fn follow(verifier: &mut Verifier, wanted: Epoch, text: &str) -> Result<Succession, String> {
    let bytes = hex::decode(text).map_err(|error| error.to_string())?;
    let succession: Succession = decode(&bytes).map_err(|error| error.to_string())?;
    if succession.epoch() != wanted {
        return Err(format!("it tells of epoch {}", succession.epoch().0));
    }
    verifier.follow(std::slice::from_ref(&succession)).map_err(|error| error.to_string())?;
    Ok(succession)
}
