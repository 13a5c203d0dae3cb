use super::*;
use std::sync::Arc;
use tokio::sync::Notify;

const SALT: [u8; SALT_BYTES] = [5; SALT_BYTES];

struct Running {
    dir: tempfile::TempDir,
    socket: PathBuf,
    stop: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

/// An agent that keeps a key for so long.
fn running(time: Duration) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let socket = socket(Some(dir.path()), Path::new("/nowhere"), Path::new("/home/w.json")).unwrap();
    let (agent, stop) = (Agent::listen(&socket).unwrap(), Arc::new(Notify::new()));
    let until_ms = now_ms() + u64::try_from(time.as_millis()).unwrap();
    let kept = Kept { key: Zeroizing::new([9; 32]), salt: SALT, until_ms };
    let stopped = Arc::clone(&stop);
    let task = tokio::spawn(async move { agent.serve(kept, async move { stopped.notified().await }).await });
    Running { dir, socket, stop, task }
}

async fn blocking<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(what).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_gives_the_key_of_its_file_only_until_it_is_ended() {
    let running = running(Duration::from_secs(600));
    let socket = running.socket.clone();
    blocking(move || {
        let kept = key(&socket, &SALT).unwrap();
        assert_eq!(*kept.key, [9; 32]);
        assert_eq!(kept_until_ms(&socket, &SALT), Some(kept.until_ms));
        assert!(key(&socket, &[6; SALT_BYTES]).is_none(), "another password, or another file");
        assert_eq!(*ask(&socket, b'S', &SALT).unwrap().key, [0; 32], "whoever asks how long gets no key");
        assert!(ask(&socket, b'X', &SALT).is_none(), "an unknown question");
        assert!(end(&socket) && !socket.exists() && !end(&socket));
        assert!(key(&socket, &SALT).is_none());
    })
    .await;
    running.task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_by_itself_and_with_its_process() {
    let short = running(Duration::from_millis(300));
    short.task.await.unwrap();
    assert!(!short.socket.exists(), "nothing is left of it");
    let stopped = running(Duration::from_secs(600));
    stopped.stop.notify_one();
    stopped.task.await.unwrap();
    assert!(!stopped.socket.exists());
}

/// The clock on the wall was set forward, or the machine slept: what is over is not given away.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_not_given_away() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let (agent, (one, two)) = (Agent::listen(&socket).unwrap(), tokio::net::UnixStream::pair().unwrap());
    let kept = Kept { key: Zeroizing::new([9; 32]), salt: SALT, until_ms: u64::MAX };
    let (mut asking, mut answering) = (one, two);
    let mut question = [b'K'; QUESTION_BYTES];
    question[1..].copy_from_slice(&SALT);
    asking.write_all(&question).await.unwrap();
    assert!(!agent.answer(&mut answering, &kept, || true).await.unwrap());
    let mut answer = [1; ANSWER_BYTES];
    asking.read_exact(&mut answer).await.unwrap();
    assert_eq!((answer[0], &answer[1..]), (b'N', &[0; ANSWER_BYTES - 1][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_too_much_holds_nobody_up() {
    let running = running(Duration::from_secs(600));
    let socket = running.socket.clone();
    blocking(move || {
        let silent = UnixStream::connect(&socket).unwrap();
        let mut loud = UnixStream::connect(&socket).unwrap();
        loud.write_all(&[0xff; 60_000]).unwrap();
        let mut half = UnixStream::connect(&socket).unwrap();
        half.write_all(b"K55").unwrap();
        assert_eq!(*key(&socket, &SALT).unwrap().key, [9; 32]);
        drop((silent, loud, half));
    })
    .await;
    running.stop.notify_one();
    running.task.await.unwrap();
}

/// Somebody listens there who is no agent of ours: no hang, no key.
#[test]
fn strange_answers_are_no_key() {
    let dir = tempfile::tempdir().unwrap();
    for (number, answer) in [&b""[..], b"Y", &[b'Y'; 40], &[b'N'; 41], &[0; 41]].into_iter().enumerate() {
        let socket = dir.path().join(number.to_string());
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let answer = answer.to_vec();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; QUESTION_BYTES]).unwrap();
            stream.write_all(&answer).unwrap();
        });
        assert!(key(&socket, &SALT).is_none());
        thread.join().unwrap();
    }
    std::fs::write(dir.path().join("file"), "not a socket").unwrap();
    assert!(key(&dir.path().join("file"), &SALT).is_none() && key(&dir.path().join("none"), &SALT).is_none());
}

#[test]
fn its_directory_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let wallet = Path::new("/home/w.json");
    let here = socket(None, dir.path(), wallet).unwrap();
    assert_eq!(std::fs::metadata(dir.path().join("run")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_ne!(socket(None, dir.path(), Path::new("/home/v.json")).unwrap(), here);
    std::fs::set_permissions(dir.path().join("run"), std::fs::Permissions::from_mode(0o750)).unwrap();
    assert!(socket(None, dir.path(), wallet).unwrap_err().to_string().contains("others may enter"));
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(dir.path(), elsewhere.path().join("bezant")).unwrap();
    assert!(socket(Some(elsewhere.path()), dir.path(), wallet).is_err(), "a link of somebody's");
    let long = dir.path().join("x".repeat(100));
    assert!(socket(None, &long, wallet).unwrap_err().to_string().contains("XDG_RUNTIME_DIR"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_agent_takes_the_place_of_one_that_was_killed_and_not_its_life() {
    let old = running(Duration::from_secs(600));
    old.task.abort();
    let _ = old.task.await;
    let dir = old.dir;
    // What a killed one leaves.
    drop(std::os::unix::net::UnixListener::bind(&old.socket).unwrap());
    assert!(old.socket.exists());
    let first = Agent::listen(&old.socket).unwrap();
    let second = Agent::listen(&old.socket).unwrap();
    drop(first);
    assert!(old.socket.exists(), "the first one's end does not unlink the second one's socket");
    drop(second);
    assert!(!old.socket.exists());
    drop(dir);
}
