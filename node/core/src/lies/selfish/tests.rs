//! Algorithm 1, transition by transition.

use super::Holding::{self, Lost, On};
use super::Selfish;
use bezant_consensus::ledger::units::Height;

/// As many blocks above the first.
fn up_to(blocks: u64) -> Holding {
    Holding::UpTo(Height(10 + blocks))
}

/// Plays a sequence: `o` is an own block, `p` one of the others, on the longer branch each, and a digit so many of theirs at once.
/// After each, what is done.
fn play(moves: &str) -> Vec<Holding> {
    let mut selfish = Selfish::new(Height(10));
    let (mut own, mut public) = (Height(10), Height(10));
    let mut held = 0;
    let step = |what: char| {
        let done = match what {
            'o' => {
                own = own.max(public).next();
                selfish.found(own)
            }
            _ => {
                public = Height(public.0 + u64::from(what.to_digit(10).unwrap_or(1)));
                selfish.heard(public)
            }
        };
        if let Holding::UpTo(height) = done {
            assert!(height >= public && height <= own && height.0 > held, "no block that is not there, nothing twice");
            held = height.0;
            // What is let out the others have.
            public = public.max(height);
        }
        done
    };
    moves.chars().map(step).collect()
}

#[test]
fn blocks_are_let_out_by_the_published_table() {
    for (moves, expected) in [
        // No lead: the others' block is followed.
        ("p", vec![Lost]),
        ("pp", vec![Lost, Lost]),
        ("po", vec![Lost, On]),
        // A lead of one: a race, which the next own block decides.
        ("op", vec![On, up_to(1)]),
        ("opo", vec![On, up_to(1), up_to(2)]),
        // Then all begins again.
        ("opop", vec![On, up_to(1), up_to(2), Lost]),
        ("opoop", vec![On, up_to(1), up_to(2), On, up_to(3)]),
        // The same, decided by the others, on whichever of the two blocks.
        ("opp", vec![On, up_to(1), Lost]),
        ("oppo", vec![On, up_to(1), Lost, On]),
        ("oppop", vec![On, up_to(1), Lost, On, up_to(3)]),
        // A lead of two: all is let out, and two blocks beat one.
        ("oop", vec![On, On, up_to(2)]),
        ("oopp", vec![On, On, up_to(2), Lost]),
        ("oopo", vec![On, On, up_to(2), On]),
        ("oopop", vec![On, On, up_to(2), On, up_to(3)]),
        // More: as much as the others have, until the lead is down to one.
        ("oooop", vec![On, On, On, On, up_to(1)]),
        ("oooopp", vec![On, On, On, On, up_to(1), up_to(2)]),
        ("oooopppp", vec![On, On, On, On, up_to(1), up_to(2), up_to(4), Lost]),
        ("oooppo", vec![On, On, On, up_to(1), up_to(3), On]),
        ("ooopopp", vec![On, On, On, up_to(1), On, up_to(2), up_to(4)]),
        // Several at once.
        ("ooooo2", vec![On, On, On, On, On, up_to(2)]),
        ("ooooo4", vec![On, On, On, On, On, up_to(5)]),
        ("ooo3o", vec![On, On, On, up_to(3), up_to(4)]),
        ("ooo5", vec![On, On, On, Lost]),
    ] {
        assert_eq!(play(moves), expected, "{moves}");
    }
}

#[test]
fn what_is_not_higher_changes_nothing() {
    let mut selfish = Selfish::new(Height(10));
    selfish.found(Height(11));
    assert_eq!(selfish.heard(Height(10)), On);
    assert_eq!(selfish.heard(Height(11)), Holding::UpTo(Height(11)));
    assert_eq!(selfish.heard(Height(11)), On, "the own block is heard of as well");
    assert_eq!(selfish.found(Height(12)), Holding::UpTo(Height(12)), "and the race goes on");
    assert_eq!(selfish.heard(Height(12)), On);
    assert_eq!(selfish.heard(Height(13)), Lost);
}
