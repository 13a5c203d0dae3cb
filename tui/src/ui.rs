//! What is shown beside the model: which screen, where the cursor is, what somebody types. Intents change it; what they ask for
//! outside comes back as [`Effect`]s.

use crate::action::{Action, Order};
use crate::input::{FaultKey, Intent};
use crate::lies::{Lie, lies_of};
use crate::look::{Look, Marker, Theme};
use crate::state::{History, Model};
use crate::view::{Zones, selected};
use bezant_api::event::EventKind;
use bezant_api::trace::{Entry, Fact};

/// Characters that can be typed into a prompt.
const PROMPT_CHARS_MAX: usize = 200;
/// How fast a recording can be played, at most, and how slowly.
const SPEEDS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0, 200.0];

/// The screens, in the order of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    Overview,
    Pbft,
    Pow,
    Peers,
    Pool,
    Faults,
    Logs,
    Compare,
}

impl Screen {
    pub(crate) const ALL: [Screen; 8] = [
        Screen::Overview,
        Screen::Pbft,
        Screen::Pow,
        Screen::Peers,
        Screen::Pool,
        Screen::Faults,
        Screen::Logs,
        Screen::Compare,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Screen::Overview => "Overview",
            Screen::Pbft => "PBFT",
            Screen::Pow => "Work",
            Screen::Peers => "Peers",
            Screen::Pool => "Pool",
            Screen::Faults => "Faults",
            Screen::Logs => "Logs",
            Screen::Compare => "Two nets",
        }
    }
}

/// What is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    Filter,
    Command,
    /// The mode in which this node is to lie.
    Lie(usize),
}

/// Which transaction the panel of the pool screen is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Follow {
    /// The newest, whichever that is: nobody said which.
    #[default]
    Newest,
    /// The one with this id.
    Chosen(String),
    /// None: the panel is closed.
    Closed,
}

impl Follow {
    /// The one that somebody chose.
    pub(crate) fn chosen(&self) -> Option<&String> {
        match self {
            Follow::Chosen(txid) => Some(txid),
            Follow::Newest | Follow::Closed => None,
        }
    }
}

/// What has to be done outside of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Quit,
    Order(Order),
    Copy(String),
    Screenshot,
}

/// What is allowed, and what the caller does with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Powers {
    pub(crate) can_transfer: bool,
    pub(crate) can_fault: bool,
    pub(crate) quit_stops_net: bool,
    pub(crate) is_replay: bool,
}

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Ui {
    pub(crate) screen: Screen,
    /// The net that is shown, of one or two.
    pub(crate) net: usize,
    pub(crate) nets: usize,
    /// The row of each screen, from the top.
    pub(crate) cursors: [usize; 8],
    /// PBFT: so many rounds before the latest.
    pub(crate) back: usize,
    /// From which node one looks.
    pub(crate) observer: usize,
    pub(crate) filter: String,
    /// What was in force before somebody began to type another.
    pub(crate) filter_before: String,
    pub(crate) prompt: Option<(Prompt, String)>,
    /// The row of the list that a prompt offers.
    pub(crate) choice: usize,
    /// The help, with what is searched in it.
    pub(crate) help: Option<String>,
    /// The first row of the help that is shown.
    pub(crate) help_top: usize,
    pub(crate) armed: bool,
    pub(crate) look: Look,
    pub(crate) powers: Powers,
    pub(crate) notice: Option<String>,
    pub(crate) follow: Follow,
    /// A recording plays.
    pub(crate) plays: bool,
    pub(crate) speed: usize,
}

impl Ui {
    pub(crate) fn new(nets: usize, look: Look, powers: Powers) -> Ui {
        Ui {
            screen: if nets > 1 { Screen::Compare } else { Screen::Overview },
            net: 0,
            nets,
            cursors: [0; 8],
            back: 0,
            observer: 0,
            filter: String::new(),
            filter_before: String::new(),
            prompt: None,
            choice: 0,
            help: None,
            help_top: 0,
            armed: false,
            look,
            powers,
            notice: None,
            follow: Follow::default(),
            plays: powers.is_replay,
            speed: 3,
        }
    }

    pub(crate) fn cursor(&self) -> usize {
        self.cursors[self.screen as usize]
    }

    pub(crate) fn speed(&self) -> f64 {
        SPEEDS[self.speed]
    }

    pub(crate) fn types(&self) -> bool {
        self.prompt.is_some() || self.help.is_some()
    }

    /// Screens that there are.
    pub(crate) fn screens(&self) -> usize {
        if self.nets > 1 { 8 } else { 7 }
    }

    fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(text.into());
    }

    /// Takes an intent. `zones` is where things are on the screen.
    pub(crate) fn apply(&mut self, intent: Intent, histories: &mut [History], zones: &Zones) -> Option<Effect> {
        if !matches!(intent, Intent::Redraw | Intent::Nothing) {
            self.notice = None;
        }
        match intent {
            Intent::Quit => return Some(Effect::Quit),
            Intent::Escape => self.escape(histories),
            Intent::Help => self.open_help(""),
            Intent::Screen(number) if number <= self.screens() => self.screen = Screen::ALL[number - 1],
            Intent::Screen(_) => self.say("two nets are compared by `bezant tui --net A --with B`"),
            Intent::Turn(forward) => {
                let step = if forward { 1 } else { self.screens() - 1 };
                self.screen = Screen::ALL[(self.screen as usize + step) % self.screens()];
            }
            Intent::Move(by) if self.help.is_some() => {
                self.help_top = self.help_top.saturating_add_signed(by as isize).min(zones.help_top_max);
            }
            Intent::Move(by) if matches!(self.prompt, Some((Prompt::Lie(_), _))) => self.choose(by, histories),
            Intent::Move(by) => self.move_by(by, zones),
            Intent::Sideways(by) => {
                // Earlier rounds are to the left.
                self.back = self.back.saturating_add_signed(isize::try_from(-by).unwrap_or(0));
                self.back = self.back.min(zones.rounds.saturating_sub(1));
            }
            Intent::Edge(first) => self.move_by(if first { i64::MIN / 2 } else { i64::MAX / 2 }, zones),
            Intent::Select => self.select(histories),
            Intent::Pause => self.pause(histories),
            Intent::Step(forward) => {
                self.plays = false;
                histories[self.net].step(forward);
            }
            Intent::Moment(forward) => {
                self.plays = false;
                if !histories[self.net].find(forward, is_moment) {
                    let side = if forward { "after" } else { "before" };
                    self.say(format!("no moment of note {side} this one"));
                }
            }
            Intent::Faster(faster) => {
                self.speed = if faster { (self.speed + 1).min(SPEEDS.len() - 1) } else { self.speed.saturating_sub(1) };
            }
            Intent::Filter => {
                self.filter_before = std::mem::take(&mut self.filter);
                self.prompt = Some((Prompt::Filter, String::new()));
            }
            Intent::Command => self.prompt = Some((Prompt::Command, String::new())),
            Intent::Copy => return self.copy(histories),
            Intent::Screenshot => return Some(Effect::Screenshot),
            Intent::Transfer => return self.transfer(),
            Intent::Theme => self.look.theme = next(&Theme::ALL, self.look.theme),
            Intent::Marker => self.look.marker = next(&Marker::ALL, self.look.marker),
            Intent::OtherNet => self.net = (self.net + 1) % self.nets,
            Intent::Observer => self.observer = (self.observer + 1) % histories[self.net].model().nodes.len().max(1),
            Intent::Arm => self.arm(),
            Intent::Fault(key) => return self.fault_key(key, histories),
            Intent::Type(letter) => self.type_letter(letter),
            Intent::Rub => {
                if let Some((_, text)) = &mut self.prompt {
                    text.pop();
                } else if let Some(query) = &mut self.help {
                    query.pop();
                }
                (self.choice, self.help_top) = (0, 0);
                self.filter_as_typed();
            }
            Intent::Enter => return self.enter(histories),
            Intent::Click { x, y } => self.click(x, y, zones),
            Intent::Redraw | Intent::Nothing => {}
        }
        None
    }

    fn open_help(&mut self, query: &str) {
        (self.help, self.help_top) = (Some(query.to_owned()), 0);
    }

    /// The lies that a prompt offers after what was typed.
    pub(crate) fn lies(&self, model: &Model) -> Vec<&'static Lie> {
        match &self.prompt {
            Some((Prompt::Lie(_), text)) => {
                lies_of(model.is_pow()).filter(|lie| lie.mode.contains(text.trim())).collect()
            }
            Some((Prompt::Filter | Prompt::Command, _)) | None => Vec::new(),
        }
    }

    fn choose(&mut self, by: i64, histories: &[History]) {
        let last = self.lies(histories[self.net].model()).len().saturating_sub(1);
        self.choice = self.choice.saturating_add_signed(by as isize).min(last);
    }

    /// One thing at a time; the panel last, which hides the least.
    fn escape(&mut self, histories: &mut [History]) {
        if self.help.take().is_some() {
            return;
        }
        if let Some((prompt, _)) = self.prompt.take() {
            if prompt == Prompt::Filter {
                self.filter = std::mem::take(&mut self.filter_before);
            }
            return;
        }
        if self.armed {
            self.armed = false;
            let then = if self.filter.is_empty() { "" } else { "; Esc again ends the filter" };
            self.say(format!("disarmed: the keys that hurt are off{then}"));
        } else if !self.filter.is_empty() {
            self.filter.clear();
        } else if self.screen == Screen::Pool {
            self.set_follow(Follow::Closed, histories);
        }
    }

    fn move_by(&mut self, by: i64, zones: &Zones) {
        let last = zones.list.map_or(0, |list| list.rows.saturating_sub(1)) as i64;
        let cursor = &mut self.cursors[self.screen as usize];
        // A filter may have left fewer rows than the cursor was down.
        *cursor = usize::try_from((*cursor as i64).min(last).saturating_add(by).clamp(0, last)).unwrap_or(0);
    }

    fn click(&mut self, x: u16, y: u16, zones: &Zones) {
        if let Some((_, screen)) = zones.tabs.iter().find(|(area, _)| area.contains((x, y).into())) {
            self.screen = *screen;
        } else if let Some(list) = zones.list.filter(|list| list.area.contains((x, y).into())) {
            let row = list.offset + usize::from(y - list.area.y);
            self.cursors[self.screen as usize] = row.min(list.rows.saturating_sub(1));
        }
    }

    fn pause(&mut self, histories: &mut [History]) {
        if self.powers.is_replay {
            self.plays = !self.plays;
        } else if histories[self.net].is_paused() {
            histories.iter_mut().for_each(History::resume);
        } else {
            histories.iter_mut().for_each(History::pause);
        }
    }

    fn copy(&mut self, histories: &[History]) -> Option<Effect> {
        match selected::text(self, histories[self.net].model()) {
            Some(text) => {
                self.say(format!("copied: {text}"));
                Some(Effect::Copy(text))
            }
            None => {
                self.say("there is nothing to copy here");
                None
            }
        }
    }

    fn transfer(&mut self) -> Option<Effect> {
        if !self.powers.can_transfer {
            self.say("no transfers from here: this net is not a running testnet of yours");
            return None;
        }
        self.say("sending 1 BZT from alice to bob …");
        Some(Effect::Order(Order { net: self.net, action: Action::Transfer }))
    }

    fn select(&mut self, histories: &mut [History]) {
        let model = histories[self.net].model();
        match self.screen {
            Screen::Overview | Screen::Pbft | Screen::Peers => {
                if self.screen != Screen::Pbft {
                    self.observer = self.cursor().min(model.nodes.len().saturating_sub(1));
                }
                self.screen = if model.is_pow() { Screen::Pow } else { Screen::Pbft };
            }
            Screen::Pool => {
                if let Some(txid) = selected::transaction(self, model) {
                    self.follow(txid, histories);
                }
            }
            Screen::Faults | Screen::Logs => {
                if let Some(at_ms) = selected::moment_ms(self, model) {
                    self.plays = false;
                    histories[self.net].find_first(|entry| entry.at_ms >= at_ms);
                }
            }
            Screen::Pow | Screen::Compare => {}
        }
    }

    /// Follows a transaction from now on.
    pub(crate) fn follow(&mut self, txid: String, histories: &mut [History]) {
        self.set_follow(Follow::Chosen(txid), histories);
    }

    fn set_follow(&mut self, follow: Follow, histories: &mut [History]) {
        self.follow = follow;
        histories.iter_mut().for_each(|history| history.follow(self.follow.chosen()));
    }

    fn type_letter(&mut self, letter: char) {
        let is_searching = self.prompt.is_none();
        if is_searching && letter == '?' {
            self.help = None;
            return;
        }
        let text = match (&mut self.prompt, &mut self.help) {
            (Some((_, text)), _) | (None, Some(text)) => text,
            (None, None) => return,
        };
        if text.chars().count() < PROMPT_CHARS_MAX && !letter.is_control() {
            text.push(letter);
        }
        (self.choice, self.help_top) = (0, 0);
        self.filter_as_typed();
    }

    fn filter_as_typed(&mut self) {
        if let Some((Prompt::Filter, text)) = &self.prompt {
            self.filter.clone_from(text);
        }
    }

    fn enter(&mut self, histories: &mut [History]) -> Option<Effect> {
        self.help = None;
        let chosen = self.lies(histories[self.net].model()).get(self.choice).map(|lie| lie.mode.to_owned());
        match self.prompt.take()? {
            (Prompt::Filter, text) => {
                self.filter = text;
                None
            }
            (Prompt::Command, text) => self.command(&text, histories),
            (Prompt::Lie(node), typed) => {
                let mode = chosen.unwrap_or_else(|| typed.trim().to_owned());
                self.order(Action::Byzantine { node, mode })
            }
        }
    }

    fn arm(&mut self) {
        if self.powers.can_fault {
            self.armed = !self.armed;
        } else {
            self.say("faults need a running dev net of this machine; a recording or a foreign net cannot be hurt");
        }
    }

    /// An order that hurts: only when armed.
    fn order(&mut self, action: Action) -> Option<Effect> {
        if !self.powers.can_fault {
            self.arm();
            return None;
        }
        if !self.armed {
            self.say("not armed: press a first, so that no slip of a finger hurts the net");
            return None;
        }
        self.say("asked for …");
        Some(Effect::Order(Order { net: self.net, action }))
    }

    fn fault_key(&mut self, key: FaultKey, histories: &[History]) -> Option<Effect> {
        if self.screen != Screen::Faults {
            self.say("that key is of screen 6, faults");
            return None;
        }
        let model = histories[self.net].model();
        let node = selected::fault_node(self, model);
        let is_paused = model.timeline.acting_on(node).any(|what| what.contains("paused"));
        match key {
            FaultKey::Kill => self.order(Action::Kill(node)),
            FaultKey::Start => self.order(Action::Start(node)),
            FaultKey::Pause if is_paused => self.order(Action::Resume(node)),
            FaultKey::Pause => self.order(Action::Pause(node)),
            FaultKey::Cut => self.order(Action::Partition(vec![vec![node]])),
            FaultKey::Heal => self.order(Action::Heal),
            FaultKey::Honest => self.order(Action::Byzantine { node, mode: "off".to_owned() }),
            FaultKey::Lie if self.armed && self.powers.can_fault => {
                (self.prompt, self.choice) = (Some((Prompt::Lie(node), String::new())), 0);
                None
            }
            FaultKey::Lie => self.order(Action::Heal),
        }
    }

    fn command(&mut self, text: &str, histories: &mut [History]) -> Option<Effect> {
        let mut words = text.split_whitespace();
        let (name, first, rest) = (words.next()?, words.next(), words.next());
        let number = first.and_then(|word| word.trim_start_matches("node").parse::<usize>().ok());
        let nodes = histories[self.net].model().nodes.len();
        let node = number.filter(|node| *node < nodes);
        match (name, first, number, node) {
            ("quit" | "q", ..) => return Some(Effect::Quit),
            ("help", ..) => self.open_help(":"),
            ("height", _, Some(height), _) => {
                self.plays = false;
                let is_it = |entry: &Entry| matches!(kind(entry), Some(EventKind::Block { height: h, .. }) if *h == height as u64);
                if !histories[self.net].find_first(is_it) {
                    self.say(format!("the moment when block {height} was connected is not kept here"));
                }
            }
            ("fault", _, Some(number), _) => {
                let moments = &histories[self.net].model().timeline.moments;
                let at_ms = moments.iter().rev().nth(number.saturating_sub(1)).map(|moment| moment.at_ms);
                match at_ms {
                    Some(at_ms) => drop(histories[self.net].find_first(|entry| entry.at_ms >= at_ms)),
                    None => self.say(format!("the timeline has no moment {number}")),
                }
            }
            ("begin", ..) => histories[self.net].seek(0),
            ("end", ..) => {
                histories[self.net].seek(usize::MAX);
                histories[self.net].resume();
            }
            ("follow", Some(prefix), ..) => match selected::find(histories[self.net].model(), prefix) {
                Some(txid) => self.follow(txid, histories),
                None => self.say(format!("{prefix} is neither listed nor a whole id of 64 digits")),
            },
            ("filter", ..) => self.filter = text.trim_start().trim_start_matches("filter").trim().to_owned(),
            ("node", _, _, Some(node)) => self.observer = node,
            ("kill", _, _, Some(node)) => return self.order(Action::Kill(node)),
            ("start", _, _, Some(node)) => return self.order(Action::Start(node)),
            ("pause", _, _, Some(node)) => return self.order(Action::Pause(node)),
            ("resume", _, _, Some(node)) => return self.order(Action::Resume(node)),
            ("honest", _, _, Some(node)) => return self.order(Action::Byzantine { node, mode: "off".to_owned() }),
            ("heal", ..) => return self.order(Action::Heal),
            ("cut", Some(groups), ..) => match parse_groups(groups, nodes) {
                Some(groups) => return self.order(Action::Partition(groups)),
                None => self.say("groups of nodes are expected, like :cut 0,1/2,3"),
            },
            ("lie", _, _, Some(node)) => match rest {
                Some(mode) => return self.order(Action::Byzantine { node, mode: mode.to_owned() }),
                None => {
                    let modes: Vec<&str> = lies_of(histories[self.net].model().is_pow()).map(|lie| lie.mode).collect();
                    self.say(format!("a mode is needed: {}", modes.join(", ")));
                }
            },
            ("theme", Some(name), ..) => match Theme::ALL.into_iter().find(|theme| theme.name() == name) {
                Some(theme) => self.look.theme = theme,
                None => self.say("themes are dark, light, high-contrast and mono"),
            },
            ("marker", Some(name), ..) => match Marker::ALL.into_iter().find(|marker| marker.name() == name) {
                Some(marker) => self.look.marker = marker,
                None => self.say("markers are braille and plain"),
            },
            ("height", ..) => self.say("a height is a number, like :height 12"),
            ("fault", ..) => self.say("a moment of the timeline is a number, like :fault 1"),
            ("node" | "kill" | "start" | "pause" | "resume" | "honest" | "lie", word, ..) => {
                let last = nodes.saturating_sub(1);
                match word {
                    Some(word) => self.say(format!("there is no node {word} (0 to {last})")),
                    None => self.say(format!("which node? 0 to {last}, like :{name} 0")),
                }
            }
            ("follow" | "cut" | "theme" | "marker", None, ..) => {
                self.say(format!(":{name} needs a word more; :help says which"));
            }
            _ => self.say(format!("{text:?} is no command; :help lists them")),
        }
        None
    }
}

fn next<T: Copy + PartialEq>(all: &[T], now: T) -> T {
    let at = all.iter().position(|other| *other == now).unwrap_or(0);
    all[(at + 1) % all.len()]
}

fn kind(entry: &Entry) -> Option<&EventKind> {
    match &entry.fact {
        Fact::Event(event) => Some(&event.kind),
        _ => None,
    }
}

/// Whether a person would want to stop here.
fn is_moment(entry: &Entry) -> bool {
    match &entry.fact {
        Fact::Event(event) => crate::state::sort(&event.kind).is_some(),
        Fact::Lost(_) => true,
        Fact::Status(_) | Fact::Peers(_) | Fact::Transaction(_) | Fact::Back(_) => false,
    }
}

/// `0,1/2,3`.
fn parse_groups(text: &str, nodes: usize) -> Option<Vec<Vec<usize>>> {
    let node = |word: &str| word.parse().ok().filter(|node| *node < nodes);
    let group = |group: &str| group.split(',').map(node).collect::<Option<Vec<usize>>>();
    text.split('/').map(group).collect()
}

#[cfg(test)]
mod tests;
