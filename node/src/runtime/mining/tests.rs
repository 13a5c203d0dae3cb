use super::*;
use bezant_api::types::EngineName;
use bezant_consensus::ledger::hash::BlockId;

fn demand(mining: &mut Mining, left: u64) -> oneshot::Receiver<Result<TipView, InstructionError>> {
    let (reply, answer) = oneshot::channel();
    mining.demand(OnDemand { left, wish: None, advance_clock: false, reply });
    answer
}

/// While a node is limited to no hashes at all, it finds the blocks that were asked for, and not one more.
#[test]
fn only_what_is_asked_for_escapes_the_limit() {
    let genesis = crate::tests::genesis(EngineName::Pow, 1);
    let (offers, _) = watch::channel(Offers::default());
    let setup = MiningSetup { miner: None, always: true, offers };
    let (mut mining, _) = Mining::new(setup, genesis.ledger);
    mining.set_hashrate(0);
    assert_eq!(mining.present_hashrate_max(), Some(0.0));
    let _answer = demand(&mut mining, 2);
    assert_eq!(mining.present_hashrate_max(), Some(0.0), "the template is still that of any block");
    for number in [1, 2] {
        assert!(mining.wants_block().is_some());
        mining.asked();
        assert_eq!(mining.present_hashrate_max(), None);
        assert!(mining.wants_block().is_none(), "one at a time");
        let block = BlockId([number; 32]);
        mining.found(block);
        mining.block_came(&BlockId([9; 32]), true);
        assert_eq!(mining.present_hashrate_max(), None, "that was the block of somebody else");
        mining.block_came(&block, true);
        assert_eq!(mining.present_hashrate_max(), Some(0.0), "the next template is that of any block");
    }
}
