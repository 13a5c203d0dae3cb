//! From the text of a file to a [`Scenario`], or to one sentence about the first thing that makes no sense.

mod expects;
mod steps;

use crate::net::spec::NODES_MAX;
use crate::scenario::file::{NetFile, ScenarioFile, StepFile};
use crate::scenario::plan::{Action, NetPlan, Payment, Scenario, Step, What};
use crate::scenario::values::Nodes;
use bezant_api::fault::LINK_FAULTS_MAX;
use bezant_api::types::EngineName;

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

fn account(name: &str) -> Option<usize> {
    bezant_wallet::keys::dev::NAMES.iter().position(|account| *account == name)
}

fn unknown_account(name: &str) -> String {
    format!("pay: {name:?} is no account of the net: {}", bezant_wallet::keys::dev::NAMES.join(", "))
}

#[cfg(test)]
mod tests;
