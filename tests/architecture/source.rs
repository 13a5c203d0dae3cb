//! Source files without their comments, and the paths that they name.

use std::path::Path;

/// A file of a crate.
pub(crate) struct File {
    /// Below the crate's `src`, with slashes.
    pub(crate) path: String,
    /// Without comments.
    text: String,
}

/// All Rust files below a directory.
pub(crate) fn read(directory: &Path) -> Vec<File> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).expect("the directory is there") {
            let path = entry.expect("the entry is readable").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(directory).expect("it was found below");
                let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
                let text = std::fs::read_to_string(&path).expect("the file is readable");
                files.push(File::new(&parts.join("/"), &text));
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> File {
        let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
        File { path: path.to_owned(), text: text.lines().map(code).collect::<Vec<_>>().join("\n") }
    }

    /// The module that the file is: `ledger/rules/mod.rs` is `ledger::rules`.
    pub(crate) fn module_path(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        stem.trim_end_matches("/mod").split('/').map(str::to_owned).collect()
    }

    /// Whether it is a test beside a module.
    pub(crate) fn is_test(&self) -> bool {
        self.module_path().iter().any(|part| part == "tests")
    }

    /// Whether a word stands in it.
    pub(crate) fn names(&self, word: &str) -> bool {
        starts(&self.text, word).any(|place| !self.text[place + word.len()..].starts_with(is_word))
    }

    /// All paths that start at `root`, without it; the branches of a group one by one.
    pub(crate) fn used(&self, root: &str) -> Vec<String> {
        let prefix = format!("{root}::");
        let mut paths = Vec::new();
        for place in starts(&self.text, &prefix) {
            // `super::super::x` is not also `super::x`.
            if !self.text[..place].ends_with("::") {
                branches(&self.text[place + prefix.len()..], "", &mut paths);
            }
        }
        paths
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where `word` starts, not in the middle of another.
fn starts<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let whole = |place: &usize| !text[..*place].ends_with(is_word);
    text.match_indices(word).map(|(place, _)| place).filter(whole)
}

/// Reads one path, or a group of them, behind what was read so far; returns how many bytes it took.
fn branches(text: &str, so_far: &str, paths: &mut Vec<String>) -> usize {
    let start = text.len() - text.trim_start().len();
    let text = &text[start..];
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
            if rest.is_empty() || rest.starts_with('}') {
                return start + text.len() - rest.len() + rest.len().min(1);
            }
            let taken = branches(rest, so_far, paths);
            rest = &rest[taken.max(1)..];
            // Skips ` as name`.
            rest = rest.trim_start_matches(|c: char| is_word(c) || c == ' ');
        }
    }
    let end = if text.starts_with('*') { 1 } else { text.find(|c: char| !is_word(c)).unwrap_or(text.len()) };
    let name = format!("{so_far}{}", &text[..end]);
    match text[end..].strip_prefix("::") {
        Some(rest) if rest.starts_with(|c: char| is_word(c) || c == '{' || c == '*') => {
            start + end + 2 + branches(rest, &format!("{name}::"), paths)
        }
        _ => {
            paths.push(name);
            start + end
        }
    }
}
