//! Whether what is expected comes true: each expectation is looked at again and again, until it is judged once.

use crate::scenario::file::Measure;
use crate::scenario::plan::{Expectation, Scenario, What, When, words_of};
use crate::scenario::values::{Amount, Nodes};
use crate::scenario::view::{NetView, NodeView, Place};
use crate::text;
use bezant_api::fault::PPM;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What became of an expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Its number in the file, from 1.
    pub number: usize,
    /// What was expected, in words.
    pub expected: String,
    /// Whether it came true.
    pub passed: bool,
    /// When that was known, milliseconds of scenario time.
    pub at_ms: u64,
    /// What was seen then.
    pub seen: String,
}

/// What one look shows.
struct Look {
    holds: bool,
    seen: String,
}

/// An expectation that is not judged yet.
#[derive(Debug)]
struct Open {
    expectation: Expectation,
    words: String,
    /// What grows or stands, of each node, at the first look.
    before: Option<BTreeMap<usize, u64>>,
}

/// Judges the expectations of one scenario.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    scenario: &'a Scenario,
    open: Vec<Open>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(scenario: &'a Scenario) -> Judge<'a> {
        let open = |expectation: &Expectation| Open {
            words: words(scenario, expectation),
            expectation: expectation.clone(),
            before: None,
        };
        Judge { scenario, open: scenario.expectations.iter().map(open).collect() }
    }

    /// Moments at which it has to look.
    pub(crate) fn moments(scenario: &Scenario) -> BTreeSet<u64> {
        let moments = |expectation: &Expectation| match expectation.when {
            When::At(ms) => [ms, ms],
            When::By { from, by: until } | When::During { from, until } => [from, until],
        };
        scenario.expectations.iter().flat_map(moments).collect()
    }

    /// Looks at the net; what is judged by that.
    pub(crate) fn look(&mut self, view: &NetView) -> Vec<Judgement> {
        let mut judged = Vec::new();
        let scenario = self.scenario;
        self.open.retain_mut(|open| match judge(scenario, open, view) {
            None => true,
            Some((passed, seen)) => {
                let (number, expected) = (open.expectation.number, open.words.clone());
                judged.push(Judgement { number, expected, passed, at_ms: view.at_ms, seen });
                false
            }
        });
        judged
    }

    /// The play has stopped: what was never judged has failed.
    pub(crate) fn give_up(self, at_ms: u64) -> Vec<Judgement> {
        let never = |open: Open| Judgement {
            number: open.expectation.number,
            expected: open.words,
            passed: false,
            at_ms,
            seen: "the play stopped before".to_owned(),
        };
        self.open.into_iter().map(never).collect()
    }
}

fn words(scenario: &Scenario, expectation: &Expectation) -> String {
    let Expectation { when, on, what, .. } = expectation;
    let on = on.as_ref().map(|on| format!(" on {on}")).unwrap_or_default();
    let when = if *when == When::At(scenario.end_ms) { "at the end".to_owned() } else { when.to_string() };
    format!("{}{on} {when}", words_of(what, &scenario.payments))
}

/// Whether it has passed, with what was seen; `None` while that is open.
fn judge(scenario: &Scenario, open: &mut Open, view: &NetView) -> Option<(bool, String)> {
    let Expectation { when, on, what, .. } = &open.expectation;
    let begun = match when {
        When::At(ms) => view.at_ms >= *ms,
        When::By { from, .. } | When::During { from, .. } => view.at_ms >= *from,
    };
    if !begun {
        return None;
    }
    let asked = asked(on.as_ref(), what, view);
    let values = |measure: &Measure| -> BTreeMap<usize, u64> {
        asked.iter().map(|node| (*node, value(&view.nodes[*node], *measure))).collect()
    };
    if let What::Grows(measure) | What::Stands(measure) = what
        && open.before.is_none()
    {
        open.before = Some(values(measure));
        return None;
    }
    let look = match (what, &open.before) {
        (What::Grows(measure), Some(before)) => grows(before, &values(measure)),
        (What::Stands(measure), Some(before)) => stands(before, &values(measure)),
        _ => look(scenario, what, &asked, view),
    };
    match (when, what) {
        (When::By { by, .. }, _) => (look.holds || view.at_ms >= *by).then_some((look.holds, look.seen)),
        (When::At(_), _) => Some((look.holds, look.seen)),
        // Growing needs no more than one look that sees it.
        (When::During { until, .. }, What::Grows(_)) => {
            (look.holds || view.at_ms >= *until).then_some((look.holds, look.seen))
        }
        (When::During { until, .. }, _) => (!look.holds || view.at_ms >= *until).then_some((look.holds, look.seen)),
    }
}

/// Of whom it is expected. Who is not named is asked only if it runs and has never lied.
fn asked(on: Option<&Nodes>, what: &What, view: &NetView) -> Vec<usize> {
    let all = 0..view.nodes.len();
    match on {
        Some(Nodes::Some(nodes)) => nodes.clone(),
        Some(Nodes::All) => all.collect(),
        Some(Nodes::Primary) | None => {
            // What was seen once stays seen, also by who is down now.
            let remembers = matches!(what, What::ReorgMin(_) | What::FinalityBroken(_) | What::Left(_));
            all.filter(|node| (remembers || view.nodes[*node].up) && !view.nodes[*node].is_tainted).collect()
        }
    }
}

fn value(node: &NodeView, measure: Measure) -> u64 {
    match measure {
        Measure::Final => node.final_height,
        Measure::Height => node.height,
    }
}

fn moves(before: &BTreeMap<usize, u64>, now: &BTreeMap<usize, u64>) -> String {
    let one = |(node, from): (&usize, &u64)| now.get(node).map(|to| format!("node{node} {from} → {to}"));
    before.iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

/// Who was asked at first and is gone since is not asked any more.
fn grows(before: &BTreeMap<usize, u64>, now: &BTreeMap<usize, u64>) -> Look {
    let has_grown = |(node, from): (&usize, &u64)| now.get(node).is_none_or(|to| to > from);
    let is_asked = before.keys().any(|node| now.contains_key(node));
    Look { holds: is_asked && before.iter().all(has_grown), seen: moves(before, now) }
}

fn stands(before: &BTreeMap<usize, u64>, now: &BTreeMap<usize, u64>) -> Look {
    let stands = |(node, from): (&usize, &u64)| now.get(node).is_none_or(|to| to == from);
    Look { holds: before.iter().all(stands), seen: moves(before, now) }
}

/// All of those asked, each with what is seen of it. Nobody to be asked is a failure.
fn all(asked: &[usize], view: &NetView, of: impl Fn(&NodeView) -> (bool, String)) -> Look {
    let looks: Vec<(bool, String)> = asked
        .iter()
        .map(|node| {
            let (holds, seen) = of(&view.nodes[*node]);
            let is_up = view.nodes[*node].up;
            (holds && is_up, format!("node{node} {}", if is_up { seen } else { "is down".to_owned() }))
        })
        .collect();
    let seen = looks.iter().map(|(_, seen)| seen.clone()).collect::<Vec<_>>().join(", ");
    let seen = if looks.is_empty() { "no node can be asked".to_owned() } else { seen };
    Look { holds: !looks.is_empty() && looks.iter().all(|(holds, _)| *holds), seen }
}

/// One of those asked is enough, down or not.
fn any(asked: &[usize], view: &NetView, wanted: bool, of: impl Fn(&NodeView) -> bool, what: &str) -> Look {
    let those: Vec<usize> = asked.iter().copied().filter(|node| of(&view.nodes[*node])).collect();
    let seen = if those.is_empty() {
        format!("{what} on no node")
    } else {
        format!("{what} on {}", Nodes::Some(those.clone()))
    };
    Look { holds: those.is_empty() != wanted, seen }
}

fn look(scenario: &Scenario, what: &What, asked: &[usize], view: &NetView) -> Look {
    let names = |numbers: &[usize]| {
        let name = |number: &usize| scenario.payments[*number].name.clone().unwrap_or_default();
        numbers.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let placed = |numbers: &[usize], is_right: fn(Place) -> bool| {
        all(asked, view, |node| {
            let place = |number: &usize| node.book.places.get(number).copied().unwrap_or_default();
            let wrong: Vec<usize> = numbers.iter().copied().filter(|number| !is_right(place(number))).collect();
            let holds = wrong.is_empty();
            let of = if holds { numbers } else { &wrong[..] };
            let words = |place: Place| match place {
                Place::Missing => "is not in its chain",
                Place::Included => "is in its chain",
                Place::Final => "is final",
            };
            let seen: Vec<String> =
                of.iter().map(|number| format!("{} {}", names(&[*number]), words(place(number)))).collect();
            (holds, format!("({})", seen.join("; ")))
        })
    };
    match what {
        What::ViewMin(least) => all(asked, view, |node| (node.view >= *least, format!("in view {}", node.view))),
        What::ViewMax(most) => all(asked, view, |node| (node.view <= *most, format!("in view {}", node.view))),
        What::EpochMin(least) => all(asked, view, |node| (node.epoch >= *least, format!("in epoch {}", node.epoch))),
        What::HeightMin(least) => all(asked, view, |node| (node.height >= *least, format!("at {}", node.height))),
        What::FinalMin(least) => {
            all(asked, view, |node| (node.final_height >= *least, format!("at {}", node.final_height)))
        }
        What::Grows(_) | What::Stands(_) => unreachable!("compared with the first look"),
        What::Synced(wanted) => synced(scenario, asked, view, *wanted),
        What::Included(numbers) => placed(numbers, |place| place != Place::Missing),
        What::Final(numbers) => placed(numbers, |place| place == Place::Final),
        What::Missing(numbers) => placed(numbers, |place| place == Place::Missing),
        What::OneOf(numbers) => one_of(numbers, asked, view, &names),
        What::TransfersMin(amount) => transfers(scenario, *amount, asked, view),
        What::ReorgMin(least) => {
            let deepest = asked.iter().map(|node| view.nodes[*node].book.reorg_depth).max().unwrap_or(0);
            Look { holds: deepest >= *least, seen: format!("the deepest was {deepest}") }
        }
        What::FinalityBroken(wanted) => {
            any(asked, view, *wanted, |node| node.book.finality_broken, "finality was broken")
        }
        What::Refused(wanted) => any(asked, view, *wanted, |node| node.refused, "a branch is refused"),
        What::Evidence(wanted) => {
            let proven: BTreeSet<usize> = asked.iter().flat_map(|node| view.nodes[*node].evidence.clone()).collect();
            let seen = if proven.is_empty() {
                "none".to_owned()
            } else {
                Nodes::Some(proven.iter().copied().collect()).to_string()
            };
            let holds =
                if wanted.is_empty() { proven.is_empty() } else { wanted.iter().all(|node| proven.contains(node)) };
            Look { holds, seen: format!("proof against {seen}") }
        }
        What::Left(reason) => any(asked, view, true, |node| node.left.contains(reason), &format!("left as {reason:?}")),
        What::ShareMin { node, ppm } => all(asked, view, |asked| {
            let all: u64 = asked.book.mined.values().sum();
            let own = asked.book.mined.get(node).copied().unwrap_or(0);
            let holds = all > 0 && own * u64::from(PPM) >= all * u64::from(*ppm);
            (holds, format!("has {own} of {all}"))
        }),
        What::Voters(wanted) => {
            let voters: Vec<usize> =
                (0..view.nodes.len()).filter(|node| view.nodes[*node].up && view.nodes[*node].votes).collect();
            Look { holds: voters == *wanted, seen: format!("voters: {}", Nodes::Some(voters)) }
        }
        What::Up(nodes) => runs(nodes, view, true),
        What::Down(nodes) => runs(nodes, view, false),
    }
}

fn runs(nodes: &[usize], view: &NetView, wanted: bool) -> Look {
    let word = |node: &usize| if view.nodes[*node].up { "runs" } else { "does not run" };
    let seen: Vec<String> = nodes.iter().map(|node| format!("node{node} {}", word(node))).collect();
    Look { holds: nodes.iter().all(|node| view.nodes[*node].up == wanted), seen: seen.join(", ") }
}

/// Under PBFT what is final grows while it is looked at: one block apart is together.
fn synced(scenario: &Scenario, asked: &[usize], view: &NetView, wanted: bool) -> Look {
    let nodes: Vec<&NodeView> = asked.iter().map(|node| &view.nodes[*node]).filter(|node| node.up).collect();
    let tips: BTreeSet<_> = nodes.iter().map(|node| node.tip).collect();
    let finals = nodes.iter().map(|node| node.final_height);
    let (least, most) = (finals.clone().min().unwrap_or(0), finals.max().unwrap_or(0));
    let (is_synced, seen) = match scenario.net.engine {
        bezant_api::types::EngineName::Pow => (tips.len() == 1, text::count(tips.len(), "tip")),
        bezant_api::types::EngineName::Pbft => (most - least <= 1, format!("final heights {least} to {most}")),
    };
    Look { holds: !nodes.is_empty() && is_synced == wanted, seen }
}

fn one_of(numbers: &[usize], asked: &[usize], view: &NetView, names: &impl Fn(&[usize]) -> String) -> Look {
    let finals = |node: &NodeView| -> Vec<usize> {
        numbers.iter().copied().filter(|number| node.book.places.get(number) == Some(&Place::Final)).collect()
    };
    let each: Vec<Vec<usize>> = asked.iter().map(|node| finals(&view.nodes[*node])).collect();
    let is_one = each.first().is_some_and(|first| first.len() == 1 && each.iter().all(|other| other == first));
    let seen = if is_one {
        format!("{} is", names(&each[0]))
    } else {
        let one = |(node, finals): (&usize, &Vec<usize>)| format!("node{node} ({})", names(finals));
        format!("final on {}", asked.iter().zip(&each).map(one).collect::<Vec<_>>().join(", "))
    };
    Look { holds: is_one, seen }
}

/// Those that were due until now and are final on every node that is asked.
fn transfers(scenario: &Scenario, amount: Amount, asked: &[usize], view: &NetView) -> Look {
    let is_due = |payment: &&crate::scenario::plan::Payment| payment.name.is_none() && payment.at_ms <= view.at_ms;
    let due = scenario.payments.iter().filter(is_due).count() as u64;
    let mut everywhere: Option<BTreeSet<usize>> = None;
    for node in asked {
        let here = &view.nodes[*node].book.transfers;
        everywhere = Some(match everywhere {
            None => here.clone(),
            Some(others) => others.intersection(here).copied().collect(),
        });
    }
    let done = everywhere.unwrap_or_default().len() as u64;
    let holds = match amount {
        Amount::Count(least) => done >= least,
        Amount::Share(ppm) => due > 0 && done * u64::from(PPM) >= due * u64::from(ppm),
    };
    let share = (done * u64::from(PPM)).checked_div(due).map(|ppm| ppm as u32 / 10_000 * 10_000);
    let share = share.map(|ppm| format!(" ({})", text::share(ppm))).unwrap_or_default();
    Look { holds, seen: format!("{done} of {due}{share}") }
}

#[cfg(test)]
mod tests;
