//! From the text of a file to a [`Scenario`], or to one sentence about the first thing that makes no sense.

use crate::net::spec::{HASHRATE_DEFAULT, NODES_MAX};
use crate::net::supervisor::CLOCK_OFFSET_MS_MAX;
use crate::scenario::file::{ExpectFile, LinkFile, NetFile, ScenarioFile, StepFile};
use crate::scenario::plan::{Action, Expectation, LieMode, LieTarget, NetPlan, Payment, Scenario, Step, What, When};
use crate::scenario::values::Nodes;
use bezant_api::control::{FaultOrder, ValidatorAction};
use bezant_api::fault::LINK_FAULTS_MAX;
use bezant_api::types::EngineName;
use bezant_node_core::lies::{MiningMode, Mode};
use std::collections::BTreeSet;

/// Bytes of a scenario file.
pub(crate) const FILE_BYTES_MAX: usize = 256 * 1024;
/// Steps of a scenario.
pub(crate) const STEPS_MAX: usize = 500;
/// Expectations of a scenario.
pub(crate) const EXPECTATIONS_MAX: usize = 200;
/// Length of a scenario, milliseconds: one hour.
pub(crate) const END_MS_MAX: u64 = 3_600_000;
/// Payments and transfers of a scenario.
pub(crate) const PAYMENTS_MAX: usize = 5_000;
/// Bytes of a title.
pub(crate) const TITLE_BYTES_MAX: usize = 100;
/// Bytes of a payment's name.
pub(crate) const NAME_BYTES_MAX: usize = 32;
/// Hashes a second of a miner: more would be the machine's limit, not the scenario's.
pub(crate) const HASHRATE_MAX: u64 = 1_000_000;
/// Blocks at once.
pub(crate) const BLOCKS_AT_ONCE_MAX: u64 = 100;
/// By how much one step may move the net's clock, milliseconds: one day.
pub(crate) const ADVANCE_MS_MAX: u64 = 24 * 3_600_000;
/// Shortest and longest `view_timeout`, milliseconds.
pub(crate) const VIEW_TIMEOUT_MS: (u64, u64) = (50, 60_000);

/// Why a file is no scenario: where, what, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scenario {name}: {problem}")]
pub struct ScenarioError {
    /// The scenario.
    pub name: String,
    /// In a sentence.
    pub problem: String,
}

type Result<T> = std::result::Result<T, String>;

impl Scenario {
    /// Reads a file's text.
    ///
    /// # Errors
    /// When it is too long, malformed, says something that is not known, or something that makes no sense.
    pub fn parse(name: &str, text: &str) -> std::result::Result<Scenario, ScenarioError> {
        let fail = |problem: String| ScenarioError { name: name.to_owned(), problem };
        if text.len() > FILE_BYTES_MAX {
            return Err(fail(format!("{} bytes are too many, at most {FILE_BYTES_MAX} are read", text.len())));
        }
        let file: ScenarioFile = toml::from_str(text).map_err(|error| fail(malformed(text, &error)))?;
        Scenario::of(name, file)
    }

    /// Makes sense of a file.
    pub(crate) fn of(name: &str, file: ScenarioFile) -> std::result::Result<Scenario, ScenarioError> {
        let fail = |problem: String| ScenarioError { name: name.to_owned(), problem };
        let title = file.title.clone();
        if title.is_empty() || title.len() > TITLE_BYTES_MAX || title.contains('\n') {
            return Err(fail(format!("title: one line of 1 to {TITLE_BYTES_MAX} bytes is expected")));
        }
        let end_ms = file.end.0;
        if !(1_000..=END_MS_MAX).contains(&end_ms) {
            return Err(fail("end: from 1s to 1h is possible".to_owned()));
        }
        let net = net_plan(&file.net).map_err(|problem| fail(format!("net: {problem}")))?;
        let mut reader = Reader { net: &net, end_ms, payments: Vec::new(), coins: 0 };
        if file.step.len() > STEPS_MAX {
            return Err(fail(format!("{} steps, at most {STEPS_MAX} are possible", file.step.len())));
        }
        if file.expect.len() > EXPECTATIONS_MAX {
            return Err(fail(format!("{} expectations, at most {EXPECTATIONS_MAX} are possible", file.expect.len())));
        }
        // Payments first: lies and expectations name them.
        for (index, step) in file.step.iter().enumerate() {
            reader.payment(step).map_err(|problem| fail(format!("step {}: {problem}", index + 1)))?;
        }
        let mut steps = Vec::new();
        for (index, step) in file.step.iter().enumerate() {
            let read = reader.step(index + 1, step);
            steps.extend(read.map_err(|problem| fail(format!("step {}: {problem}", index + 1)))?);
        }
        steps.sort_by_key(|step: &Step| step.at_ms);
        let links =
            steps.iter().filter(|step| matches!(step.action, Action::Link(_) | Action::Partition { .. })).count();
        if links > LINK_FAULTS_MAX {
            return Err(fail(format!("{links} faults of links, at most {LINK_FAULTS_MAX} are possible")));
        }
        let mut expectations = Vec::new();
        for (index, expect) in file.expect.iter().enumerate() {
            let read = reader.expectation(index + 1, expect);
            expectations.push(read.map_err(|problem| fail(format!("expect {}: {problem}", index + 1)))?);
        }
        reader.load(&file).map_err(|problem| fail(format!("load: {problem}")))?;
        let payments = reader.payments;
        if payments.iter().all(|payment| payment.name.is_some())
            && expectations.iter().any(|it| matches!(it.what, What::TransfersMin(_)))
        {
            return Err(fail("transfers_min is expected, but there is no [load]".to_owned()));
        }
        let (name, about) = (name.to_owned(), file.about.clone());
        Ok(Scenario { name, title, about, end_ms, net, steps, payments, expectations, file })
    }
}

/// The sentence of a TOML error, with the line where it is.
fn malformed(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let message = error.message().replace('\n', ", ");
    match line {
        Some(line) => format!("line {line}: {message}"),
        None => message,
    }
}

fn net_plan(file: &NetFile) -> Result<NetPlan> {
    let NetFile { engine, nodes, observers, view_timeout, checkpoint_interval, final_depth, max_reorg, .. } = *file;
    if nodes == 0 || nodes > NODES_MAX || observers > NODES_MAX || nodes + observers > NODES_MAX {
        return Err(format!("nodes: 1 to {NODES_MAX} are possible, observers included"));
    }
    let is_pow = engine == EngineName::Pow;
    let foreign = [
        ("view_timeout", view_timeout.is_some() && is_pow),
        ("checkpoint_interval", checkpoint_interval.is_some() && is_pow),
        ("final_depth", final_depth.is_some() && !is_pow),
        ("max_reorg", max_reorg.is_some() && !is_pow),
    ];
    if let Some((name, _)) = foreign.iter().find(|(_, is_foreign)| *is_foreign) {
        return Err(format!("{name} means nothing under {engine}; leave it out"));
    }
    let block_time_ms = file.block_time.map_or(if is_pow { 2_000 } else { 0 }, |span| span.0);
    if is_pow && (block_time_ms == 0 || !block_time_ms.is_multiple_of(1_000)) {
        return Err("block_time: whole seconds are needed under proof of work, like \"2s\"".to_owned());
    }
    if block_time_ms > END_MS_MAX {
        return Err("block_time: at most 1h is possible".to_owned());
    }
    let view_timeout_ms = view_timeout.map(|span| span.0);
    if view_timeout_ms.is_some_and(|ms| ms < VIEW_TIMEOUT_MS.0 || ms > VIEW_TIMEOUT_MS.1) {
        return Err("view_timeout: from 50ms to 60s is possible".to_owned());
    }
    let view_timeout_ms = view_timeout_ms.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX));
    if checkpoint_interval == Some(0) || final_depth == Some(0) || max_reorg == Some(0) {
        return Err("checkpoint_interval, final_depth and max_reorg are at least 1".to_owned());
    }
    if max_reorg.is_some_and(|max_reorg| max_reorg < final_depth.unwrap_or(6)) {
        return Err("max_reorg: not below final_depth, which is 6 unless said".to_owned());
    }
    Ok(NetPlan {
        engine,
        nodes,
        observers,
        block_time_ms,
        view_timeout_ms,
        checkpoint_interval,
        final_depth,
        max_reorg,
    })
}

struct Reader<'a> {
    net: &'a NetPlan,
    end_ms: u64,
    payments: Vec<Payment>,
    coins: usize,
}

impl Reader<'_> {
    fn is_pow(&self) -> bool {
        self.net.engine == EngineName::Pow
    }

    /// For an engine only.
    fn only(&self, engine: EngineName, what: &str) -> Result<()> {
        if self.net.engine == engine {
            return Ok(());
        }
        Err(format!("{what} means nothing under {}", self.net.engine))
    }

    fn node(&self, node: usize) -> Result<usize> {
        let count = self.net.count();
        if node < count {
            Ok(node)
        } else {
            Err(format!("there is no node {node}; the net has nodes 0 to {}", count - 1))
        }
    }

    fn each(&self, nodes: &[usize]) -> Result<Vec<usize>> {
        nodes.iter().map(|node| self.node(*node)).collect()
    }

    fn nodes(&self, nodes: &Nodes) -> Result<Nodes> {
        match nodes {
            Nodes::Primary => self.only(EngineName::Pbft, "\"primary\"")?,
            Nodes::Some(list) if list.is_empty() => return Err("an empty list of nodes".to_owned()),
            Nodes::Some(list) => drop(self.each(list)?),
            Nodes::All => {}
        }
        Ok(nodes.clone())
    }

    /// A side of a link: all when empty.
    fn side(&self, nodes: Option<&Nodes>) -> Result<Vec<usize>> {
        match nodes {
            None | Some(Nodes::All) => Ok(Vec::new()),
            Some(Nodes::Primary) => Err("link: \"primary\" is not possible here; name the nodes".to_owned()),
            Some(Nodes::Some(list)) => self.each(list),
        }
    }

    fn moment(&self, what: &str, ms: u64) -> Result<u64> {
        if ms <= self.end_ms { Ok(ms) } else { Err(format!("{what}: this is after the end")) }
    }

    fn payment(&mut self, step: &StepFile) -> Result<()> {
        let Some(pay) = &step.pay else { return Ok(()) };
        let name = pay.name.clone();
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(format!("pay: a name of 1 to {NAME_BYTES_MAX} bytes is expected"));
        }
        if account(&name).is_some() || self.payment_named(&name).is_ok() {
            return Err(format!("pay: the name {name:?} is taken already"));
        }
        let to = pay.to.as_deref().map(|to| account(to).ok_or_else(|| unknown_account(to))).transpose()?;
        let coin = match &pay.against {
            Some(rival) => {
                let rival = self.payment_named(rival).map_err(|problem| format!("pay: against: {problem}"))?;
                self.payments[rival].coin
            }
            None => self.new_coin(),
        };
        let node = self.node(pay.node)?;
        self.payments.push(Payment { name: Some(name), at_ms: step.at.0, node, to, coin });
        Ok(())
    }

    fn new_coin(&mut self) -> usize {
        self.coins += 1;
        self.coins - 1
    }

    fn payment_named(&self, name: &str) -> Result<usize> {
        let found = self.payments.iter().position(|payment| payment.name.as_deref() == Some(name));
        found.ok_or_else(|| {
            format!("there is no payment {name:?}; an earlier step with pay = {{ name = {name:?}, … }} makes one")
        })
    }

    fn payments_named(&self, names: &[String]) -> Result<Vec<usize>> {
        if names.is_empty() {
            return Err("an empty list of payments".to_owned());
        }
        names.iter().map(|name| self.payment_named(name)).collect()
    }

    /// A step, and where it has an end of its own that it is undone.
    fn step(&self, number: usize, file: &StepFile) -> Result<Vec<Step>> {
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

    fn action(&self, file: &StepFile, for_ms: Option<u64>) -> Result<(Option<Nodes>, Action)> {
        let mut found: Vec<(&'static str, Result<(Option<Nodes>, Action)>)> = Vec::new();
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

    fn settings(&self, settings: &bezant_api::control::NodeSettings) -> Result<()> {
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

    fn expectation(&self, number: usize, file: &ExpectFile) -> Result<Expectation> {
        let on = file.on.as_ref().map(|nodes| self.nodes(nodes)).transpose()?;
        let what = self.what(file)?;
        let when = match (file.by, file.at, file.from, file.until) {
            (Some(by), None, from, None) => {
                let (from, by) = (from.unwrap_or_default().0, self.moment("by", by.0)?);
                if from > by {
                    return Err("from is not before by".to_owned());
                }
                When::By { from, by }
            }
            (None, Some(at), None, None) => When::At(self.moment("at", at.0)?),
            (None, None, Some(from), Some(until)) => {
                let (from, until) = (from.0, self.moment("until", until.0)?);
                if from >= until {
                    return Err("from is not before until".to_owned());
                }
                When::During { from, until }
            }
            (None, None, None, None) => When::At(self.end_ms),
            _ => return Err("when: by, from with by, from with until, at, or nothing for the end".to_owned()),
        };
        if matches!(what, What::Grows(_) | What::Stands(_)) && !matches!(when, When::During { .. }) {
            return Err("grows and stands need from and until".to_owned());
        }
        Ok(Expectation { number, when, on, what })
    }

    fn what(&self, file: &ExpectFile) -> Result<What> {
        let pbft = |what: What| self.only(EngineName::Pbft, "this").map(|()| what);
        let pow = |what: What| self.only(EngineName::Pow, "this").map(|()| what);
        let names = |names: &Option<Vec<String>>, what: fn(Vec<usize>) -> What| {
            names.as_ref().map(|names| self.payments_named(names).map(what))
        };
        let all: Vec<(&str, Option<Result<What>>)> = vec![
            ("view_min", file.view_min.map(|view| pbft(What::ViewMin(view)))),
            ("view_max", file.view_max.map(|view| pbft(What::ViewMax(view)))),
            ("epoch_min", file.epoch_min.map(|epoch| pbft(What::EpochMin(epoch)))),
            ("height_min", file.height_min.map(|height| Ok(What::HeightMin(height)))),
            ("final_min", file.final_min.map(|height| Ok(What::FinalMin(height)))),
            ("grows", file.grows.map(|measure| Ok(What::Grows(measure)))),
            ("stands", file.stands.map(|measure| Ok(What::Stands(measure)))),
            ("synced", file.synced.map(|is_synced| Ok(What::Synced(is_synced)))),
            ("included", names(&file.included, What::Included)),
            ("final", names(&file.is_final, What::Final)),
            ("missing", names(&file.missing, What::Missing)),
            ("one_of", names(&file.one_of, What::OneOf)),
            ("transfers_min", file.transfers_min.map(|amount| Ok(What::TransfersMin(amount)))),
            ("reorg_min", file.reorg_min.map(|depth| pow(What::ReorgMin(depth)))),
            ("finality_broken", file.finality_broken.map(|is_broken| pow(What::FinalityBroken(is_broken)))),
            ("refused", file.refused.map(|is_refused| pow(What::Refused(is_refused)))),
            ("evidence", file.evidence.as_ref().map(|nodes| pbft(What::Evidence(self.each(nodes)?)))),
            ("left", file.left.clone().map(|reason| pbft(What::Left(known_reason(reason)?)))),
            (
                "share_min",
                file.share_min.as_ref().map(|it| pow(What::ShareMin { node: self.node(it.node)?, ppm: it.share.0 })),
            ),
            ("voters", file.voters.as_ref().map(|nodes| pbft(What::Voters(sorted(self.each(nodes)?))))),
            ("up", file.up.as_ref().map(|nodes| Ok(What::Up(self.each(nodes)?)))),
            ("down", file.down.as_ref().map(|nodes| Ok(What::Down(self.each(nodes)?)))),
        ];
        let mut said: Vec<(&str, Result<What>)> =
            all.into_iter().filter_map(|(name, what)| what.map(|what| (name, what))).collect();
        match said.len() {
            0 => Err("it says nothing that is expected".to_owned()),
            1 => {
                let (name, what) = said.remove(0);
                what.map_err(|problem| format!("{name}: {problem}"))
            }
            _ => {
                let names: Vec<&str> = said.iter().map(|(name, _)| *name).collect();
                Err(format!("it says {}; each expectation is one thing", names.join(" and ")))
            }
        }
    }

    fn load(&mut self, file: &ScenarioFile) -> Result<()> {
        let Some(load) = &file.load else { return Ok(()) };
        let until = self.moment("until", load.until.map_or(self.end_ms, |span| span.0))?;
        let from = load.from.0;
        if from >= until {
            return Err("from is not before until".to_owned());
        }
        let nodes = match &load.on {
            None | Some(Nodes::All) => (0..self.net.count()).collect(),
            Some(Nodes::Primary) => return Err("on: \"primary\" is not possible here; name the nodes".to_owned()),
            Some(Nodes::Some(nodes)) => match self.nodes(&Nodes::Some(nodes.clone()))? {
                Nodes::Some(nodes) => nodes,
                Nodes::All | Nodes::Primary => unreachable!("a list stays a list"),
            },
        };
        let count = load.rate * (until - from) as f64 / 1_000.0;
        let room = PAYMENTS_MAX - self.payments.len().min(PAYMENTS_MAX);
        if !(count >= 1.0 && count <= room as f64) {
            return Err(format!("rate × time: 1 to {room} transfers are possible"));
        }
        for transfer in 0..count as usize {
            let at_ms = from + (transfer as f64 * 1_000.0 / load.rate) as u64;
            let (node, coin) = (nodes[transfer % nodes.len()], self.new_coin());
            self.payments.push(Payment { name: None, at_ms, node, to: None, coin });
        }
        Ok(())
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

fn account(name: &str) -> Option<usize> {
    bezant_wallet::keys::dev::NAMES.iter().position(|account| *account == name)
}

fn unknown_account(name: &str) -> String {
    format!("pay: {name:?} is no account of the net: {}", bezant_wallet::keys::dev::NAMES.join(", "))
}

fn sorted(mut nodes: Vec<usize>) -> Vec<usize> {
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// The reasons for which a view is left, as `docs/spec/events.md` has them.
const REASONS: [&str; 8] =
    ["no progress", "unfair", "slow", "invalid block", "unchosen block", "two proposals", "no new view", "joined"];

fn known_reason(reason: String) -> Result<String> {
    if REASONS.contains(&reason.as_str()) {
        return Ok(reason);
    }
    Err(format!("{reason:?} is no reason; one of {}", REASONS.join(", ")))
}

#[cfg(test)]
mod tests;
