//! Runs the written cases against the cluster of the current kubeconfig and prints where it differs.

use apiserver::conformance::cases;

#[tokio::main]
async fn main() -> Result<(), kube::Error> {
    let client = kube::Client::try_default().await?;
    // A number that no earlier run has used keeps the names apart.
    let first = usize::try_from(std::process::id()).unwrap_or(0) * 100;
    let mut failures = 0;
    let cases = cases();
    for (number, case) in cases.iter().enumerate() {
        if let Err(mismatch) = case.run(&client, first + number).await {
            failures += 1;
            say(&mismatch.to_string());
        }
    }
    say(&format!("{} cases, {failures} failed", cases.len()));
    Ok(())
}

fn say(line: &str) {
    use std::io::Write as _;
    // A closed pipe is no failure of the run.
    let _ = writeln!(std::io::stdout(), "{line}");
}
