//! From the steps of a file to those that are played.

use super::{ADVANCE_MS_MAX, BLOCKS_AT_ONCE_MAX, HASHRATE_MAX, Reader, Result, TITLE_BYTES_MAX, account};
use crate::net::spec::HASHRATE_DEFAULT;
use crate::net::supervisor::CLOCK_OFFSET_MS_MAX;
use crate::scenario::file::{LinkFile, StepFile};
use crate::scenario::plan::{Action, LieMode, LieTarget, Step};
use crate::scenario::values::Nodes;
use bezant_api::control::{FaultOrder, NodeSettings, ValidatorAction};
use bezant_api::types::EngineName;
use bezant_node_core::lies::{MiningMode, Mode};
use std::collections::BTreeSet;

/// What a field says: to whom, and what.
type Said = (Option<Nodes>, Action);

impl Reader<'_> {
    /// A step, and where it has an end of its own that it is undone.
    pub(super) fn step(&self, number: usize, file: &StepFile) -> Result<Vec<Step>> {
        let at_ms = self.moment("at", file.at.0)?;
        let lasts = file.lasts.map(|span| span.0);
        if lasts == Some(0) {
            return Err("for: at least 1ms".to_owned());
        }
        let (nodes, action) = self.action(file, lasts)?;
        let undoing = undoing_of(&action, lasts.is_some())?;
        let step = Step { at_ms, number, nodes: nodes.clone(), action, is_undoing: false };
        let Some(lasts) = lasts else { return Ok(vec![step]) };
        let until_ms = self.moment("for", at_ms.saturating_add(lasts))?;
        let undo = undoing.map(|action| Step { at_ms: until_ms, number, nodes, action, is_undoing: true });
        Ok(std::iter::once(step).chain(undo).collect())
    }

    fn action(&self, file: &StepFile, for_ms: Option<u64>) -> Result<Said> {
        let mut found: Vec<(&'static str, Result<Said>)> = Vec::new();
        let mut on_nodes = |name: &'static str, nodes: &Option<Nodes>, action: Action| {
            if let Some(nodes) = nodes {
                found.push((name, self.nodes(nodes).map(|nodes| (Some(nodes), action))));
            }
        };
        on_nodes("kill", &file.kill, Action::Kill);
        on_nodes("stop", &file.stop, Action::Stop);
        on_nodes("start", &file.start, Action::Start);
        on_nodes("pause", &file.pause, Action::Pause);
        on_nodes("resume", &file.resume, Action::Resume);
        on_nodes("truth", &file.truth, Action::Truth);
        let mut plain = |name: &'static str, action: Option<Result<Action>>| {
            if let Some(action) = action {
                found.push((name, action.map(|action| (None, action))));
            }
        };
        plain("partition", file.partition.as_ref().map(|groups| self.partition(groups, for_ms)));
        plain("link", file.link.as_ref().map(|link| self.link(link, for_ms)));
        plain("heal", file.heal.map(|heal| yes("heal", heal).map(|()| Action::Heal)));
        plain("clear", file.clear.map(|clear| yes("clear", clear).map(|()| Action::Clear)));
        plain("advance", file.advance.map(|span| self.advance(span.0)));
        plain("mine", file.mine.as_ref().map(|mine| self.mine(mine.node, mine.count)));
        plain("reorg", file.reorg.as_ref().map(|reorg| self.reorg(reorg.node, reorg.depth)));
        plain("add_validator", file.add_validator.map(|node| self.validator(ValidatorAction::Add, node)));
        plain("remove_validator", file.remove_validator.map(|node| self.validator(ValidatorAction::Remove, node)));
        plain("rekey_validator", file.rekey_validator.map(|node| self.validator(ValidatorAction::Rekey, node)));
        plain("twin", file.twin.as_ref().map(|twin| self.twin(twin.node, twin.of)));
        plain("pay", file.pay.as_ref().map(|pay| self.payment_named(&pay.name).map(Action::Pay)));
        if let Some(restart) = &file.restart {
            let checked = self.nodes(&restart.nodes).and_then(|nodes| {
                self.settings(&restart.set)?;
                Ok((Some(nodes), Action::Restart(restart.set.clone())))
            });
            found.push(("restart", checked));
        }
        if let Some(lie) = &file.lie {
            let lies =
                self.nodes(&lie.nodes).and_then(|nodes| Ok((Some(nodes), self.lie(&lie.mode, lie.target.as_deref())?)));
            found.push(("lie", lies));
        }
        if let Some(clock) = &file.clock {
            let offset_ms = clock.offset.0;
            let checked = if offset_ms.unsigned_abs() > CLOCK_OFFSET_MS_MAX.unsigned_abs() {
                Err("offset: a clock is at most 24h ahead of the net's, or behind".to_owned())
            } else {
                self.nodes(&clock.nodes).map(|nodes| (Some(nodes), Action::Clock { offset_ms }))
            };
            found.push(("clock", checked));
        }
        if let Some(hashrate) = &file.hashrate {
            let rate = hashrate.rate;
            let checked = self.only(EngineName::Pow, "a hash rate").and_then(|()| rate_is_possible(rate));
            let checked = checked.and_then(|()| Ok((Some(self.nodes(&hashrate.nodes)?), Action::Hashrate { rate })));
            found.push(("hashrate", checked));
        }
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        match found.len() {
            0 => Err("it says nothing that is to be done".to_owned()),
            1 => {
                let (name, action) = found.remove(0);
                action.map_err(|problem| format!("{name}: {problem}"))
            }
            _ => Err(format!(
                "it says {}; each step does one thing, several may have the same time",
                names.join(" and ")
            )),
        }
    }

    fn partition(&self, groups: &[Vec<usize>], for_ms: Option<u64>) -> Result<Action> {
        let mut seen = BTreeSet::new();
        for node in groups.iter().flatten() {
            if !seen.insert(self.node(*node)?) {
                return Err(format!("node {node} stands in two groups"));
            }
        }
        let rest: Vec<usize> = (0..self.net.count()).filter(|node| !seen.contains(node)).collect();
        let groups: Vec<Vec<usize>> = groups.iter().cloned().chain([rest]).filter(|group| !group.is_empty()).collect();
        if groups.len() < 2 {
            return Err("at least two groups are needed, like [[0, 1], [2, 3]]".to_owned());
        }
        Ok(Action::Partition { groups, for_ms })
    }

    fn link(&self, file: &LinkFile, for_ms: Option<u64>) -> Result<Action> {
        let effects = file.effects();
        effects.check()?;
        let (from, to) = (self.side(file.from.as_ref())?, self.side(file.to.as_ref())?);
        if self.net.count() == 1 || (from.len() == 1 && from == to) {
            return Err("no link is named: a link goes from one node to another".to_owned());
        }
        Ok(Action::Link(FaultOrder { from, to, both: file.both.unwrap_or(false), effects, for_ms }))
    }

    fn lie(&self, mode: &str, target: Option<&str>) -> Result<Action> {
        let mode = if self.is_pow() {
            LieMode::Mining(mode.parse::<MiningMode>().map_err(|error| error.to_string())?)
        } else {
            LieMode::Voting(mode.parse::<Mode>().map_err(|error| error.to_string())?)
        };
        let takes_target = matches!(mode, LieMode::Voting(mode) if mode.takes_target());
        let target = match (takes_target, target) {
            (false, None) => None,
            (false, Some(_)) => return Err(format!("{} takes no target", mode.name())),
            (true, None) => {
                return Err(format!("{} needs a target: an account, or the name of a payment", mode.name()));
            }
            (true, Some(name)) => Some(match account(name) {
                Some(number) => LieTarget::Account(number),
                None => LieTarget::Payment(self.payment_named(name)?),
            }),
        };
        Ok(Action::Lie { mode, target })
    }

    fn settings(&self, settings: &NodeSettings) -> Result<()> {
        if settings.hashrate.is_some() || settings.mines.is_some() {
            self.only(EngineName::Pow, "mining")?;
        }
        settings.hashrate.map_or(Ok(()), rate_is_possible)?;
        if settings.connections.is_some_and(|count| count == 0 || count > 1_000) {
            return Err("connections: 1 to 1000 is expected".to_owned());
        }
        if settings.log.as_ref().is_some_and(|filter| filter.is_empty() || filter.len() > TITLE_BYTES_MAX) {
            return Err("log: a filter like \"debug\" is expected".to_owned());
        }
        Ok(())
    }

    fn advance(&self, ms: u64) -> Result<Action> {
        if ms == 0 || ms > ADVANCE_MS_MAX {
            return Err("from 1ms to 24h is possible".to_owned());
        }
        Ok(Action::Advance { ms })
    }

    fn mine(&self, node: Option<usize>, count: u32) -> Result<Action> {
        if count == 0 || u64::from(count) > BLOCKS_AT_ONCE_MAX {
            return Err(format!("count: 1 to {BLOCKS_AT_ONCE_MAX} blocks are possible"));
        }
        let node = match (self.is_pow(), node) {
            (true, None) => Some(0),
            (false, Some(_)) => return Err("node: under PBFT the primary makes the blocks; leave it out".to_owned()),
            (_, node) => node,
        };
        Ok(Action::Mine { node: node.map(|node| self.node(node)).transpose()?, count })
    }

    fn reorg(&self, node: usize, depth: u64) -> Result<Action> {
        self.only(EngineName::Pow, "a reorg")?;
        if depth == 0 || depth > BLOCKS_AT_ONCE_MAX {
            return Err(format!("depth: 1 to {BLOCKS_AT_ONCE_MAX} blocks are possible"));
        }
        Ok(Action::Reorg { node: self.node(node)?, depth })
    }

    fn validator(&self, action: ValidatorAction, node: usize) -> Result<Action> {
        self.only(EngineName::Pbft, "a validator")?;
        Ok(Action::Validator { action, node: self.node(node)? })
    }

    fn twin(&self, node: usize, of: usize) -> Result<Action> {
        self.only(EngineName::Pbft, "a twin")?;
        if node == of {
            return Err("a node has its own key already".to_owned());
        }
        Ok(Action::Twin { node: self.node(node)?, of: self.node(of)? })
    }
}

/// What undoes an action.
fn undoing_of(action: &Action, is_wanted: bool) -> Result<Option<Action>> {
    Ok(match action {
        Action::Kill | Action::Stop => Some(Action::Start),
        Action::Pause => Some(Action::Resume),
        Action::Lie { .. } => Some(Action::Truth),
        Action::Clock { .. } => Some(Action::Clock { offset_ms: 0 }),
        Action::Hashrate { .. } => Some(Action::Hashrate { rate: HASHRATE_DEFAULT }),
        // These end by themselves.
        Action::Partition { .. } | Action::Link(_) => None,
        _ if is_wanted => return Err("for: this cannot be undone; leave it out".to_owned()),
        _ => None,
    })
}

fn yes(name: &str, value: bool) -> Result<()> {
    if value { Ok(()) } else { Err(format!("{name} = true is expected")) }
}

fn rate_is_possible(rate: u64) -> Result<()> {
    if rate <= HASHRATE_MAX { Ok(()) } else { Err(format!("a hash rate of at most {HASHRATE_MAX} is possible")) }
}
