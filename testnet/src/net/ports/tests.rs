use super::*;

#[test]
fn the_ephemeral_range_is_read() {
    for (text, range) in [
        ("32768\t60999\n", Some(32_768..=60_999)),
        ("1024 65535", Some(1_024..=65_535)),
        ("7 7", Some(7..=7)),
        ("", None),
        ("32768", None),
        ("32768 60999 1", None),
        ("60999 32768", None),
        ("1024 65536", None),
        ("from to", None),
    ] {
        assert_eq!(parse_range(text), range, "{text:?}");
    }
}

#[test]
fn candidates_lie_outside_the_ephemeral_range_unless_that_is_nearly_everything() {
    for (ephemeral, first, last, count) in [
        (32_768..=60_999, 10_000, 65_535, 22_768 + 4_536),
        (49_152..=65_535, 10_000, 49_151, 39_152),
        (1_024..=60_999, 61_000, 65_535, 4_536),
        (1_024..=65_535, 10_000, 65_535, 55_536),
        (10_999..=65_535, 10_000, 65_535, 55_536),
        (11_000..=65_535, 10_000, 10_999, 1_000),
    ] {
        let ports = candidates(&ephemeral);
        assert_eq!((ports[0], ports[ports.len() - 1], ports.len()), (first, last, count), "{ephemeral:?}");
        let all = ports.len() == usize::from(u16::MAX - PORT_MIN) + 1;
        assert!(all || ports.iter().all(|port| !ephemeral.contains(port)), "{ephemeral:?}");
    }
}

#[test]
fn two_nets_never_claim_the_same_port_and_the_first_can_listen_on_its_own() {
    let (mut one, mut other) = (PortClaims::default(), PortClaims::default());
    let ports: Vec<u16> = (0..8).map(|_| one.claim_any().expect("a free port")).collect();
    assert_eq!(one.held.len(), ports.len(), "each another one");
    for port in ports {
        assert!(candidates(&ephemeral()).contains(&port), "{port}");
        assert!(other.claim(port).is_err(), "{port} is claimed");
        one.claim(port).expect("its own");
        // What a node does; while it runs, the port stays claimed.
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a claimed port can be listened on");
    }
    let port = *one.held.keys().next().expect("claimed above");
    drop(one);
    other.claim(port).expect("released with its net");
}

#[test]
fn a_port_on_which_somebody_listens_is_not_claimed() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let mut claims = PortClaims::default();
    assert!(claims.claim(port).is_err());
    assert!(claims.held.is_empty(), "a failed claim holds nothing");
}
