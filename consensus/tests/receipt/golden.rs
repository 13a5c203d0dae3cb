//! The format, frozen: receipts that people keep have to be read for ever.
//!
//! With `BEZANT_REWRITE=1` the file is written anew instead of compared; the difference is then to be reviewed.

use crate::made::{Pbft, Pow};
use bezant_consensus::receipt::{Demands, Receipt};

const GOLDEN: &str = include_str!("../vectors/receipt.txt");

#[allow(clippy::disallowed_methods, reason = "a test may read its environment, and writes its file when asked to")]
#[test]
fn the_format_is_frozen() {
    let (pbft, pow) = (Pbft::new(), Pow::hard());
    let samples = [
        (&pbft.genesis, pbft.good()),
        (&pbft.genesis, pbft.later()),
        (&pow.genesis, pow.receipt(3, 1)),
        (&pow.genesis, pow.receipt(5, 0)),
    ];
    let now: String = samples.iter().map(|(_, receipt)| receipt.to_text()).collect();
    if std::env::var("BEZANT_REWRITE").is_ok_and(|value| value == "1") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/receipt.txt");
        std::fs::write(path, now).expect("the file can be written");
        return;
    }
    assert_eq!(GOLDEN, now, "a frozen format has changed");
    // And the frozen ones are read and hold.
    let texts: Vec<&str> = GOLDEN.split_inclusive("-----END BEZANT RECEIPT-----\n").collect();
    assert_eq!(texts.len(), samples.len());
    for (text, (genesis, receipt)) in texts.iter().zip(&samples) {
        let read = Receipt::from_text(text.as_bytes()).expect("it is read");
        assert_eq!(&read, receipt);
        read.verify(genesis, &Demands::default()).expect("it holds");
    }
}
