//! Starts a shell for a task, only where the settings allow it.
//!
//! Output is kept up to a limit; the program is killed when its task ends.

use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// Output kept of one program.
const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Output and errors, as they came apart.
    pub(crate) output: String,
    /// Why it counts as failed, in the words of Go's `exec`.
    pub(crate) failure: Option<String>,
}

/// Runs `shell -c line` to its end. Dropping the future kills it.
pub(crate) async fn run(shell: &str, line: &str) -> Ended {
    let started = Command::new(shell)
        .args(["-c", line])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            return Ended {
                output: String::new(),
                failure: Some(error.to_string()),
            };
        }
    };
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err, status) = tokio::join!(read(out), read(err), child.wait());
    let failure = match status {
        Ok(status) if status.success() => None,
        Ok(status) => Some(match status.code() {
            Some(code) => format!("exit status {code}"),
            None => "killed by a signal".to_owned(),
        }),
        Err(error) => Some(error.to_string()),
    };
    Ended {
        output: format!("{out}{err}"),
        failure,
    }
}

/// Reads to the end, keeps the beginning.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else {
        return String::new();
    };
    let mut kept = Vec::new();
    let mut buffer = vec![0; 8 << 10];
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let room = OUTPUT_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(buffer.get(..count.min(room)).unwrap_or_default());
    }
    String::from_utf8_lossy(&kept).into_owned()
}
