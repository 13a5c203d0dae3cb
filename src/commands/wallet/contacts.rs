//! `wallet contacts` and `wallet address`.

use super::keys::add_address;
use super::{one_or_all, session};
use crate::cli::Global;
use crate::cli::wallet::{Contacts, ShowAddress};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output, qr, table};
use bezant_wallet::coins::labels;
use bezant_wallet::coins::view::{self, Addresses};
use bezant_wallet::contacts;
use bezant_wallet::session::Place;
use bezant_wallet::uri::PaymentUri;
use serde_json::json;

pub(super) async fn run(command: Contacts, global: &Global, output: &Output) -> Outcome {
    let dir = net::home(global)?.wallets();
    match command {
        Contacts::Add { name, address, target } => {
            let session = session(&target, global).await?;
            let taken = session.places(&name)?.into_iter().find(|place| !matches!(place, Place::Contact(_)));
            if let Some(place) = taken {
                return Err(Failure::usage(format!("\"{name}\" is {place}; take another name")));
            }
            let contact = contacts::add(&dir, session.network(), &name, &address)?;
            output.result(&contact, || format!("{}  {}", contact.name, contact.address))
        }
        Contacts::List(target) => {
            let all = session(&target, global).await?.contacts()?;
            output.result(&json!({ "contacts": all }), || {
                if all.is_empty() {
                    return String::new();
                }
                table(&["name", "address"], all.iter().map(|one| vec![one.name.clone(), one.address.clone()]))
            })
        }
        Contacts::Remove { name, target } => {
            contacts::remove(&dir, session(&target, global).await?.network(), &name)?;
            output.result(&json!({ "removed": name }), || format!("contact {name} is forgotten"))
        }
        Contacts::Rename { name, new, target } => {
            let session = session(&target, global).await?;
            let taken = session.places(&new)?.into_iter().find(|place| !matches!(place, Place::Contact(_)));
            if let Some(place) = taken {
                return Err(Failure::usage(format!("\"{new}\" is {place}; take another name")));
            }
            contacts::rename(&dir, session.network(), &name, &new)?;
            output.result(&json!({ "renamed": name, "name": new }), || format!("contact {name} is {new} now"))
        }
    }
}

pub(super) async fn address(arguments: &ShowAddress, global: &Global, output: &Output) -> Outcome {
    for text in [&arguments.label, &arguments.message].into_iter().flatten() {
        labels::check(text)?;
    }
    let session = session(&arguments.which.target, global).await?;
    let mut found = session.wallets(arguments.which.wallet.as_deref())?;
    if (arguments.qr || arguments.uri) && found.len() > 1 {
        return Err(Failure::usage("there are several wallets; name one with --wallet NAME"));
    }
    if arguments.new {
        found.iter_mut().try_for_each(|found| add_address(found, &arguments.password, global))?;
    }
    let all: Vec<Addresses> = found.iter().map(|found| view::addresses(&session, found)).collect::<Result<_, _>>()?;
    if !arguments.qr && !arguments.uri {
        return one_or_all(&all, output, || addresses_text(&all));
    }
    let newest = &all[0];
    let uri = arguments.uri.then(|| {
        let (label, message) = (arguments.label.clone(), arguments.message.clone());
        PaymentUri { address: newest.address.clone(), amount: arguments.amount, label, message }.to_string()
    });
    let mut value = serde_json::to_value(newest).map_err(|error| Failure::failed("output", error))?;
    value["uri"] = json!(uri);
    output.result(&value, || {
        let text = uri.as_ref().unwrap_or(&newest.address);
        // In capitals an address takes fewer modules, and means the same; so does a URI without texts.
        let is_plain = !text.contains('?');
        let coded = if is_plain { text.to_uppercase() } else { text.clone() };
        let picture = if arguments.qr { qr(&coded, global, output) } else { None };
        picture.map_or_else(|| text.clone(), |picture| format!("{picture}\n{text}"))
    })
}

fn addresses_text(all: &[Addresses]) -> String {
    match all {
        // Alone it can be pasted, or be a script's variable.
        [one] => one.addresses.join("\n"),
        all => {
            let label = |one: &Addresses, to: &String| one.labels.get(to).cloned().unwrap_or_default();
            let row = |one: &Addresses, to: &String| vec![one.wallet.clone(), to.clone(), label(one, to)];
            let rows = all.iter().flat_map(|one| one.addresses.iter().map(move |to| row(one, to)));
            table(&["wallet", "address", "label"], rows)
        }
    }
}
