//! The view-change rule with its window, checked exhaustively at small size: four members, one of whom lies as it likes, a few
//! heights and views. Every order of every step that the rules allow is visited; in no state may two commit certificates
//! contradict each other. With one rule taken out, the search finds a way to a fork.
//!
//! # What is left out, and why nothing is lost
//! - Messages: a replica may act on any votes that were ever cast, or on none of them, in any order.
//! - The liar: all that it could say is taken as said. It votes for everything, and its VIEW-CHANGE carries any certificates
//!   that can be made of the votes cast, or none. As a primary it proposes everything, and begins its view differently for
//!   everyone.
//! - Blocks: each height has two, one above the other of two chains, A and B. Every fork is one between chains that part
//!   somewhere, so at the first height at which it matters they are A and B.
//! - Being prepared and COMMIT are one step: a replica that is prepared and does not say COMMIT does less.
//!
//! `BEZANT_MODEL=full` searches the larger spaces too, which take minutes and gigabytes. A link across views needs four views
//! and two heights to do harm, which is out of reach here: `traces::trace_2` of the engine's tests does it by hand.

use std::collections::VecDeque;

/// Members that do not lie, by place in a state.
const CORRECT: usize = 3;
/// Votes needed.
const QUORUM: usize = 3;

/// A rule that is taken out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mistake {
    /// A primary proposes above what it is not prepared on.
    UnboundPrimary,
    /// A new view takes any certificate of a height, not the one of the highest view.
    AnyCertificate,
    /// A replica votes for what its view did not choose.
    IgnoreChoice,
    /// A replica votes at and below the base of its view.
    VoteBelowBase,
    /// A replica votes in a view that it has left.
    ForgetViews,
}

/// The size of the world.
#[derive(Clone, Copy, Debug)]
struct World {
    heights: u8,
    views: u8,
    depth: u8,
    /// The member that lies.
    liar: u8,
    mistake: Option<Mistake>,
}

/// One of the two chains; 0 stands for none.
type Chain = u8;
const CHAINS: [Chain; 2] = [1, 2];

/// What a view begins with: the base, its chain (0 at height 0), and up to which height chain `chain` was chosen above it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
struct Choice {
    base: u8,
    chain: Chain,
    top: u8,
}

const VIEWS_MAX: usize = 4;
const HEIGHTS_MAX: usize = 3;

/// A correct replica.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Replica {
    view: u8,
    active: bool,
    /// The highest commit certificate known: height and chain.
    high: (u8, Chain),
    choice: Choice,
    /// PRE-PREPARE or PREPARE, by view and height.
    prepares: [[Chain; HEIGHTS_MAX]; VIEWS_MAX],
    /// Being prepared, and COMMIT.
    commits: [[Chain; HEIGHTS_MAX]; VIEWS_MAX],
    /// The height and chain of the certificate in its VIEW-CHANGE for a view, once it has sent one.
    changes: [Option<(u8, Chain)>; VIEWS_MAX],
}

/// Everything that the future depends on.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct State {
    replicas: [Replica; CORRECT],
    /// With what the views of correct primaries have begun.
    begun: [Option<Choice>; VIEWS_MAX],
}

type Packed = [u128; 2];

struct Packer {
    bits: Packed,
    at: u32,
}

impl Packer {
    fn put(&mut self, value: u8, width: u32) {
        assert!(u32::from(value) < 1 << width, "the value fits its place");
        // No value lies across the middle.
        let (half, shift) = if self.at + width <= 128 { (0, self.at) } else { (1, self.at.max(128) - 128) };
        self.bits[half] |= u128::from(value) << shift;
        self.at = if half == 0 { self.at + width } else { self.at.max(128) + width };
        assert!(self.at <= 256, "the state fits");
    }
}

impl State {
    fn pack(&self, world: &World) -> Packed {
        let mut packer = Packer { bits: [0; 2], at: 0 };
        let choice = |packer: &mut Packer, choice: Choice| {
            packer.put(choice.base, 2);
            packer.put(choice.chain, 2);
            packer.put(choice.top, 2);
        };
        for replica in &self.replicas {
            packer.put(replica.view, 2);
            packer.put(u8::from(replica.active), 1);
            packer.put(replica.high.0 * 3 + replica.high.1, 4);
            choice(&mut packer, replica.choice);
            for view in 0..usize::from(world.views) {
                for height in 0..usize::from(world.heights) {
                    packer.put(replica.prepares[view][height] * 3 + replica.commits[view][height], 4);
                }
                if view > 0 {
                    packer.put(replica.changes[view].map_or(15, |(height, chain)| height * 3 + chain), 4);
                }
            }
        }
        for begun in &self.begun[1..usize::from(world.views)] {
            packer.put(u8::from(begun.is_some()), 1);
            choice(&mut packer, begun.unwrap_or_default());
        }
        packer.bits
    }
}

/// The states seen: open addressing over a table that doubles.
struct Seen {
    table: Vec<Packed>,
    len: usize,
}

/// No state packs to this: a view is never so high.
const EMPTY: Packed = [u128::MAX; 2];

impl Seen {
    fn new() -> Seen {
        Seen { table: vec![EMPTY; 1 << 12], len: 0 }
    }

    fn place(&self, packed: Packed) -> usize {
        let mut mixed = 0u64;
        for half in packed {
            for word in [half as u64, (half >> 64) as u64] {
                mixed = (mixed ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                mixed ^= mixed >> 29;
            }
        }
        let mask = self.table.len() - 1;
        let mut place = mixed as usize & mask;
        while self.table[place] != EMPTY && self.table[place] != packed {
            place = (place + 1) & mask;
        }
        place
    }

    /// False when it was there.
    fn insert(&mut self, packed: Packed) -> bool {
        if self.len * 4 > self.table.len() * 3 {
            let doubled = vec![EMPTY; self.table.len() * 2];
            let old = std::mem::replace(&mut self.table, doubled);
            for packed in old.into_iter().filter(|packed| *packed != EMPTY) {
                let place = self.place(packed);
                self.table[place] = packed;
            }
        }
        let place = self.place(packed);
        let is_new = self.table[place] == EMPTY;
        self.table[place] = packed;
        self.len += usize::from(is_new);
        is_new
    }
}

impl World {
    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// The member at a place among the correct ones.
    fn member(&self, place: usize) -> u8 {
        let place = place as u8;
        if place < self.liar { place } else { place + 1 }
    }

    fn primary(&self, view: u8) -> u8 {
        view % 4
    }

    /// The place of a view's primary, if it is correct.
    fn primary_place(&self, view: u8) -> Option<usize> {
        (0..CORRECT).find(|place| self.member(*place) == self.primary(view))
    }

    fn is_primary(&self, place: usize, view: u8) -> bool {
        self.member(place) == self.primary(view)
    }

    /// Whether a prepared certificate can be made: the liar's vote is always to be had.
    fn is_prepared(&self, state: &State, view: u8, height: u8, chain: Chain) -> bool {
        let votes = |replica: &Replica| replica.prepares[usize::from(view)][usize::from(height) - 1] == chain;
        let proposed = self.primary_place(view).is_none_or(|place| votes(&state.replicas[place]));
        proposed && state.replicas.iter().filter(|it| votes(it)).count() + 1 >= QUORUM
    }

    fn is_committed(&self, state: &State, height: u8, chain: Chain) -> bool {
        let votes = |replica: &&Replica, view: u8| replica.commits[usize::from(view)][usize::from(height) - 1] == chain;
        (0..self.views).any(|view| state.replicas.iter().filter(|it| votes(it, view)).count() + 1 >= QUORUM)
    }

    fn forks(&self, state: &State) -> bool {
        let any = |chain| (1..=self.heights).any(|height| self.is_committed(state, height, chain));
        any(1) && any(2)
    }

    fn start(&self) -> State {
        let mut state = State::default();
        state.replicas.iter_mut().for_each(|replica| replica.active = true);
        state
    }

    fn successors(&self, state: &State) -> Vec<State> {
        let mut next = Vec::new();
        for place in 0..CORRECT {
            self.learn(state, place, &mut next);
            self.vote(state, place, &mut next);
            self.leave(state, place, &mut next);
            self.enter(state, place, &mut next);
        }
        next
    }

    fn learn(&self, state: &State, place: usize, next: &mut Vec<State>) {
        for height in state.replicas[place].high.0 + 1..=self.heights {
            for chain in CHAINS.into_iter().filter(|chain| self.is_committed(state, height, *chain)) {
                let mut other = *state;
                other.replicas[place].high = (height, chain);
                next.push(other);
            }
        }
    }

    fn is_open(&self, replica: &Replica, height: u8, chain: Chain) -> bool {
        let Choice { base, chain: chosen, top } = replica.choice;
        let above = height > base || self.has(Mistake::VoteBelowBase);
        let fits = height <= base || height > top || chain == chosen || self.has(Mistake::IgnoreChoice);
        replica.active && above && fits && height <= replica.high.0 + self.depth
    }

    fn is_linked(&self, replica: &Replica, view: u8, height: u8, chain: Chain) -> bool {
        let is_prepared = || replica.commits[usize::from(view)][usize::from(height) - 2] == chain;
        height == 1 || replica.high == (height - 1, chain) || is_prepared()
    }

    fn vote(&self, state: &State, place: usize, next: &mut Vec<State>) {
        let replica = &state.replicas[place];
        let views = if self.has(Mistake::ForgetViews) { 0..=replica.view } else { replica.view..=replica.view };
        for view in views {
            // What a crash has forgotten, it has forgotten whole.
            let replica = if view < replica.view {
                Replica { active: true, choice: Choice::default(), ..*replica }
            } else {
                *replica
            };
            for height in 1..=self.heights {
                for chain in CHAINS {
                    self.vote_on(state, place, &replica, (view, height, chain), next);
                }
            }
        }
    }

    fn vote_on(
        &self,
        state: &State,
        place: usize,
        replica: &Replica,
        (view, height, chain): (u8, u8, Chain),
        next: &mut Vec<State>,
    ) {
        if !self.is_open(replica, height, chain) {
            return;
        }
        let (at, of) = (usize::from(height) - 1, usize::from(view));
        let is_primary = self.is_primary(place, view);
        let is_proposed = match self.primary_place(view) {
            Some(primary) => is_primary || state.replicas[primary].prepares[of][at] == chain,
            None => true,
        };
        let is_linked = self.is_linked(replica, view, height, chain) || is_primary && self.has(Mistake::UnboundPrimary);
        if replica.prepares[of][at] == 0 && is_proposed && is_linked {
            let mut other = *state;
            other.replicas[place].prepares[of][at] = chain;
            next.push(other);
        }
        if replica.commits[of][at] == 0 && self.is_prepared(state, view, height, chain) {
            let mut other = *state;
            other.replicas[place].commits[of][at] = chain;
            next.push(other);
        }
    }

    /// For the next view only, and with a VIEW-CHANGE: who goes further leaves step by step, and who follows a NEW-VIEW
    /// without having left has done no more than one who left just before.
    fn leave(&self, state: &State, place: usize, next: &mut Vec<State>) {
        let view = state.replicas[place].view + 1;
        if view < self.views {
            let mut other = *state;
            let it = &mut other.replicas[place];
            it.view = view;
            it.active = false;
            it.choice = Choice::default();
            it.changes[usize::from(view)] = Some(it.high);
            next.push(other);
        }
    }

    fn enter(&self, state: &State, place: usize, next: &mut Vec<State>) {
        let replica = &state.replicas[place];
        if replica.active {
            return;
        }
        let (view, of) = (replica.view, usize::from(replica.view));
        let is_primary = self.is_primary(place, view);
        let choices = match (self.primary_place(view), state.begun[of]) {
            (Some(_), Some(choice)) => vec![choice],
            (Some(_), None) if !is_primary => vec![],
            (Some(_) | None, _) => self.choices(state, view),
        };
        for choice in choices {
            let mut other = *state;
            let it = &mut other.replicas[place];
            it.active = true;
            it.choice = choice;
            it.high = it.high.max((choice.base, choice.chain));
            if is_primary {
                other.begun[of] = Some(choice);
            }
            next.push(other);
        }
    }

    /// Forgets what can make no difference any more, and of a state and its mirror image takes one.
    fn settled(&self, mut state: State) -> State {
        for view in 1..self.views {
            let of = usize::from(view);
            let is_in = |it: &Replica| it.view > view || it.view == view && it.active;
            let is_over = state.replicas.iter().all(is_in);
            if is_over || state.begun[of].is_some() {
                state.replicas.iter_mut().for_each(|it| it.changes[of] = None);
            }
            if is_over {
                state.begun[of] = None;
            }
        }
        if !self.has(Mistake::ForgetViews) {
            let last = state.replicas.iter().map(|it| it.view).min().expect("there are three");
            (0..last).for_each(|view| self.bury(&mut state, view));
        }
        let mirrored = mirrored(&state);
        if mirrored.pack(self) < state.pack(self) { mirrored } else { state }
    }

    /// In a view that all have left, PREPAREs matter for the certificates that they make, and COMMITs for those and for being
    /// what a replica was last prepared on.
    fn bury(&self, state: &mut State, view: u8) {
        let of = usize::from(view);
        for height in 1..=self.heights {
            let at = usize::from(height) - 1;
            for chain in CHAINS {
                let is_prepared = self.is_prepared(state, view, height, chain);
                let count = state.replicas.iter().filter(|it| it.commits[of][at] == chain).count();
                for replica in &mut state.replicas {
                    if replica.prepares[of][at] == chain && !is_prepared {
                        replica.prepares[of][at] = 0;
                    }
                    let is_later = replica.commits[of + 1..].iter().any(|later| later[at] != 0);
                    let counts = count + 1 >= QUORUM;
                    if replica.commits[of][at] == chain && is_later && !counts {
                        replica.commits[of][at] = 0;
                    }
                }
            }
        }
    }

    /// All that a view can begin with, given who has left for it and what the liar may add.
    fn choices(&self, state: &State, view: u8) -> Vec<Choice> {
        let of = usize::from(view);
        let left: Vec<usize> = (0..CORRECT).filter(|place| state.replicas[*place].changes[of].is_some()).collect();
        let mut choices = Vec::new();
        for set in 0u8..1 << left.len() {
            let some: Vec<&Replica> = (0..left.len())
                .filter(|index| set & 1 << index != 0)
                .map(|index| &state.replicas[left[index]])
                .collect();
            match some.len() {
                QUORUM => self.choose(view, &some, None, &mut choices),
                2 => {
                    for lie in self.lies(state, view) {
                        self.choose(view, &some, Some(lie), &mut choices);
                    }
                }
                _ => {}
            }
        }
        choices.sort_unstable();
        choices.dedup();
        choices
    }

    /// What the liar's VIEW-CHANGE may carry: a commit certificate or none, and for each height a prepared one or none, of
    /// those that can be made: view + 1 and chain, 0 being none.
    fn lies(&self, state: &State, view: u8) -> Vec<Carried> {
        let mut lies = vec![Carried::default()];
        for height in 1..=self.heights {
            for chain in CHAINS.into_iter().filter(|chain| self.is_committed(state, height, *chain)) {
                lies.push(Carried { committed: (height, chain), ..Carried::default() });
            }
        }
        for height in 1..=self.heights {
            let mut more = Vec::new();
            for of in 0..view {
                for chain in CHAINS.into_iter().filter(|chain| self.is_prepared(state, of, height, *chain)) {
                    for lie in lies.iter().filter(|lie| lie.committed.0 < height) {
                        let mut lie = *lie;
                        lie.prepared[usize::from(height) - 1] = (of + 1, chain);
                        more.push(lie);
                    }
                }
            }
            lies.extend(more);
        }
        lies
    }

    fn carried(&self, replica: &Replica, view: u8) -> Carried {
        let committed = replica.changes[usize::from(view)].expect("it has left for the view");
        let mut carried = Carried { committed, ..Carried::default() };
        for height in committed.0 + 1..=self.heights {
            let at = usize::from(height) - 1;
            let highest = (0..view).rev().find(|of| replica.commits[usize::from(*of)][at] != 0);
            if let Some(of) = highest {
                carried.prepared[at] = (of + 1, replica.commits[usize::from(of)][at]);
            }
        }
        carried
    }

    fn choose(&self, view: u8, some: &[&Replica], lie: Option<Carried>, choices: &mut Vec<Choice>) {
        let all: Vec<Carried> = some.iter().map(|it| self.carried(it, view)).chain(lie).collect();
        let (base, chain) = all.iter().map(|it| it.committed).max().expect("a quorum is somebody");
        // With the mistake in, any of the certificates of a height may be the one that is found first.
        let mut open = vec![Choice { base, chain, top: base }];
        while let Some(choice) = open.pop() {
            let height = choice.top + 1;
            let of_height =
                all.iter().map(|it| if height <= self.heights { it.prepared[usize::from(height) - 1] } else { (0, 0) });
            let found: Vec<(u8, Chain)> = of_height.filter(|it| it.0 > 0).collect();
            let highest = found.iter().copied().max_by_key(|it| it.0);
            let taken: Vec<(u8, Chain)> =
                if self.has(Mistake::AnyCertificate) { found } else { highest.into_iter().collect() };
            let mut goes_on = false;
            for (_, chain) in taken {
                // Above nothing stand the first blocks of both chains.
                if choice.top == 0 || choice.chain == chain {
                    goes_on = true;
                    open.push(Choice { chain, top: height, ..choice });
                }
            }
            if !goes_on {
                choices.push(choice);
            }
        }
    }

    /// Visits every state; how many there are, and a state that forks if there is one.
    fn search(&self) -> (usize, Option<State>) {
        let mut seen = Seen::new();
        let mut open = VecDeque::from([self.start()]);
        seen.insert(self.start().pack(self));
        while let Some(state) = open.pop_front() {
            if self.forks(&state) {
                return (seen.len, Some(state));
            }
            for next in self.successors(&state) {
                let next = self.settled(next);
                if seen.insert(next.pack(self)) {
                    open.push_back(next);
                }
            }
        }
        (seen.len, None)
    }
}

/// With the chains exchanged.
fn mirrored(state: &State) -> State {
    let other = |chain: Chain| if chain == 0 { 0 } else { 3 - chain };
    let choice = |it: Choice| Choice { chain: other(it.chain), ..it };
    let mut state = *state;
    for replica in &mut state.replicas {
        replica.high.1 = other(replica.high.1);
        replica.choice = choice(replica.choice);
        let votes = replica.prepares.iter_mut().chain(&mut replica.commits);
        votes.flatten().for_each(|chain| *chain = other(*chain));
        replica.changes.iter_mut().flatten().for_each(|it| it.1 = other(it.1));
    }
    state.begun.iter_mut().flatten().for_each(|it| *it = choice(*it));
    state
}

/// What a VIEW-CHANGE carries: its commit certificate, and by height view + 1 and chain of its prepared ones.
#[derive(Clone, Copy, Default, Debug)]
struct Carried {
    committed: (u8, Chain),
    prepared: [(u8, Chain); HEIGHTS_MAX],
}

fn is_full() -> bool {
    #[allow(clippy::disallowed_methods, reason = "a test may be told how much to do")]
    std::env::var_os("BEZANT_MODEL").is_some_and(|value| value == "full")
}

fn agree(heights: u8, views: u8, depth: u8) {
    for liar in 0..4 {
        let world = World { heights, views, depth, liar, mistake: None };
        let (states, fork) = world.search();
        println!("{heights} heights, {views} views, depth {depth}, liar {liar}: {states} states");
        assert_eq!(fork, None, "{world:?}");
        assert!(states > 1_000, "the search goes somewhere");
    }
}

/// This liar can make use of it.
fn finds(mistake: Mistake, heights: u8, views: u8, depth: u8, liar: u8) {
    let world = World { heights, views, depth, liar, mistake: Some(mistake) };
    let (states, fork) = world.search();
    println!("{mistake:?}, liar {liar}: {states} states, {}", if fork.is_some() { "a fork" } else { "none" });
    assert!(fork.is_some(), "{mistake:?} is not found");
}

#[test]
fn two_views_agree() {
    agree(1, 2, 1);
}

#[test]
fn an_unbound_primary_is_found() {
    finds(Mistake::UnboundPrimary, 2, 2, 2, 1);
}

#[test]
fn an_ignored_choice_is_found() {
    finds(Mistake::IgnoreChoice, 1, 2, 1, 0);
}

#[test]
fn a_vote_below_the_base_is_found() {
    finds(Mistake::VoteBelowBase, 2, 2, 2, 0);
}

#[test]
fn a_forgotten_view_is_found() {
    finds(Mistake::ForgetViews, 1, 2, 1, 0);
}

#[test]
fn a_certificate_of_any_view_is_found() {
    finds(Mistake::AnyCertificate, 1, 3, 1, 0);
}

#[test]
fn the_larger_spaces_agree() {
    if is_full() {
        agree(2, 2, 1);
        agree(1, 3, 1);
        agree(2, 2, 2);
    }
}
