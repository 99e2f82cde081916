//! `sluice loadtester`: gates, tasks and load, under the flags of Flagger's load tester.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::logs::{self, Form};

/// Runs the load tester that canaries' webhooks call.
#[derive(Parser)]
#[command(name = "loadtester", args_override_self = true)]
struct Typed {
    #[command(flatten)]
    args: loadtester::Args,
}

/// Runs it until a signal.
pub(crate) fn start(flags: Vec<OsString>) -> Result<ExitCode> {
    let argv = crate::operator::words("loadtester", flags);
    let args = match Typed::try_parse_from(::operator::args::normalize_argv(argv)) {
        Ok(typed) => typed.args,
        Err(refused) => refused.exit(),
    };
    let form = match args.zap_encoding {
        loadtester::Encoding::Json => Form::Json,
        loadtester::Encoding::Console => Form::Console,
    };
    logs::start(&crate::operator::level(&args.log_level), form);
    run(&args)
}

#[tokio::main]
async fn run(args: &loadtester::Args) -> Result<ExitCode> {
    let settings = loadtester::Settings::try_from(args)?;
    let listener = loadtester::listen(args.port)
        .await
        .with_context(|| format!("failed to listen on port {}", args.port))?;
    loadtester::run(settings, listener, crate::operator::signal()).await;
    Ok(ExitCode::SUCCESS)
}
