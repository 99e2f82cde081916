//! Says who hears which alert: the severities of a canary's list, and the operator's own
//! receiver for canaries that list none.

use crate::message::Severity;
use crate::provider::{Kind, Receiver, Unusable};
use crate::secret::Secret;

/// Whether an entry of `spec.analysis.alerts` with this `severity` hears an alert: info hears
/// all, warn what is not info, error errors only. Empty and absent mean info, as Flagger's
/// documentation has it.
#[must_use]
pub fn hears(severity: Option<&str>, alert: Severity) -> bool {
    let least = match severity.unwrap_or_default() {
        "error" => Severity::Error,
        "warn" => Severity::Warn,
        _ => Severity::Info,
    };
    alert >= least
}

/// The operator's flags about alerts, environment variables already read into them.
#[derive(Clone)]
pub struct Flags {
    /// `-slack-url`.
    pub slack_url: Option<Secret>,
    /// `-slack-token`.
    pub slack_token: Option<Secret>,
    /// `-slack-proxy-url`.
    pub slack_proxy_url: Option<Secret>,
    /// `-slack-user`.
    pub slack_user: String,
    /// `-slack-channel`.
    pub slack_channel: String,
    /// `-msteams-url`.
    pub msteams_url: Option<Secret>,
    /// `-msteams-proxy-url`.
    pub msteams_proxy_url: Option<Secret>,
}

impl Flags {
    /// The receiver of canaries that name none: Teams if it has an address, else Slack if it
    /// has one.
    ///
    /// # Errors
    /// When an address is no URL, or Slack has no user or channel.
    pub fn receiver(&self) -> Result<Option<Receiver>, Unusable> {
        let (kind, address, proxy, token) = match (&self.msteams_url, &self.slack_url) {
            (Some(url), _) => (Kind::MsTeams, url, &self.msteams_proxy_url, None),
            (None, Some(url)) => (
                Kind::Slack,
                url,
                &self.slack_proxy_url,
                self.slack_token.clone(),
            ),
            (None, None) => return Ok(None),
        };
        let has_names = !self.slack_user.is_empty() && !self.slack_channel.is_empty();
        if kind == Kind::Slack && !has_names {
            return Err(Unusable::SlackNames);
        }
        let flag = format!("flag -{}-url", kind.as_str());
        let receiver = Receiver {
            kind,
            address: address.clone(),
            token,
            proxy: proxy.clone(),
            channel: self.slack_channel.clone(),
            username: self.slack_user.clone(),
        };
        receiver.checked(&flag, &flag).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_severity_hears_its_like_and_worse() {
        let heard = |severity| {
            [Severity::Info, Severity::Warn, Severity::Error].map(|alert| hears(severity, alert))
        };
        assert_eq!(heard(None), [true; 3]);
        assert_eq!(heard(Some("")), [true; 3]);
        assert_eq!(heard(Some("info")), [true; 3]);
        assert_eq!(heard(Some("warn")), [false, true, true]);
        assert_eq!(heard(Some("error")), [false, false, true]);
    }

    fn check(flags: [&str; 4], expected: Result<Option<&str>, &str>) {
        let [slack, user, channel, teams] = flags;
        let given = |text: &str| (!text.is_empty()).then(|| Secret::new(text));
        let flags = Flags {
            slack_url: given(slack),
            slack_token: given("xoxb"),
            slack_proxy_url: None,
            slack_user: user.into(),
            slack_channel: channel.into(),
            msteams_url: given(teams),
            msteams_proxy_url: None,
        };
        let found = flags.receiver().map_err(|error| error.to_string());
        let found = found.map(|found| found.map(|found| found.kind.as_str()));
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(words)) => assert!(found.contains(words), "{found}"),
            (found, expected) => panic!("{found:?} in place of {expected:?}"),
        }
    }

    #[test]
    fn teams_wins_over_slack() {
        check(["", "", "", ""], Ok(None));
        check(["http://s", "flagger", "ops", ""], Ok(Some("slack")));
        check(
            ["http://s", "flagger", "ops", "http://t"],
            Ok(Some("msteams")),
        );
        check(["", "", "", "http://t"], Ok(Some("msteams")));
        check(["http://s", "flagger", "", ""], Err("-slack-channel"));
        check(["nowhere", "flagger", "ops", ""], Err("flag -slack-url"));
        check(["", "", "", "ftp://t"], Err("flag -msteams-url"));
    }
}
