use super::*;
use crate::testing::{PBFT, trace};
use bezant_api::trace::{Back, Fact};
use bezant_api::types::EngineName;

#[test]
fn only_who_has_somebody_to_tell_may_hurt_a_net_that_runs() {
    let powers = |source: Source, can_fault: bool, has_orders: bool| {
        let (orders, _kept) = mpsc::channel(1);
        let nets = vec![NetOptions { title: "n".to_owned(), source }];
        let orders = has_orders.then_some(orders);
        let look = Look::default();
        let options = &mut Options { nets, look, quit_stops_net: false, can_fault, orders, notices: None };
        App::new(options).ui.powers
    };
    for can_fault in [false, true] {
        for has_orders in [false, true] {
            let lives = powers(Source::Nodes(Vec::new()), can_fault, has_orders);
            let wanted = Powers { can_transfer: has_orders, can_fault: can_fault && has_orders, ..Powers::default() };
            assert_eq!(lives, wanted, "{can_fault} {has_orders}");
            let (header, entries) = trace(PBFT);
            let played = powers(Source::Trace(header, entries), can_fault, has_orders);
            assert_eq!(played, Powers { is_replay: true, ..Powers::default() }, "{can_fault} {has_orders}");
        }
    }
}

fn app_of_one_node() -> App {
    let source = Source::Nodes(Vec::new());
    let nets = vec![NetOptions { title: "n".to_owned(), source }];
    let look = Look::default();
    let mut app =
        App::new(&mut Options { nets, look, quit_stops_net: false, can_fault: true, orders: None, notices: None });
    app.histories = vec![History::live(Model::new("n", ["node0".to_owned()], None))];
    app
}

#[test]
fn nodes_are_asked_about_a_transfer_as_soon_as_it_is_followed() {
    let mut app = app_of_one_node();
    let txid = "ab".repeat(32);
    app.notice(Notice { text: "it is on its way".to_owned(), txid: Some(txid.clone()) });
    assert_eq!(app.feeds[0].wanted().transaction, Some(txid));
}

#[test]
fn what_was_said_of_a_net_that_is_gone_ends_with_that() {
    let mut app = app_of_one_node();
    app.ui.notice = Some("sending".to_owned());
    let entry = |fact: Fact| Entry { at_ms: 1, node: 0, fact };
    app.push(0, entry(Fact::Back(Back {})));
    assert!(app.ui.notice.is_some(), "it is only just met");
    app.histories = vec![History::live(Model::new("n", ["node0".to_owned()], Some(EngineName::Pbft)))];
    app.push(0, entry(Fact::Back(Back {})));
    assert_eq!(app.ui.notice, None, "it is back");
    app.ui.notice = Some("node0 is killed".to_owned());
    app.push(0, entry(Fact::Back(Back {})));
    assert!(app.ui.notice.is_some(), "nothing has changed");
    app.push(0, entry(Fact::Lost("gone".to_owned())));
    assert_eq!(app.ui.notice, None);
}
