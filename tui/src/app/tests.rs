use super::*;
use crate::testing::{PBFT, trace};

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
