use super::*;

#[test]
fn a_file_is_written_once_unless_forced() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("payment.receipt");
    let has = |text: &str| assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    give(&file, b"one", false).unwrap();
    let error = give(&file, b"two", false).unwrap_err();
    assert_eq!(error.exit_status(), 2);
    assert!(error.to_string().ends_with("is there already; --force overwrites it"), "{error}");
    has("one");
    give(&file, b"three", true).unwrap();
    has("three");
    let error = create(&file, b"four").unwrap_err();
    assert!(error.to_string().ends_with("is there already; name another file"), "{error}");
    has("three");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    assert_eq!(give(&dir.path().join("nowhere/receipt"), b"five", false).unwrap_err().exit_status(), 1);
}
