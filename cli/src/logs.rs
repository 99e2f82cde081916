//! Where log lines go: standard error, as JSON or for people.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

mod zap;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// An object a line, as Flagger has it.
    Json,
    /// A sentence a line.
    Console,
}

/// Starts logging. `RUST_LOG` wins over the level given (`info`, or `operator=debug,warn`).
pub(crate) fn start(level: &str, form: Form) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = match form {
        Form::Json => lines.event_format(zap::Zap).try_init(),
        Form::Console => lines.try_init(),
    };
}

/// Tells why the process ends, with every cause once: in the log, or as plain text before there is one.
#[expect(
    clippy::print_stderr,
    reason = "the last words of a process that has not started logging"
)]
pub(crate) fn fatal(error: &anyhow::Error) {
    let told = ::operator::error::chain(error.as_ref());
    if tracing::dispatcher::has_been_set() {
        tracing::error!("{told}");
    } else {
        eprintln!("sluice: {told}");
    }
}
