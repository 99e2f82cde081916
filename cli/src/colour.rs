//! Colours for a terminal, and none for anything else.

use std::fmt;
use std::io::IsTerminal;

/// Whether standard output takes colours. `NO_COLOR` says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Palette {
    is_coloured: bool,
}

/// What a text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It is waited for.
    Waiting,
    /// It matters less.
    Quiet,
    /// It matters more.
    Strong,
}

impl Palette {
    /// Looks at standard output.
    pub(crate) fn of_stdout() -> Self {
        Self {
            is_coloured: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    /// The text in its tone.
    pub(crate) fn paint(self, tone: Tone, text: impl fmt::Display) -> String {
        if !self.is_coloured {
            return text.to_string();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Waiting => "33",
            Tone::Quiet => "2",
            Tone::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
