//! Changes of the members of a running net. The supervisor has everybody's keys, so it signs for a quorum at once; on a net of
//! several owners each would sign the same change with its own.

use super::Supervisor;
use crate::net::error::NetError;
use crate::net::spec;
use bezant_api::client::Client;
use bezant_api::control::ValidatorAction;
use bezant_api::keyfile;
use bezant_api::types::{EngineName, EpochsView};
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::key::{PublicKey, SigningKey};
use bezant_consensus::ledger::transaction::{Transaction, Witness};
use bezant_consensus::ledger::units::Epoch;
use bezant_consensus::pbft::change_of_members;
use std::path::PathBuf;

impl Supervisor {
    /// Adds a node that follows to the members, removes one, or gives one another key: hands in a change that a quorum has
    /// signed. It takes effect at the next checkpoint.
    pub(super) async fn validator(&mut self, action: ValidatorAction, node: usize) -> Result<(), NetError> {
        self.check_index(node)?;
        if self.spec.engine != EngineName::Pbft {
            return Err(NetError::Refused("only PBFT nets have validators".to_owned()));
        }
        let (client, set) = self.present_set().await?;
        let place = self.key_of(node)?.and_then(|key| set.index_of(&key.public()));
        let mut members = set.members.clone();
        let of = |members: Vec<PublicKey>| ValidatorSet { members, ..set.clone() };
        match (action, place) {
            (ValidatorAction::Add, Some(_)) => {
                return Err(NetError::Refused(format!("node{node} is a validator already")));
            }
            (ValidatorAction::Remove | ValidatorAction::Rekey, None) => {
                return Err(NetError::Refused(format!("node{node} is no validator")));
            }
            (ValidatorAction::Remove, Some(_)) if set.n() == 1 => {
                return Err(NetError::Refused("a net without validators decides nothing".to_owned()));
            }
            (ValidatorAction::Remove, Some(place)) => {
                members.remove(usize::from(place));
                self.check_voters(action, node, &set, &of(members.clone())).await?;
            }
            (ValidatorAction::Add, None) => {
                // A key that it does not have yet counts as well as any.
                let present = self.key_of(node)?.map(|key| key.public());
                let next = present.unwrap_or_else(|| SigningKey::from_seed(&spec::random_bytes()).public());
                let after = [&members[..], &[next]].concat();
                self.check_voters(action, node, &set, &of(after)).await?;
                let key = match present {
                    Some(key) => key,
                    None => self.give_key(node).await?,
                };
                members.push(key);
            }
            (ValidatorAction::Rekey, Some(place)) => {
                self.check_voters(action, node, &set, &set).await?;
                // The old key signs the change too, if it is needed for a quorum, so it goes only afterwards.
                let key = SigningKey::from_seed(&spec::random_bytes());
                members[usize::from(place)] = key.public();
                self.hand_in(&client, &set, members).await?;
                return self.replace_key(node, &key).await;
            }
        }
        self.hand_in(&client, &set, members).await
    }

    async fn hand_in(&self, client: &Client, set: &ValidatorSet, members: Vec<PublicKey>) -> Result<(), NetError> {
        let (body, digest) = change_of_members(set, members);
        let keys = (0..self.slots.len()).map(|node| self.key_of(node)).collect::<Result<Vec<_>, _>>()?;
        let mut witnesses: Vec<(u16, Witness)> = keys
            .iter()
            .flatten()
            .filter_map(|key| Some((set.index_of(&key.public())?, key)))
            .map(|(member, key)| (member, Witness::Member { member, signature: key.sign(&digest) }))
            .collect();
        witnesses.sort_by_key(|(member, _)| *member);
        witnesses.truncate(set.quorum());
        let witnesses = witnesses.into_iter().map(|(_, witness)| witness).collect();
        let change = hex::encode(encode(&Transaction::new(body, witnesses)));
        let refused = |error: bezant_api::client::ClientError| NetError::Refused(error.to_string());
        client.submit(change).await.map(drop).map_err(refused)
    }

    /// The members as the node says that is furthest, and that node.
    async fn present_set(&self) -> Result<(Client, ValidatorSet), NetError> {
        let genesis = self.genesis().ok_or_else(|| NetError::Refused("the net's genesis cannot be read".to_owned()))?;
        let mut best: Option<(Client, EpochsView)> = None;
        for node in (0..self.slots.len()).filter(|node| self.slots[*node].is_running()) {
            let Ok(client) = Client::of_one(&self.node_entry(node).rpc) else { continue };
            if let Ok(view) = client.epochs(u64::MAX).await
                && best.as_ref().is_none_or(|(_, found)| found.epoch < view.epoch)
            {
                best = Some((client, view));
            }
        }
        let (client, view) = best.ok_or_else(|| NetError::Unreachable(self.spec.net.clone()))?;
        let members = view.members.iter().map(|text| text.parse()).collect::<Result<Vec<PublicKey>, _>>();
        let members = members.map_err(|_| NetError::Refused("a node names a member that is no key".to_owned()))?;
        Ok((client, ValidatorSet { network: genesis.network_id(), epoch: Epoch(view.epoch), members }))
    }

    fn key_path(&self, node: usize) -> PathBuf {
        spec::node_dir(&self.dir, node).join("validator.key")
    }

    pub(super) fn key_of(&self, node: usize) -> Result<Option<SigningKey>, NetError> {
        let path = self.key_path(node);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(NetError::Io { path, error }),
        };
        let key = keyfile::key(&text).ok_or(NetError::Damaged { path, reason: "it holds no key".to_owned() })?;
        Ok(Some(key))
    }

    /// Makes a key for a node that had none, with which it starts again.
    async fn give_key(&mut self, node: usize) -> Result<PublicKey, NetError> {
        let key = SigningKey::from_seed(&spec::random_bytes());
        self.replace_key(node, &key).await?;
        Ok(key.public())
    }

    pub(super) async fn replace_key(&mut self, node: usize, key: &SigningKey) -> Result<(), NetError> {
        let was_running = self.slots[node].is_running();
        if was_running {
            self.stop(node).await?;
        }
        spec::write_key(&self.key_path(node), key)?;
        self.spec.members[node].validator = Some(key.public().to_string());
        self.spec.write(&self.dir)?;
        if was_running { self.restart(node).await } else { Ok(()) }
    }
}
