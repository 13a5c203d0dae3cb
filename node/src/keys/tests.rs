use super::*;
use bezant_api::types::EngineName;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        write_private(&place.key(), &format!("{}\n", hex::encode([7; 32]))).unwrap();
        place
    }

    fn key(&self) -> std::path::PathBuf {
        self.dir.path().join("validator.key")
    }

    /// A start with the data directory of this name.
    fn start(&self, data: &str) -> Result<VoteLog, NodeError> {
        let metrics = std::sync::Arc::new(crate::metrics::Metrics::new());
        let mut opened =
            crate::store::open(&self.dir.path().join(data), &crate::tests::genesis(EngineName::Pbft, 1), metrics)
                .unwrap();
        let log = vote_log(&self.key(), &mut opened.facts);
        opened.state.stop().unwrap();
        log
    }
}

#[test]
fn a_key_and_its_log_know_each_other() {
    let place = Place::new();
    assert_eq!(place.start("a").unwrap(), VoteLog::Original);
    assert_eq!(place.start("a").unwrap(), VoteLog::Original);
    assert_eq!(read_validator_key(&place.key()).unwrap().public(), SigningKey::from_seed(&[7; 32]).public());
    let marked = std::fs::read_to_string(place.key()).unwrap();

    let VoteLog::Begun { nonce } = place.start("emptied").unwrap() else { panic!("the log was lost") };
    assert_eq!(place.start("emptied").unwrap(), VoteLog::Begun { nonce }, "one nonce for one log");
    let VoteLog::Begun { nonce: again } = place.start("a").unwrap() else { panic!("it is not the latest log") };
    assert_ne!(again, nonce);

    // The power went before the key was marked.
    let unmarked = Place::new();
    assert_eq!(unmarked.start("a").unwrap(), VoteLog::Original);
    write_private(&unmarked.key(), marked.lines().next().unwrap()).unwrap();
    assert_eq!(unmarked.start("a").unwrap(), VoteLog::Original);
    assert!(std::fs::read_to_string(unmarked.key()).unwrap().contains("vote-log"));
}

#[test]
fn a_key_file_that_makes_no_sense_is_left_alone() {
    let place = Place::new();
    let text = format!("{}\nvote-log 12\n", hex::encode([7; 32]));
    write_private(&place.key(), &text).unwrap();
    let error = place.start("a").unwrap_err().to_string();
    assert!(error.contains("vote-log"), "{error}");
    assert_eq!(std::fs::read_to_string(place.key()).unwrap(), text);
}
