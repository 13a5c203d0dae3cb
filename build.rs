//! Puts the commit into the program, where the sources are a git checkout; quietly nothing elsewhere.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/refs/heads");
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let commit = output
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map(|text| text.trim().to_owned())
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=BEZANT_COMMIT={commit}");
    // What measurements have to name: how this program was built, and for which processor.
    let of_cargo = |name: &str| std::env::var(name).unwrap_or_default();
    println!("cargo:rustc-env=BEZANT_PROFILE={}", of_cargo("PROFILE"));
    println!("cargo:rustc-env=BEZANT_TARGET_FEATURES={}", of_cargo("CARGO_CFG_TARGET_FEATURE"));
}
