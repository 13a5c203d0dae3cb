use super::{Filter, Follower, Level, LogLine, timestamp};
use std::io::Write;

const LOG: &str = "\
from before there were times
2026-03-01T10:00:00.000000Z  INFO bezant_node::node: started
2026-03-01T10:00:01.500000Z  WARN bezant_node::net: Something Odd
thread 'main' panicked at somewhere
{\"timestamp\":\"2026-03-01T10:00:02.250000Z\",\"level\":\"ERROR\",\"fields\":{\"message\":\"broken\"}}
2026-03-01T10:00:03.000000Z DEBUG bezant_node::net: quiet
2026-03-01T10:00:04.000000Z  INFO half a li";

fn read() -> (Follower, Vec<LogLine>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut follower = Follower::new("node0", &path);
    assert!(follower.lines().unwrap().is_empty(), "a log that is not there yet is empty");
    std::fs::write(&path, LOG).unwrap();
    let lines = follower.lines().unwrap();
    (follower, lines, dir)
}

#[test]
fn lines_have_the_time_and_level_of_their_entry() {
    let (mut follower, lines, dir) = read();
    let start = 1_772_359_200_000;
    let heads: Vec<_> = lines.iter().map(|line| (line.time_ms.map(|ms| ms - start), line.level)).collect();
    assert_eq!(
        heads,
        [
            (None, None),
            (Some(0), Some(Level::Info)),
            (Some(1_500), Some(Level::Warn)),
            (Some(1_500), Some(Level::Warn)),
            (Some(2_250), Some(Level::Error)),
            (Some(3_000), Some(Level::Debug)),
        ]
    );
    assert_eq!(timestamp(start + 1_500), "2026-03-01T10:00:01.5Z");
    let mut file = std::fs::File::options().append(true).open(dir.path().join("log")).unwrap();
    file.write_all(b"ne\n").unwrap();
    let rest = follower.lines().unwrap();
    assert_eq!(rest.len(), 1);
    assert!(rest[0].text.ends_with("half a line") && rest[0].level == Some(Level::Info), "{rest:?}");
}

#[test]
fn filters_leave_out_what_is_not_wanted() {
    let (_, lines, _dir) = read();
    let none = Filter::default();
    for (filter, wanted) in [
        (none.clone(), &[0, 1, 2, 3, 4, 5][..]),
        (Filter { level: Some(Level::Warn), ..none.clone() }, &[0, 2, 3, 4]),
        (Filter { text: Some("odd".into()), ..none.clone() }, &[2]),
        (Filter { text: Some("PANICKED".into()), level: Some(Level::Warn), ..none.clone() }, &[3]),
        (Filter { since_ms: Some(1_772_359_202_000), ..none.clone() }, &[0, 4, 5]),
        (Filter { text: Some("nothing like it".into()), ..none }, &[]),
    ] {
        let kept: Vec<usize> = (0..lines.len()).filter(|index| filter.wants(&lines[*index])).collect();
        assert_eq!(kept, wanted, "{filter:?}");
    }
    assert!("loud".parse::<Level>().is_err());
}
