//! From the expectations of a file to those that are judged.

use super::{Reader, Result};
use crate::scenario::file::ExpectFile;
use crate::scenario::plan::{Expectation, What, When};
use bezant_api::types::EngineName;

impl Reader<'_> {
    pub(super) fn expectation(&self, number: usize, file: &ExpectFile) -> Result<Expectation> {
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
}

fn sorted(mut nodes: Vec<usize>) -> Vec<usize> {
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// The reasons for which a view is left, as `docs/spec/events.md` has them.
const REASONS: [&str; 9] = [
    "no progress",
    "unfair",
    "slow",
    "invalid block",
    "unchosen block",
    "two proposals",
    "two votes",
    "no new view",
    "joined",
];

fn known_reason(reason: String) -> Result<String> {
    if REASONS.contains(&reason.as_str()) {
        return Ok(reason);
    }
    Err(format!("{reason:?} is no reason; one of {}", REASONS.join(", ")))
}
