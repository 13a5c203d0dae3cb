use super::*;

fn rows() -> Vec<Vec<String>> {
    let id = "0123456789abcdef".repeat(4);
    vec![
        vec!["alice".to_owned(), id.clone(), "a text of forty or more characters, with blanks".to_owned()],
        vec!["bob".to_owned(), format!("{id}:12"), String::new()],
    ]
}

#[test]
fn ids_are_whole_unless_a_terminal_is_too_narrow() {
    let whole = fitted(&["wallet", "id", "label"], &rows(), None);
    assert!(whole.contains(&"0123456789abcdef".repeat(4)));
    assert_eq!(fitted(&["wallet", "id", "label"], &rows(), Some(200)), whole);
    for (columns, shown) in [(110, "0123456789abcdef…0123456789abcdef"), (85, "01234567…89abcdef"), (20, "0123…cdef")]
    {
        let text = fitted(&["wallet", "id", "label"], &rows(), Some(columns));
        assert!(text.contains(shown) && text.contains(&format!("{shown}:12")), "{columns}: {text}");
        assert!(text.contains("a text of forty or more characters, with blanks"), "only ids are shortened: {text}");
        assert!(columns < 80 || text.lines().all(|line| line.chars().count() <= columns), "{text}");
    }
}

#[test]
fn a_qr_code_has_its_finders_and_its_quiet_zone() {
    let picture = qr_picture("BEZANT:BZT1QQ", false).expect("it is short");
    let modules = picture.modules;
    assert_eq!((modules - 2 * QUIET_MODULES - 17) % 4, 0, "a size of the standard");
    assert!(picture.lines.iter().all(|line| line.chars().count() == modules));
    assert_eq!(picture.lines.len(), modules.div_ceil(2));
    // The module at a place, read back.
    let lines: Vec<Vec<char>> = picture.lines.iter().map(|line| line.chars().collect()).collect();
    let is_dark = |x: usize, y: usize| matches!((lines[y / 2][x], y % 2), (' ', _) | ('▄', 0) | ('▀', 1));
    let inner = QUIET_MODULES..modules - QUIET_MODULES;
    for y in 0..modules {
        for x in 0..modules {
            if !inner.contains(&x) || !inner.contains(&y) {
                assert!(!is_dark(x, y), "the quiet zone is light at {x}, {y}");
            }
        }
    }
    let finder = ["1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111"];
    let far = modules - QUIET_MODULES - 7;
    for (left, top) in [(QUIET_MODULES, QUIET_MODULES), (far, QUIET_MODULES), (QUIET_MODULES, far)] {
        for (dy, row) in finder.iter().enumerate() {
            let seen: String = (0..7).map(|dx| if is_dark(left + dx, top + dy) { '1' } else { '0' }).collect();
            assert_eq!(&seen, row, "at {left}, {top}");
        }
    }
    assert!(qr_picture(&"x".repeat(5_000), false).is_none(), "more than any code holds");
    let coloured = qr_picture("x", true).expect("it is short");
    assert!(
        coloured.lines.iter().all(|line| line.starts_with("\u{1b}[38;5;231;48;5;16m") && line.ends_with("\u{1b}[0m"))
    );
}
