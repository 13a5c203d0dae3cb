use super::*;
use bezant_consensus::ledger::hash::LockHash;

fn resolve(to: &str) -> Result<Recipient, WalletError> {
    let seed = match to {
        "bob" => 1,
        "carol" => 2,
        _ => return Err(WalletError::Usage(format!("\"{to}\" is nobody"))),
    };
    Ok(Recipient { lock: LockHash([seed; 32]), address: format!("bzt1{to}"), name: Some(to.to_owned()) })
}

#[test]
fn columns_are_found_by_their_names() {
    let rows = parse(b"Label,amount,NAME\n rent , 12.5 , bob\n\"a, b\",3,carol\n", resolve).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].line, rows[0].amount.grains(), rows[0].label.as_str()), (2, 1_250_000_000, "rent"));
    assert_eq!((rows[1].line, rows[1].to.as_str(), rows[1].label.as_str()), (3, "carol", "a, b"));
    assert_eq!(parse(b"to,amount\nbob,1\n", resolve).unwrap()[0].label, "");
}

#[test]
fn every_bad_line_is_told_with_its_number() {
    let text = b"name,amount,label\nbob,1,\nnobody,1,\nbob,0,\nbob,1.123456789,\ncarol\nbob,1,x,y\nbob,2,ok\n";
    let error = parse(text, resolve).unwrap_err();
    for part in
        ["line 3: \"nobody\"", "line 4: an amount above 0", "line 5: amount", "line 6: a field", "line 7: 4 fields"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!error.contains("line 2") && !error.contains("line 8"), "{error}");
    let many = format!("name,amount\n{}", "nobody,1\n".repeat(50));
    assert!(parse(many.as_bytes(), resolve).unwrap_err().ends_with("and 30 more"));
}

#[test]
fn what_names_nobody_is_refused() {
    for (text, part) in [
        (&b""[..], "first line"),
        (b"name,amount\n", "no payments"),
        (b"who,amount\nbob,1\n", "first line"),
        (b"name,label\nbob,1\n", "first line"),
        (b"name,amount\nbob,\xff\n", "UTF-8"),
    ] {
        let error = parse(text, resolve).unwrap_err();
        assert!(error.contains(part), "{part}: {error}");
    }
    let many = format!("name,amount\n{}", "bob,1\n".repeat(ROWS_MAX + 1));
    assert!(parse(many.as_bytes(), resolve).unwrap_err().contains("split it"));
}
