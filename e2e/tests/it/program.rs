//! Starts programs beside the cluster and ends them with the test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Result;

/// A running program; ended when dropped. Its output is shown if the test fails.
pub(crate) struct Program {
    name: &'static str,
    log: PathBuf,
    child: Child,
}

/// `sluice`, as built by the chore that started this test.
pub(crate) fn sluice() -> String {
    std::env::var("E2E_SLUICE").expect("E2E_SLUICE names the program")
}

/// Debian's Prometheus, scraping each second.
pub(crate) fn prometheus(folder: &Path, listen: &str, scrapes: &[&str]) -> Result<Program> {
    let config = format!(
        "{{global: {{scrape_interval: 1s}}, scrape_configs: [{}]}}\n",
        scrapes.join(", ")
    );
    let path = folder.join("prometheus.yml");
    std::fs::write(&path, config)?;
    let config = format!("--config.file={}", path.display());
    let samples = folder.join("prometheus");
    let samples = format!("--storage.tsdb.path={}", samples.display());
    let listen = format!("--web.listen-address={listen}");
    let flags = [config.as_str(), &samples, &listen];
    Ok(Program::start("prometheus", folder, "prometheus", &flags))
}

impl Program {
    pub(crate) fn start(name: &'static str, folder: &Path, program: &str, args: &[&str]) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).unwrap();
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        Self { name, log, child }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.len().saturating_sub(60);
            println!("--- {}:\n{}", self.name, lines[tail..].join("\n"));
        }
    }
}
