//! `wallet swap …`.

use super::signers;
use super::{bzt, followed, open, session};
use crate::cli::Global;
use crate::cli::wallet::{Fee, Offer, Password, Swap as Command, SwapStep, WhichSwap};
use crate::commands::password;
use crate::output::{Failure, Outcome, Output};
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::key::{PublicKey, SigningKey};
use bezant_consensus::ledger::lock::Lock;
use bezant_wallet::keys::keystore::Unlocked;
use bezant_wallet::paying::build;
use bezant_wallet::paying::follow::{self, FollowOptions, Sent};
use bezant_wallet::paying::journal::{Entry, Journal, Kept};
use bezant_wallet::paying::purse::Known;
use bezant_wallet::paying::rehearse;
use bezant_wallet::paying::repeat;
use bezant_wallet::paying::send::{Plan, Prepared, SendOptions};
use bezant_wallet::session::{Found, Session};
use bezant_wallet::swap::seen::State;
use bezant_wallet::swap::terms::{Left, check_acceptable, check_redeemable};
use bezant_wallet::swap::{self, Net, Party, Role, Swap, new_terms};
use serde_json::{Value, json};

pub(super) async fn run(command: Command, global: &Global, output: &Output) -> Outcome {
    match command {
        Command::Offer(options) => offer(&options, global, output).await,
        Command::Accept(options) => accept(&options, global, output).await,
        Command::Redeem(options) => redeem(&options, global, output).await,
        Command::Refund(options) => refund(&options, global, output).await,
        Command::Show { which } => show(&which, global, output).await,
    }
}

async fn sessions(which: &WhichSwap, global: &Global) -> Result<(Session, Session), Failure> {
    let one = session(&which.target, global).await?;
    let other = open(global, &which.other_net, which.other_rpc.clone(), None).await?;
    if one.network() == other.network() {
        return Err(Failure::usage("--net and --other-net are the same net; a swap is between two"));
    }
    Ok((one, other))
}

async fn read(which: &WhichSwap, global: &Global) -> Result<Swap, Failure> {
    let terms = swap::read(&which.file)?;
    let (one, other) = sessions(which, global).await?;
    Ok(Swap::new(terms, one, other)?)
}

async fn offer(arguments: &Offer, global: &Global, output: &Output) -> Outcome {
    let which = &arguments.which;
    let (first, second) = sessions(which, global).await?;
    let (paying, paid) = (first.wallet(&arguments.from)?, second.wallet(&arguments.from)?);
    let unlocked = Opened::new([&paying, &paid], &arguments.sending.password, global)?;
    let swap = if which.file.exists() {
        let swap = Swap::new(swap::read(&which.file)?, first, second)?;
        let (first, second) = (&swap.terms.first, &swap.terms.second);
        let is_same = first.amount == arguments.give && second.amount == arguments.get;
        if !is_same || swap.session(Net::First).network() != &first.network {
            let file = which.file.display();
            return Err(Failure::usage(format!("{file} is another offer already; take another file")));
        }
        output.remark("this offer was made before; it is followed");
        swap
    } else {
        let key = unlocked.key_of_last(&paid)?;
        let terms = new_terms(
            (&first, &paying, arguments.give),
            (&second, &paid, arguments.get),
            &arguments.with,
            arguments.refund_after,
            key,
        );
        Swap::new(terms.await?, first, second)?
    };
    let party = swap.party(Some(&arguments.from))?;
    if party.role != Role::Maker {
        return Err(Failure::usage("this offer was made to you; see `bezant wallet swap accept`"));
    }
    let follow = arguments.sending.following.options();
    let step = Step { swap: &swap, party: &party, net: Net::First, what: "pay", follow, output };
    let sent = match step.kept()? {
        Some(kept) => step.repeat(&kept).await?,
        None => {
            let (left_first, left_second) = (swap.left(Net::First).await?, swap.left(Net::Second).await?);
            check_acceptable(left_first, left_second)?;
            let prepared = swap.pay(&party, &step.options(&arguments.sending.fee)?).await?;
            confirm(&swap, &party, arguments.yes, global)?;
            let attempt = step.sign(prepared, &unlocked).await?;
            // The terms first: whoever paid without them could not get it back.
            if !which.file.exists() {
                swap::write(&swap.terms, &which.file)?;
            }
            step.make(attempt).await?
        }
    };
    let (file, redeem) = (which.file.display(), redeem_hint(which, &arguments.from));
    step.print(&sent, &format!("give {file} to the other one, who accepts it; then: {redeem}"))
}

/// The command that comes next, whole.
fn redeem_hint(which: &WhichSwap, wallet: &str) -> String {
    let (file, net, other) = (which.file.display(), &which.target.net.net, &which.other_net);
    format!("bezant wallet swap redeem {file} --net {net} --other-net {other} --wallet {wallet}")
}

async fn accept(arguments: &SwapStep, global: &Global, output: &Output) -> Outcome {
    let swap = read(&arguments.which, global).await?;
    let party = swap.party(arguments.wallet.as_deref())?;
    if party.role != Role::Taker {
        return Err(Failure::usage("this offer is your own; the other one accepts it"));
    }
    let follow = arguments.sending.following.options();
    let step = Step { swap: &swap, party: &party, net: Net::Second, what: "pay", follow, output };
    let sent = match step.kept()? {
        Some(kept) => step.repeat(&kept).await?,
        None => {
            match swap.await_state(Net::First, follow.timeout, |state| *state > State::Arriving).await? {
                State::Paid => {}
                State::Unpaid | State::Arriving => {
                    let message =
                        "the maker has not paid yet, or not for good; nothing was sent; give this command again later";
                    return Err(Failure::new(5, "not-paid-yet", message));
                }
                State::Redeemed { .. } | State::Refunded { .. } => {
                    return Err(over("what the maker paid is gone already"));
                }
            }
            check_acceptable(swap.left(Net::First).await?, swap.left(Net::Second).await?)?;
            let prepared = swap.pay(&party, &step.options(&arguments.sending.fee)?).await?;
            confirm(&swap, &party, arguments.yes, global)?;
            let unlocked = Opened::new([&party.paying], &arguments.sending.password, global)?;
            let attempt = step.sign(prepared, &unlocked).await?;
            step.make(attempt).await?
        }
    };
    let redeem = redeem_hint(&arguments.which, &party.paid.wallet.name);
    step.print(&sent, &format!("when the maker has redeemed: {redeem}"))
}

async fn redeem(arguments: &SwapStep, global: &Global, output: &Output) -> Outcome {
    let swap = read(&arguments.which, global).await?;
    let party = swap.party(arguments.wallet.as_deref())?;
    let (net, follow) = (party.role.is_paid_on(), arguments.sending.following.options());
    let step = Step { swap: &swap, party: &party, net, what: "redeem", follow, output };
    let sent = match step.kept()? {
        Some(kept) => step.repeat(&kept).await?,
        None => {
            let unlocked = Opened::new([&party.paid], &arguments.sending.password, global)?;
            let secret = match party.role {
                Role::Maker => {
                    await_paid(&swap, follow).await?;
                    check_redeemable(swap.left(Net::Second).await?)?;
                    *swap.terms.secret(unlocked.key(&party.paid, &swap.terms.second.payee)?)?
                }
                Role::Taker => await_secret(&swap, follow).await?,
            };
            let prepared = swap.redeem(&party, &secret, &step.options(&arguments.sending.fee)?).await?;
            let attempt = step.sign(prepared, &unlocked).await?;
            step.make(attempt).await?
        }
    };
    step.print(&sent, "nothing is left to do for you")
}

/// The taker's side is there for good, and the maker may take it.
async fn await_paid(swap: &Swap, follow: FollowOptions) -> Outcome {
    match swap.await_state(Net::Second, follow.timeout, |state| *state > State::Arriving).await? {
        State::Paid => Ok(()),
        State::Unpaid | State::Arriving => {
            let message =
                "the taker has not paid yet, or not for good; nothing was sent; give this command again later";
            Err(Failure::new(5, "not-paid-yet", message))
        }
        State::Redeemed { txid, .. } => Err(over(&format!("you took it already, by {txid}"))),
        State::Refunded { .. } => Err(over("the taker took it back; when your time is up: bezant wallet swap refund")),
    }
}

/// The maker has told the secret.
async fn await_secret(swap: &Swap, follow: FollowOptions) -> Result<[u8; 32], Failure> {
    let is_over = |state: &State| matches!(state, State::Redeemed { .. } | State::Refunded { .. });
    match swap.await_state(Net::Second, follow.timeout, is_over).await? {
        State::Redeemed { secret, .. } => Ok(secret),
        State::Unpaid | State::Arriving | State::Paid => {
            let message = "the maker has not told the secret yet; nothing was sent; give this command again later, or take back what you paid when it is time: bezant wallet swap refund";
            Err(Failure::new(5, "not-redeemed-yet", message))
        }
        State::Refunded { .. } => Err(over("you took back what you paid")),
    }
}

async fn refund(arguments: &SwapStep, global: &Global, output: &Output) -> Outcome {
    let swap = read(&arguments.which, global).await?;
    let party = swap.party(arguments.wallet.as_deref())?;
    let (net, follow) = (party.role.pays_on(), arguments.sending.following.options());
    let step = Step { swap: &swap, party: &party, net, what: "refund", follow, output };
    let sent = match step.kept()? {
        Some(kept) => step.repeat(&kept).await?,
        None => {
            match swap.state(net).await? {
                State::Paid | State::Arriving => {}
                State::Unpaid => return Err(over("you paid nothing")),
                State::Refunded { txid, .. } => return Err(over(&format!("you took it back already, by {txid}"))),
                State::Redeemed { .. } => {
                    return Err(over("the other one took what you paid; take your part: bezant wallet swap redeem"));
                }
            }
            let Left { left_s, .. } = swap.left(net).await?;
            if left_s > 0 {
                let message =
                    format!("what you paid is yours again in {left_s} s, by the net's clock; nothing was sent");
                return Err(Failure::new(3, "locked", message));
            }
            let prepared = swap.refund(&party, &step.options(&arguments.sending.fee)?).await?;
            let unlocked = Opened::new([&party.paying], &arguments.sending.password, global)?;
            let attempt = step.sign(prepared, &unlocked).await?;
            step.make(attempt).await?
        }
    };
    step.print(&sent, "the swap is off")
}

fn over(what: &str) -> Failure {
    Failure::new(3, "swap-over", format!("{what}; nothing was sent"))
}

async fn show(which: &WhichSwap, global: &Global, output: &Output) -> Outcome {
    let swap = read(which, global).await?;
    let mut sides = Vec::new();
    for net in [Net::First, Net::Second] {
        sides.push((net, swap.state(net).await?, swap.left(net).await?));
    }
    let value = |(net, state, left): &(Net, State, Left)| {
        let (side, session) = (swap.side(*net), swap.session(*net));
        let txid = match state {
            State::Redeemed { txid, .. } | State::Refunded { txid, .. } => Some(txid.to_string()),
            State::Unpaid | State::Arriving | State::Paid => None,
        };
        json!({
            "network_id": hex::encode(side.network.0), "amount": side.amount.grains().to_string(),
            "payer": session.address(&side.payer), "payee": session.address(&side.payee),
            "address": session.address(&swap.terms.lock(side).hash()), "refund_from": side.refund_from,
            "state": state.name(), "left_s": left.left_s, "txid": txid,
        })
    };
    let [first, second] = [value(&sides[0]), value(&sides[1])];
    let next = next(&sides[0].1, &sides[1].1);
    let value = json!({
        "swap": swap.terms.name(), "hash": hex::encode(swap.terms.hash), "first": first, "second": second, "next": next,
    });
    output.result(&value, || show_text(&value))
}

/// What comes next, whoever asks.
fn next(first: &State, second: &State) -> &'static str {
    match (first, second) {
        (State::Redeemed { .. }, State::Redeemed { .. }) => "it is done",
        (State::Refunded { .. }, State::Unpaid | State::Refunded { .. }) => "it is off: both have what was theirs",
        (State::Unpaid, _) => "the maker pays: bezant wallet swap offer",
        (State::Arriving, _) => "the maker's payment becomes final",
        (_, State::Unpaid) => "the taker accepts, or the maker takes it back when time is up",
        (_, State::Arriving) => "the taker's payment becomes final",
        (_, State::Paid) => "the maker redeems, and so tells the secret; or both take theirs back when time is up",
        (State::Paid, State::Redeemed { .. }) => "the taker redeems, before the maker's time is up",
        (State::Paid, State::Refunded { .. }) => "the maker takes his back when time is up",
        (State::Redeemed { .. }, State::Refunded { .. }) | (State::Refunded { .. }, State::Redeemed { .. }) => {
            "one party has both: the other came too late"
        }
    }
}

fn show_text(value: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let side = |name: &str, payer: &str, payee: &str| {
        let side = &value[name];
        let (amount, state) = (bzt(&text(&side["amount"])), text(&side["state"]));
        let end = match side["txid"].as_str() {
            Some(txid) => format!("by {txid}"),
            None => format!("the {payer} may take it back in {} s", side["left_s"]),
        };
        let (network, from, to) = (text(&side["network_id"]), text(&side["payer"]), text(&side["payee"]));
        format!(
            "{name:<8}{amount} BZT on net {}…: {state}\n        from the {payer}, {from}\n        to the {payee}, {to}\n        {end}",
            &network[..8]
        )
    };
    let (first, second) = (side("first", "maker", "taker"), side("second", "taker", "maker"));
    format!("swap    {}\n{first}\n{second}\nnext    {}", text(&value["swap"]), text(&value["next"]))
}

/// Says what one gives and gets, and asks.
fn confirm(swap: &Swap, party: &Party, yes: bool, global: &Global) -> Outcome {
    let is_dev = [Net::First, Net::Second].iter().all(|net| swap.session(*net).genesis().dev);
    if yes || is_dev {
        return Ok(());
    }
    let (gives, gets) = (swap.side(party.role.pays_on()), swap.side(party.role.is_paid_on()));
    let to = swap.session(party.role.pays_on()).address(&gives.payee);
    let question = format!("Pay {} BZT, which {to} can take, for {} BZT on the other net?", gives.amount, gets.amount);
    password::confirm(global, &question, "a swap outside dev nets wants a confirmation", "nothing was sent")
}

/// Wallets whose keys are at hand; each is asked for its password once.
struct Opened(Vec<Unlocked>);

impl Opened {
    fn new<'a>(
        wallets: impl IntoIterator<Item = &'a Found>,
        password: &Password,
        global: &Global,
    ) -> Result<Opened, Failure> {
        let mut distinct: Vec<Found> = Vec::new();
        for found in wallets {
            if distinct.iter().all(|other| other.path != found.path) {
                distinct.push(found.clone());
            }
        }
        let known = Known::of(distinct);
        let keys = known.means.keys.clone();
        Ok(Opened(signers::unlock(&known, &keys, password, global)?))
    }

    fn key(&self, found: &Found, lock: &LockHash) -> Result<&SigningKey, Failure> {
        let public = |lock: &Lock| if let Lock::Key(key) = lock { Some(*key) } else { None };
        let wanted: Option<PublicKey> = found.wallet.locks.iter().find(|own| own.hash() == *lock).and_then(public);
        let mut keys = self.0.iter().flat_map(|unlocked| &unlocked.keys);
        let key = wanted.and_then(|wanted| keys.find(|key| key.public() == wanted));
        key.ok_or_else(|| Failure::usage(format!("wallet {} only watches: it cannot sign", found.wallet.name)))
    }

    fn key_of_last(&self, found: &Found) -> Result<&SigningKey, Failure> {
        let lock = found.wallet.locks.last().expect("a wallet has an address").hash();
        self.key(found, &lock)
    }
}

/// One transfer of a party, which is made once: given again, the command follows it.
struct Step<'a> {
    swap: &'a Swap,
    party: &'a Party,
    net: Net,
    /// `pay`, `redeem` or `refund`.
    what: &'static str,
    follow: FollowOptions,
    output: &'a Output,
}

impl Step<'_> {
    fn found(&self) -> &Found {
        if self.net == self.party.role.pays_on() { &self.party.paying } else { &self.party.paid }
    }

    fn journal(&self) -> Result<Journal, Failure> {
        Ok(Journal::open(&self.found().path, self.swap.session(self.net).network())?)
    }

    fn asked(&self) -> Result<[u8; 32], Failure> {
        let (session, side) = (self.swap.session(self.net), self.swap.side(self.net));
        let (to, sum) = match self.what {
            "pay" => self.swap.payment(self.net),
            "redeem" => (session.address(&side.payee), build::Sum::Max),
            _ => (session.address(&side.payer), build::Sum::Max),
        };
        Ok(repeat::asked([(&session.recipient(&to)?, sum)]))
    }

    fn kept(&self) -> Result<Option<Kept>, Failure> {
        Ok(repeat::earlier(&self.journal()?, &self.swap.id(self.what), self.asked()?)?)
    }

    async fn repeat(&self, kept: &Kept) -> Result<Sent, Failure> {
        self.output.remark("this step was begun before; it is followed");
        let txid = kept.attempts.last().expect("a payment has a transaction").transaction.id();
        followed(&txid, repeat::follow(self.swap.session(self.net).client()?, kept, self.follow)).await
    }

    fn options(&self, fee: &Fee) -> Result<SendOptions, Failure> {
        let fee_rate = fee.rate(self.swap.session(self.net).genesis().ledger.relay_fee_rate_min)?;
        Ok(SendOptions { fee_rate, reserved: self.journal()?.reserved()?, ..SendOptions::default() })
    }

    /// Signs it, and asks a node whether it would take it: a name in the journal is bound to its transaction for ever.
    async fn sign(&self, prepared: Prepared, unlocked: &Opened) -> Result<Plan, Failure> {
        let session = self.swap.session(self.net);
        let plan = prepared.sign(session.network(), &build::ring(&unlocked.0))?;
        rehearse::one(session.client()?, &plan.built.transaction).await?;
        Ok(plan)
    }

    async fn make(&self, plan: Plan) -> Result<Sent, Failure> {
        let entry = Entry { id: Some(self.swap.id(self.what)), asked: self.asked()?, attempt: plan.attempt() };
        if let Some(kept) = repeat::write_down(&mut self.journal()?, &entry)? {
            return self.repeat(&kept).await;
        }
        let following = follow::submit(self.swap.session(self.net).client()?, &entry.attempt, self.follow);
        followed(&entry.attempt.transaction.id(), following).await
    }

    fn print(&self, sent: &Sent, next: &str) -> Outcome {
        let mut value = serde_json::to_value(sent).map_err(|error| Failure::failed("output", error))?;
        value["swap"] = json!(self.swap.terms.name());
        value["role"] = json!(self.party.role);
        value["step"] = json!(self.what);
        self.output.result(&value, || {
            let verb = match self.what {
                "pay" => "paid",
                "redeem" => "redeemed",
                _ => "taken back",
            };
            let amount = self.swap.side(self.net).amount;
            format!("{amount} BZT {verb}, {}\nnext: {next}", super::paying::sent_text(sent))
        })
    }
}
