//! `bezant wallet lock …`.

use super::{one_or_all, session};
use crate::cli::wallet::{HashLock, Lock as Command, ShowLock};
use crate::cli::{Global, Target};
use crate::output::{Failure, Outcome, Output};
use bezant_api::client::ClientError;
use bezant_consensus::ledger::hash::sha256;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::units::Height;
use bezant_wallet::error::WalletError;
use bezant_wallet::keys::keystore::{self, WalletFile};
use bezant_wallet::locks::policy::make::Maker;
use bezant_wallet::locks::policy::satisfy::{Moment, satisfy};
use bezant_wallet::locks::policy::{Display, keys_min, words};
use bezant_wallet::locks::preimage;
use bezant_wallet::locks::time;
use bezant_wallet::paying::purse::Known;
use bezant_wallet::session::Session;
use serde::Serialize;
use std::path::PathBuf;

/// `lock show`, and what the others print of what they made.
#[derive(Debug, Serialize)]
struct Shown {
    wallet: Option<String>,
    address: String,
    policy: String,
    words: String,
    /// Whether the wallets here can spend from it in the next block; null when no node answers.
    opens: Option<bool>,
    /// What is missing, in words; null when nothing is, or when no node answers.
    missing: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

pub(super) async fn run(command: Command, global: &Global, output: &Output) -> Outcome {
    match command {
        Command::Multisig(options) => {
            let make = |maker: &Maker<'_>| Ok(maker.multisig(options.of, &options.parties)?);
            new(&options.name, &options.target, global, output, make).await
        }
        Command::Until(options) => {
            let make = |maker: &Maker<'_>| Ok(maker.until(&options.party, &options.after)?);
            new(&options.name, &options.target, global, output, make).await
        }
        Command::Hash(options) => {
            let make = |maker: &Maker<'_>| hash(&options, maker);
            new(&options.name, &options.target, global, output, make).await
        }
        Command::Vault(options) => {
            let make = |maker: &Maker<'_>| Ok(maker.vault(&options.together, &options.later, options.blocks)?);
            new(&options.name, &options.target, global, output, make).await
        }
        Command::Policy(options) => {
            let make = |maker: &Maker<'_>| {
                let lock = maker.policy(&options.policy)?;
                if keys_min(&lock) == 0 && !options.allow_keyless {
                    let message = "this lock opens without any key, so that whoever sees a spend can take the coins; add pk(…) to every branch, or --allow-keyless";
                    return Err(Failure::usage(message));
                }
                Ok(lock)
            };
            new(&options.name, &options.target, global, output, make).await
        }
        Command::Show(options) => show(&options, global, output).await,
    }
}

async fn new(
    name: &str,
    target: &Target,
    global: &Global,
    output: &Output,
    make: impl FnOnce(&Maker<'_>) -> Result<Lock, Failure>,
) -> Outcome {
    let session = session(target, global).await?;
    if session.wallet(name).is_ok() {
        return Err(Failure::usage(format!("there is a wallet or account {name} already; take another name")));
    }
    let known = Known::of(session.at_hand());
    let lock = make(&Maker { session: &session, known: &known })?;
    let wallet = WalletFile::watching(name, vec![lock.clone()]);
    let file = keystore::create(&crate::commands::net::home(global)?.wallets(), &wallet)?;
    let mut shown = shown(&session, &known, &lock, Some(name.to_owned())).await?;
    shown.file = Some(file);
    output.result(&shown, || text(&shown))
}

fn hash(options: &HashLock, maker: &Maker<'_>) -> Result<Lock, Failure> {
    let image = match (&options.sha256, &options.preimage_file) {
        (Some(text), _) => {
            let mut image = [0; 32];
            hex::decode_to_slice(text, &mut image)
                .map_err(|_| Failure::usage("--sha256: 64 hex digits are expected"))?;
            image
        }
        (None, Some(file)) => sha256(&*preimage::read(file)?),
        (None, None) => [0; 32],
    };
    let refund = options.refund.as_deref().zip(options.after.as_deref());
    // Before a file is written: the rest has to make sense.
    let lock = maker.hash(&options.party, image, refund)?;
    match &options.new_preimage {
        Some(file) => Ok(maker.hash(&options.party, preimage::create(file)?, refund)?),
        None => Ok(lock),
    }
}

async fn show(options: &ShowLock, global: &Global, output: &Output) -> Outcome {
    let session = session(&options.target, global).await?;
    let known = Known::of(session.at_hand());
    let maker = Maker { session: &session, known: &known };
    let (name, locks) = if options.what.contains('(') {
        (None, vec![maker.policy(&options.what)?])
    } else if session.recipient(&options.what).is_ok_and(|to| to.name.is_none()) {
        let lock = maker.party(&options.what)?;
        (known.name(&lock.hash()).map(str::to_owned), vec![lock])
    } else {
        (Some(options.what.clone()), session.wallet(&options.what)?.wallet.locks)
    };
    let mut all = Vec::with_capacity(locks.len());
    for lock in &locks {
        all.push(shown(&session, &known, lock, name.clone()).await?);
    }
    one_or_all(&all, output, || all.iter().map(text).collect::<Vec<_>>().join("\n\n"))
}

async fn shown(session: &Session, known: &Known, lock: &Lock, wallet: Option<String>) -> Result<Shown, Failure> {
    let hash = lock.hash();
    let filled = bezant_wallet::locks::policy::fill(lock, &known.means.locks);
    let names = |lock: &bezant_consensus::ledger::hash::LockHash| known.name_or_address(session, lock);
    let now = match moment(session, &filled).await {
        Ok(moment) => Some((moment, satisfy(&filled, &known.means, &moment).err())),
        Err(WalletError::Unreachable { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let words = match &filled {
        // The wallet's own name would say nothing.
        Lock::Key(_) | Lock::Opaque(_) => format!("whoever opens {}", session.address(&hash)),
        filled => words::lock(filled, &names),
    };
    let missing = now
        .as_ref()
        .and_then(|(moment, missing)| missing.as_ref().map(|missing| words::missing(missing, moment.next, &names)));
    Ok(Shown {
        wallet,
        address: session.address(&hash),
        policy: Display { lock: &filled, network: session.network() }.to_string(),
        words,
        opens: now.map(|(_, missing)| missing.is_none()),
        missing,
        file: None,
    })
}

/// The next block, and its oldest coin's height.
async fn moment(session: &Session, lock: &Lock) -> Result<Moment, WalletError> {
    let client = session.client()?;
    let view = client.coins(&[lock.hash().to_string()]).await.map_err(|error| match error {
        ClientError::Busy(message) => WalletError::Failed(message),
        error => error.into(),
    })?;
    let next = time::next_block(session, view.height, [lock]).await?;
    let oldest = view.coins.iter().map(|coin| coin.height).min();
    Ok(Moment { next, coin: oldest.map_or(next.height, Height) })
}

fn text(shown: &Shown) -> String {
    let wallet = shown.wallet.as_ref().map_or(String::new(), |name| format!("wallet   {name}\n"));
    let now = match (shown.opens, &shown.missing) {
        (Some(true), _) => "\nnow      can be spent with the wallets here".to_owned(),
        (_, Some(missing)) => format!("\nnow      {missing}"),
        (_, None) => String::new(),
    };
    let file = shown.file.as_ref().map_or(String::new(), |file| format!("\nfile     {}", file.display()));
    let Shown { address, policy, words, .. } = shown;
    format!("{wallet}address  {address}\nlock     {words}\npolicy   {policy}{now}{file}")
}
