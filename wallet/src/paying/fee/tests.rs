use super::*;
use jsonrpsee::server::{RpcModule, Server};
use jsonrpsee::types::ErrorObjectOwned;

#[tokio::test]
async fn a_fee_rate_that_nobody_named_is_the_estimate_within_bounds() {
    use bezant_api::types::FeeView;
    for (estimated, least, expected) in [
        (Some(1_000), 1_000, 1_000),
        (Some(4_321), 1_000, 4_321),
        (Some(0), 1_000, 1_000),
        (Some(u64::MAX), 1_000, 1_000 * FEE_RATE_MULTIPLE_MAX),
        (Some(u64::MAX), 0, FEE_RATE_BASE_MIN * FEE_RATE_MULTIPLE_MAX),
        (None, 1_000, 1_000),
    ] {
        let mut module = RpcModule::new(());
        if let Some(fee_rate) = estimated {
            let view = FeeView { blocks: 6, fee_rate, minimum: least, backlog: 0, recent: 0 };
            module.register_method("fee_estimate", move |_, (), _| Ok::<_, ErrorObjectOwned>(view.clone())).unwrap();
        }
        let server = Server::builder().build("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let server = server.start(module);
        let client = Client::new(vec![url]).unwrap();
        assert_eq!(rate(None, &client, least).await, Ok(expected), "{estimated:?}");
        server.stop().unwrap();
    }
}

#[test]
fn a_fee_rate_that_looks_like_a_mistake_wants_to_be_allowed() {
    for (asked, is_allowed, is_taken) in
        [(None, false, true), (Some(100_000), false, true), (Some(100_001), false, false), (Some(u64::MAX), true, true)]
    {
        let checked = check_rate(asked, 1_000, is_allowed);
        assert_eq!(checked.as_ref().ok(), is_taken.then_some(&asked), "{asked:?}");
        assert!(checked.is_ok() || checked.unwrap_err().kind() == "fee-too-high");
    }
    assert!(check_rate(Some(1_000_000), 10_000, false).is_ok(), "in proportion to the net's own minimum");
}

#[test]
fn a_fee_that_looks_like_a_mistake_wants_to_be_allowed() {
    let grains = |grains| Amount::from_grains(grains).unwrap();
    for (fee, bytes, is_allowed, is_taken) in
        [(20_000, 200, false, true), (20_001, 200, false, false), (20_001, 200, true, true), (0, 0, false, true)]
    {
        let checked = check(grains(fee), bytes, 1_000, is_allowed);
        assert_eq!(checked.is_ok(), is_taken, "{fee} for {bytes}");
        assert!(checked.is_ok() || checked.unwrap_err().kind() == "fee-too-high");
    }
}
