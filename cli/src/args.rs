//! What can be typed. Started as `flagger`, `loadtester` or `wget` it takes those programs' flags; `flagger` is also
//! what flags without a command mean, for manifests that give `args` alone to Flagger's image.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

#[cfg(feature = "demo")]
use crate::demo;
use crate::{gateway, loadtester, operator, wget};

/// Keeps a cluster in step with its sources and releases each new version gradually.
#[cfg_attr(
    feature = "demo",
    doc = "\nStart with `sluice demo`: four releases in a sandbox in this process, with real requests."
)]
#[derive(Parser)]
#[command(name = "sluice", version, arg_required_else_help = true)]
struct Typed {
    #[command(subcommand)]
    command: Command,
}

/// The one thing to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Watch four releases: a first, a good, a broken and a slow one. No cluster needed.
    #[cfg(feature = "demo")]
    Demo(demo::Args),
    /// Run every controller against a cluster. Takes Flagger's flags.
    Operator(Rest),
    /// Run the load tester that canaries' webhooks call.
    Loadtester(Rest),
    /// Run a small HTTP data plane that obeys the cluster's HTTPRoutes.
    Gateway(gateway::Args),
    /// Ask a server beside this one how it is: what `wget` means in Flagger's probes.
    #[command(skip)]
    Wget(Rest),
}

/// Flags that another program's manifests carry, in that program's form.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Rest {
    /// The flags.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<OsString>,
}

/// Reads the command line. The name it was started under stands for a command.
pub(crate) fn read(argv: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let argv: Vec<OsString> = argv.into_iter().collect();
    let name = argv.first().map(|first| {
        Path::new(first)
            .file_name()
            .unwrap_or_default()
            .to_os_string()
    });
    let flags = || Rest {
        flags: argv.iter().skip(1).cloned().collect(),
    };
    match name.as_deref().and_then(OsStr::to_str) {
        Some("flagger") => Ok(Command::Operator(flags())),
        Some("loadtester") => Ok(Command::Loadtester(flags())),
        Some("wget") => Ok(Command::Wget(flags())),
        Some(_) if argv.get(1).is_some_and(|word| is_flag_of_flagger(word)) => {
            Ok(Command::Operator(flags()))
        }
        Some(_) | None => Typed::try_parse_from(argv).map(|typed| typed.command),
    }
}

/// True for all flags but ours.
fn is_flag_of_flagger(word: &OsStr) -> bool {
    let ours = ["-h", "--help", "-V", "--version"];
    word.as_encoded_bytes().starts_with(b"-") && ours.iter().all(|flag| word != *flag)
}

/// Does it, and gives the code the process ends with.
pub(crate) fn start(command: Command) -> ExitCode {
    let done = match command {
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::start(&args),
        Command::Operator(rest) => operator::start(rest.flags),
        Command::Loadtester(rest) => loadtester::start(rest.flags),
        Command::Gateway(args) => gateway::start(&args),
        Command::Wget(rest) => Ok(wget::start(&rest.flags)),
    };
    done.unwrap_or_else(|error| {
        crate::logs::fatal(&error);
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, want: &str) {
        let got = match read(line.split(' ').map(OsString::from)) {
            #[cfg(feature = "demo")]
            Ok(Command::Demo(_)) => "demo".to_owned(),
            Ok(Command::Operator(rest)) => format!("operator {:?}", rest.flags),
            Ok(Command::Loadtester(rest)) => format!("loadtester {:?}", rest.flags),
            Ok(Command::Gateway(_)) => "gateway".to_owned(),
            Ok(Command::Wget(rest)) => format!("wget {:?}", rest.flags),
            Err(error) => format!("{:?}", error.kind()),
        };
        assert_eq!(got, want, "{line}");
    }

    #[test]
    fn the_name_stands_for_a_command() {
        #[cfg(feature = "demo")]
        check("sluice demo --report x.json", "demo");
        check(
            "./flagger -mesh-provider=istio -v 4",
            r#"operator ["-mesh-provider=istio", "-v", "4"]"#,
        );
        check(
            "/home/app/loadtester -port=8080",
            r#"loadtester ["-port=8080"]"#,
        );
        check(
            "sluice operator -log-level=info",
            r#"operator ["-log-level=info"]"#,
        );
        check(
            "wget --spider http://localhost:8080/healthz",
            r#"wget ["--spider", "http://localhost:8080/healthz"]"#,
        );
        check(
            "sluice -log-level=info --port 8080",
            r#"operator ["-log-level=info", "--port", "8080"]"#,
        );
        check("sluice -version", r#"operator ["-version"]"#);
        check("sluice --version", "DisplayVersion");
        check("sluice -h", "DisplayHelp");
        check("sluice wget http://localhost/", "InvalidSubcommand");
        check("sluice", "DisplayHelpOnMissingArgumentOrSubcommand");
        check("sluice rollout", "InvalidSubcommand");
    }
}
