//! The scripts of e2e/scenarios through the operator, on paused time: what is told there happens here.
//!
//! Compared are phases, weights and counts of the status, weights and mirror of the VirtualService, events, what was
//! asked and what is waited for. The traces themselves are made by the tests of `rollout`.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};

use script::Script;
use stage::Stage;

mod answers;
mod pods;
mod script;
mod seen;
mod stage;
mod target;
mod words;

/// A script that says why the operator cannot play it.
const CORE_ONLY: &str = "\n# Core only: ";

#[test]
fn scenarios() {
    let paths = paths();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let played = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match play(path) {
                        Ok(is_played) => {
                            _ = played.fetch_add(usize::from(is_played), Ordering::Relaxed)
                        }
                        Err(error) => {
                            let told = format!("{}: {error:#}", path.display());
                            failures.lock().unwrap().push(told);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let played = played.into_inner();
    println!("{played} of {} scripts played", paths.len());
    assert!(played > 25, "only {played} scripts were played");
}

fn paths() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "script"));
    let wanted = std::env::var("SLUICE_SCENARIO").unwrap_or_default();
    paths.retain(|path| path.to_string_lossy().contains(&wanted));
    paths.sort();
    paths
}

/// Plays one script on a clock of its own; false if it is for the core alone.
fn play(path: &Path) -> Result<bool> {
    let text = std::fs::read_to_string(path)?;
    if text.contains(CORE_ONLY) {
        return Ok(false);
    }
    let script = Script::read(&text)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?;
    runtime.block_on(perform(&script)).map(|()| true)
}

async fn perform(script: &Script) -> Result<()> {
    let mut stage = Stage::set(script).await?;
    for moment in &script.moments {
        let before = stage.seen.standing();
        stage.play(&moment.words).await?;
        let seen = stage.seen.take(&before, stage.route().await?);
        if let Some(told) = &moment.told {
            let told = told.after(&before);
            ensure!(
                seen.fits(&told),
                "> {}\ntold {told:#?}\nseen {seen:#?}",
                moment.words
            );
        }
    }
    stage.end().await.context("the operator ended")
}
