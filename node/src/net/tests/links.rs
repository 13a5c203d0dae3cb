//! Faults of links between real networks: what a peer says by every way comes through one gate.

use super::*;

async fn set(node: &Node, rules: Vec<LinkRule>) {
    node.tell(NetCommand::SetLinks(rules.into_iter().map(Arc::new).collect())).await;
}

/// The heights of the next tips that are heard.
async fn tips(node: &mut Node, count: usize) -> Vec<u64> {
    let mut heights = Vec::new();
    for _ in 0..count {
        let tip = |event: &mut NetEvent| match event {
            NetEvent::Message { message: Message::Tip(tip), .. } => Some(tip.height.0),
            _ => None,
        };
        heights.push(node.until("a tip", tip).await);
    }
    heights
}

/// Judges every gossiped message valid, as long as it runs.
async fn accept_all(node: &mut Node) {
    while let Some(event) = node.network.events.recv().await {
        if let NetEvent::Message { origin: Origin::Gossip(gossip), .. } = event {
            node.tell(NetCommand::Judge { gossip, verdict: Verdict::Accept }).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_cut_one_way_carries_the_other_way() {
    let genesis = genesis(2, 40, true);
    let (mut a, b_of_a, mut b, a_of_b) = pair(&genesis).await;
    let rule = Arc::new(hears(b.id(), LinkEffects::CUT));
    a.tell(NetCommand::SetLinks(vec![rule.clone()])).await;
    // The answer is what is lost: b hears the question. Whoever asks waits as long as for any answer.
    let request = Message::GetHeaders(Locator::default());
    let asked = Instant::now();
    a.send(To::Peer(b_of_a), &request).await;
    let (_, origin) = b.hears(&request).await;
    let Origin::Request(reply) = origin else { panic!("a question is one") };
    reply.send(headers(1));
    b.send(To::Peer(a_of_b), &tip(1)).await;
    let unanswered = |event: &mut NetEvent| match event {
        NetEvent::Unanswered(_) => Some(true),
        NetEvent::Message { .. } => Some(false),
        _ => None,
    };
    assert!(a.until("that nothing is heard", unanswered).await, "neither the answer nor the tip is heard");
    assert!(asked.elapsed() >= Duration::from_secs(4));
    assert_eq!(rule.counts.lost(), 2);
    // A question that is lost is not answered either.
    b.send(To::Peer(a_of_b), &request).await;
    assert!(b.until("no answer", unanswered).await);
    set(&a, Vec::new()).await;
    a.send(To::Peer(b_of_a), &tip(0)).await;
    assert_eq!(tips(&mut b, 1).await, [0]);
    b.send(To::Peer(a_of_b), &tip(2)).await;
    assert_eq!(tips(&mut a, 1).await, [2], "the connection was there all the time");
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delayed_comes_later_in_its_order_and_delays_nobody_else() {
    let genesis = genesis(3, 41, true);
    let (mut a, b_of_a, b, a_of_b) = pair(&genesis).await;
    let mut c = node(&genesis, Some(2), vec![a.address()]).await;
    let a_of_c = c.connected(a.id()).await;
    a.connected(c.id()).await;
    set(&a, vec![hears(b.id(), LinkEffects { delay_ms: 2_000, jitter_ms: 500, ..LinkEffects::default() })]).await;
    // Commands are carried out in their order; this one shows that the one before was.
    a.send(To::Peer(b_of_a), &tip(0)).await;
    let mut b = b;
    assert_eq!(tips(&mut b, 1).await, [0]);
    let sent = Instant::now();
    for height in 1..=20 {
        b.send(To::Peer(a_of_b), &tip(height)).await;
    }
    c.send(To::Peer(a_of_c), &tip(100)).await;
    assert_eq!(tips(&mut a, 1).await, [100], "whoever is not delayed is heard first");
    assert_eq!(tips(&mut a, 20).await, (1..=20).collect::<Vec<_>>());
    assert!(sent.elapsed() >= Duration::from_millis(1_500), "{:?}", sent.elapsed());
    // What is still held back arrives when the fault ends.
    set(&a, vec![LinkRule { id: 2, ..hears(b.id(), LinkEffects { delay_ms: 60_000, ..LinkEffects::default() }) }])
        .await;
    a.send(To::Peer(b_of_a), &tip(0)).await;
    assert_eq!(tips(&mut b, 1).await, [0]);
    b.send(To::Peer(a_of_b), &tip(21)).await;
    b.send(To::Peer(a_of_b), &tip(22)).await;
    set(&a, Vec::new()).await;
    assert_eq!(tips(&mut a, 2).await, [21, 22]);
    for node in [a, b, c] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_directly_may_be_heard_twice() {
    let genesis = genesis(2, 42, true);
    let (mut a, b_of_a, mut b, a_of_b) = pair(&genesis).await;
    set(&a, vec![hears(b.id(), LinkEffects { duplicate_ppm: 1_000_000, ..LinkEffects::default() })]).await;
    a.send(To::Peer(b_of_a), &tip(0)).await;
    assert_eq!(tips(&mut b, 1).await, [0]);
    b.send(To::Peer(a_of_b), &tip(1)).await;
    b.send(To::Peer(a_of_b), &tip(2)).await;
    assert_eq!(tips(&mut a, 4).await, [1, 1, 2, 2]);
    a.stop().await;
    b.stop().await;
}

/// Three networks, each connected to both others and subscribed to what they gossip.
async fn triangle(salt: u8) -> (Node, Node, Node) {
    let genesis = genesis(3, salt, true);
    let mut a = node(&genesis, Some(0), Vec::new()).await;
    let mut b = node(&genesis, Some(1), vec![a.address()]).await;
    let mut c = node(&genesis, Some(2), vec![a.address(), b.address()]).await;
    a.connected(b.id()).await;
    a.connected(c.id()).await;
    b.connected(c.id()).await;
    b.connected(a.id()).await;
    c.connected(a.id()).await;
    c.connected(b.id()).await;
    (a, b, c)
}

/// Gossips transactions until `listener` hears one as gossip brought by `over`, while `relay` passes on what it hears.
async fn gossip_until(speaker: &Node, relay: &mut Node, listener: &mut Node, over: PeerId) {
    let heard = async {
        for number in 1.. {
            speaker.send(To::All, &transaction(number)).await;
            let pause = tokio::time::sleep(Duration::from_millis(200));
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    event = listener.network.events.recv() => match event.expect("the network runs") {
                        NetEvent::Message { origin: Origin::Gossip(gossip), .. } if gossip.source == over => return,
                        _ => {}
                    },
                    () = accept_all(relay) => panic!("the relay has ended"),
                    () = &mut pause => break,
                }
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("it is heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_that_one_link_loses_is_taken_from_another() {
    let (a, mut b, mut c) = triangle(43).await;
    // So that the copies of a reach c first, as they do for as long as the two are in each other's mesh.
    let (direct, relay) = (a.id(), b.id());
    gossip_until(&a, &mut b, &mut c, direct).await;
    let lossy = LinkEffects { drop_ppm: 1_000_000, ..LinkEffects::default() };
    set(&c, vec![hears(direct, lossy)]).await;
    let (mut heard, mut said) = (0, 0);
    let many = async {
        while heard < 20 {
            said += 1;
            a.send(To::All, &transaction(1_000 + said)).await;
            let pause = tokio::time::sleep(Duration::from_millis(100));
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    event = c.network.events.recv() => match event.expect("the network runs") {
                        NetEvent::Message { origin: Origin::Gossip(gossip), .. } if gossip.source == relay => heard += 1,
                        _ => {}
                    },
                    () = accept_all(&mut b) => panic!("the relay has ended"),
                    () = &mut pause => break,
                }
            }
        }
    };
    timeout(PATIENCE, many).await.expect("the relay is heard");
    assert!(heard * 2 > said, "of {said} messages {heard} came by the other link");
    for node in [a, b, c] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_that_comes_late_is_judged_and_passed_on() {
    let (a, mut b, mut c) = triangle(44).await;
    // All that reaches c comes by b, who hears it late.
    set(&c, vec![LinkRule { to: BTreeSet::from([a.id()]), ..hears(a.id(), LinkEffects::CUT) }]).await;
    set(&b, vec![hears(a.id(), LinkEffects { delay_ms: 50, ..LinkEffects::default() })]).await;
    let relay = b.id();
    gossip_until(&a, &mut b, &mut c, relay).await;
    for node in [a, b, c] {
        node.stop().await;
    }
}
