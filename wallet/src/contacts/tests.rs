use super::*;

const NETWORK: NetworkId = NetworkId([3; 32]);
const OTHER: NetworkId = NetworkId([4; 32]);

fn address(network: &NetworkId, number: u8) -> String {
    address::encode(network, &LockHash([number; 32]))
}

#[test]
fn one_name_stands_for_one_address_on_each_net() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (address(&NETWORK, 1), address(&OTHER, 1));
    assert!(list(dir.path(), &NETWORK).unwrap().is_empty() && !path(dir.path()).exists());
    add(dir.path(), &NETWORK, "shop", &here).unwrap();
    add(dir.path(), &NETWORK, "shop", &here.to_uppercase()).unwrap();
    add(dir.path(), &OTHER, "shop", &there).unwrap();
    assert_eq!(read(dir.path()).unwrap().len(), 2);
    assert_eq!(find(dir.path(), &NETWORK, "shop").unwrap().unwrap().address, here);
    assert_eq!(find(dir.path(), &OTHER, "shop").unwrap().unwrap().address, there);
    for (name, to) in [
        ("shop", address(&NETWORK, 2)),
        ("other", there.clone()),
        ("other", "bzt1x".to_owned()),
        ("../x", here.clone()),
        ("", here.clone()),
    ] {
        assert_eq!(add(dir.path(), &NETWORK, name, &to).unwrap_err().exit_status(), 2, "{name} {to}");
    }
    add(dir.path(), &NETWORK, "baker", &address(&NETWORK, 2)).unwrap();
    assert_eq!(rename(dir.path(), &NETWORK, "shop", "baker").unwrap_err().exit_status(), 2);
    assert_eq!(rename(dir.path(), &NETWORK, "none", "one").unwrap_err().exit_status(), 2);
    rename(dir.path(), &NETWORK, "shop", "grocer").unwrap();
    let names: Vec<String> = list(dir.path(), &NETWORK).unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["baker", "grocer"]);
    remove(dir.path(), &NETWORK, "grocer").unwrap();
    assert_eq!(remove(dir.path(), &NETWORK, "grocer").unwrap_err().exit_status(), 2);
    assert!(find(dir.path(), &OTHER, "shop").unwrap().is_some(), "the other net's stays");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(path(dir.path())).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn several_commands_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for number in 0..16u8 {
            let dir = dir.path();
            scope.spawn(move || add(dir, &NETWORK, &format!("n{number}"), &address(&NETWORK, number)).unwrap());
        }
    });
    assert_eq!(list(dir.path(), &NETWORK).unwrap().len(), 16);
}

#[test]
fn a_damaged_file_is_told_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    for text in [
        "nonsense",
        "version = 2",
        "version = 1\nmore = 1",
        "version = 1\n[[contact]]\nname = \"a b\"\naddress = \"x\"",
        "version = 1\n[[contact]]\nname = \"a\"",
    ] {
        std::fs::write(path(dir.path()), text).unwrap();
        let error = add(dir.path(), &NETWORK, "shop", &address(&NETWORK, 1)).unwrap_err();
        assert!(error.exit_status() == 1 && error.to_string().contains("move it away"), "{text}: {error}");
        assert_eq!(std::fs::read_to_string(path(dir.path())).unwrap(), text);
    }
}
