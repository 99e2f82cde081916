//! Holds the sandbox's API server to the real one: the same requests, the same answers.
//!
//! The cases and their expected answers are data in the crate `apiserver`, whose own tests send them to the sandbox.

use anyhow::{Result, ensure};

use crate::cluster::client;

#[tokio::test]
async fn plane_answers_as_the_sandbox_does() -> Result<()> {
    let Some(client) = client().await else {
        return Ok(());
    };
    let mut differences = Vec::new();
    let cases = apiserver::conformance::cases();
    for (number, case) in cases.iter().enumerate() {
        if let Err(mismatch) = case.run(&client, number).await {
            differences.push(format!("{}: {mismatch}", case.name));
        }
    }
    println!("{} cases, {} differ", cases.len(), differences.len());
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}
