//! All scenarios, in order, and by number.

use crate::sim::dice::Dice;
use crate::sim::options::SimOptionsError;
use std::fmt;

/// Members of every scenario.
pub(super) const MEMBERS: usize = 4;
/// Most rounds.
pub const ROUNDS_MAX: u32 = 7;

/// Who has a twin, and how the net falls apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its number in its space.
    pub number: u64,
    /// Members that run twice, in ascending order; their twins are replicas 4 and on.
    pub twins: Vec<u16>,
    /// For each round, the part in which each replica is.
    pub rounds: Vec<Vec<u8>>,
}

impl Scenario {
    /// The member that each replica is.
    #[must_use]
    pub fn members(&self) -> Vec<u16> {
        (0..MEMBERS as u16).chain(self.twins.iter().copied()).collect()
    }
}

/// As `#12 twin 1 04|13|2 …`: replicas by number, parts apart.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} twins {:?}", self.number, self.twins)?;
        for round in &self.rounds {
            let parts = round.iter().max().copied().unwrap_or(0);
            let of_part = |part: u8| -> String {
                (0..round.len()).filter(|index| round[*index] == part).map(|index| index.to_string()).collect()
            };
            let parts: Vec<String> = (0..=parts).map(of_part).collect();
            write!(f, " {}", parts.join("|"))?;
        }
        Ok(())
    }
}

/// All scenarios of one kind.
#[derive(Clone, Debug)]
pub struct Space {
    rounds: u32,
    /// The sets of members that may have twins.
    twins: Vec<Vec<u16>>,
    /// All ways to part the replicas.
    partitions: Vec<Vec<u8>>,
}

impl Space {
    /// All scenarios of so many rounds, with two parts up to so many, and one twin or two.
    ///
    /// # Errors
    /// With a sentence for the user, when a number is out of range.
    pub fn new(rounds: u32, parts: u8, twins: usize) -> Result<Space, SimOptionsError> {
        if !(1..=ROUNDS_MAX).contains(&rounds) {
            return Err(SimOptionsError(format!("{rounds} views: 1 to {ROUNDS_MAX}")));
        }
        if !(2..=3).contains(&parts) {
            return Err(SimOptionsError(format!("{parts} partitions: 2 or 3")));
        }
        let twins: Vec<Vec<u16>> = match twins {
            1 => (0..MEMBERS as u16).map(|member| vec![member]).collect(),
            2 => (0..MEMBERS as u16).flat_map(|a| (a + 1..MEMBERS as u16).map(move |b| vec![a, b])).collect(),
            _ => return Err(SimOptionsError(format!("{twins} twins: 1 or 2"))),
        };
        let replicas = MEMBERS + twins[0].len();
        let partitions = partitions(replicas).into_iter().filter(|it| {
            let count = it.iter().max().copied().unwrap_or(0) + 1;
            (2..=parts).contains(&count)
        });
        Ok(Space { rounds, twins, partitions: partitions.collect() })
    }

    /// How many numbers there are, mirror images included.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.twins.len() as u64 * (self.partitions.len() as u64).pow(self.rounds)
    }

    /// Never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The scenario of a number; `None` when a lower number is the same with the twins exchanged.
    #[must_use]
    pub fn scenario(&self, number: u64) -> Option<Scenario> {
        let scenario = self.any(number);
        let first = (0..scenario.twins.len()).all(|index| {
            let other: Vec<Vec<u8>> = scenario.rounds.iter().map(|round| exchanged(round, index, &scenario)).collect();
            self.digits(&scenario.rounds) <= self.digits(&other)
        });
        first.then_some(scenario)
    }

    fn any(&self, number: u64) -> Scenario {
        let (ways, mut rest) = (self.partitions.len() as u64, number);
        let mut rounds = Vec::new();
        for _ in 0..self.rounds {
            rounds.push(self.partitions[(rest % ways) as usize].clone());
            rest /= ways;
        }
        let twins = self.twins[(rest % self.twins.len() as u64) as usize].clone();
        Scenario { number, twins, rounds }
    }

    fn digits(&self, rounds: &[Vec<u8>]) -> Vec<usize> {
        let place = |round: &Vec<u8>| self.partitions.iter().position(|it| it == round).expect("it is one of them");
        rounds.iter().map(place).collect()
    }

    /// So many numbers, drawn from a seed; mirror images are replaced by what they mirror, so none is drawn in vain.
    #[must_use]
    pub fn sample(&self, count: u64, seed: u64) -> Vec<u64> {
        let mut dice = Dice::new(seed);
        let mut numbers = Vec::new();
        while (numbers.len() as u64) < count {
            let number = dice.below(self.len());
            if self.scenario(number).is_some() {
                numbers.push(number);
            }
        }
        numbers
    }
}

/// The parts with one member's two replicas exchanged, parts being numbered by their first replica again.
fn exchanged(round: &[u8], twin: usize, scenario: &Scenario) -> Vec<u8> {
    let mut other = round.to_vec();
    other.swap(usize::from(scenario.twins[twin]), MEMBERS + twin);
    renumbered(&other)
}

fn renumbered(parts: &[u8]) -> Vec<u8> {
    let mut seen: Vec<u8> = Vec::new();
    let mut number = |part: &u8| {
        let place = seen.iter().position(|it| it == part).unwrap_or_else(|| {
            seen.push(*part);
            seen.len() - 1
        });
        place as u8
    };
    parts.iter().map(&mut number).collect()
}

/// All ways to part so many replicas, each part numbered by its first replica.
fn partitions(replicas: usize) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = vec![vec![]];
    for _ in 0..replicas {
        let longer = |it: &Vec<u8>| -> Vec<Vec<u8>> {
            let next = it.iter().max().map_or(0, |most| most + 1);
            (0..=next).map(|part| it.iter().copied().chain([part]).collect()).collect()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}
