//! Starts a program for a task, only where the settings allow it.
//!
//! Output and errors come through one pipe, in the order in which they were written, and are
//! kept up to a limit. The program is killed when its task ends.

use std::os::fd::OwnedFd;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe;
use tokio::process::Command;

use crate::task::Ended;

/// Output kept of one program.
const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// Runs a program to its end; failures are in the words of Go's `exec`. Dropping the future
/// kills it.
pub(crate) async fn run(program: &str, arguments: &[String]) -> Ended {
    run_piped(program, arguments)
        .await
        .unwrap_or_else(|error| Ended {
            failure: Some(format!("exec: {program:?}: {error}")),
            ..Ended::default()
        })
}

async fn run_piped(program: &str, arguments: &[String]) -> std::io::Result<Ended> {
    let (reader, writer) = std::io::pipe()?;
    let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let mut child = {
        // Dropped at the end of this block: the pipe must have no writers but the child's.
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .kill_on_drop(true);
        command.spawn()?
    };
    let (output, status) = tokio::join!(read(reader), child.wait());
    let status = status?;
    let failure = match status.code() {
        _ if status.success() => None,
        Some(code) => Some(format!("exit status {code}")),
        None => Some("killed by a signal".to_owned()),
    };
    Ok(Ended {
        output,
        failure,
        ..Ended::default()
    })
}

/// Reads to the end, keeps the beginning.
async fn read(mut stream: impl AsyncRead + Unpin) -> String {
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
