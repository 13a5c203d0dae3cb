use super::*;

fn home() -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("home"));
    (dir, home)
}

#[test]
fn the_flag_wins_then_the_environment_then_the_data_directory() {
    let find = |flag: Option<&str>, vars: &[(&str, &str)]| {
        let vars: Vec<(String, PathBuf)> = vars.iter().map(|(k, v)| ((*k).to_owned(), PathBuf::from(v))).collect();
        let env = move |name: &str| vars.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
        Home::from_sources(flag.map(Path::new), env).map(|home| home.path().to_owned())
    };
    let all = [("BEZANT_HOME", "/b"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
    assert_eq!(find(Some("/f"), &all).unwrap(), Path::new("/f"));
    assert_eq!(find(None, &all).unwrap(), Path::new("/b"));
    assert_eq!(find(None, &all[1..]).unwrap(), Path::new("/x/bezant"));
    assert_eq!(
        find(None, &[("BEZANT_HOME", ""), ("XDG_DATA_HOME", "x"), ("HOME", "/h")]).unwrap(),
        Path::new("/h/.local/share/bezant")
    );
    assert!(matches!(find(None, &[]), Err(HomeError::Nowhere)));
}

#[test]
fn a_net_is_found_by_its_name_wherever_it_is() {
    let (outer, home) = home();
    let elsewhere = outer.path().join("elsewhere");
    assert!(matches!(home.find_net("a"), Err(HomeError::NoNet(_))));
    let a = home.create_net("a", None).unwrap();
    let b = home.create_net("b", Some(&elsewhere)).unwrap();
    assert_eq!((a, b.as_path()), (home.nets().join("a"), elsewhere.as_path()));
    assert_eq!(home.find_net("b").unwrap(), elsewhere);
    assert_eq!(home.create_net("b", None).unwrap(), elsewhere, "found again without its directory");
    let names: Vec<String> = home.list_nets().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(matches!(home.create_net("a", Some(&outer.path().join("c"))), Err(HomeError::Elsewhere { .. })));

    home.remove_net("b").unwrap();
    home.remove_net("b").unwrap();
    assert!(!elsewhere.exists());
    assert_eq!(home.list_nets().unwrap().len(), 1);
}

#[test]
fn a_directory_of_somebody_else_is_neither_taken_nor_deleted() {
    let (outer, home) = home();
    let precious = outer.path().join("precious");
    std::fs::create_dir(&precious).unwrap();
    std::fs::write(precious.join("thesis.tex"), "42").unwrap();
    assert!(matches!(home.create_net("a", Some(&precious)), Err(HomeError::NotOurs(_))));
    assert!(matches!(remove_marked(&precious), Err(HomeError::NotOurs(_))));
    assert!(precious.join("thesis.tex").exists());
    for bad in ["", "..", "a/b", ".hidden", "-x", "a.link", &"a".repeat(65)] {
        assert!(matches!(home.create_net(bad, None), Err(HomeError::BadName(_))), "{bad}");
    }
}
