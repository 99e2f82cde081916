//! Addresses Discord's Slack-compatible hook, which takes Slack's form.

use reqwest::Url;

use crate::secret::Secret;

/// The path that makes a Discord hook take Slack's form.
const PATH: &str = "slack";

/// The address, its path ending in `/slack`.
pub(super) fn url(address: &Secret) -> Secret {
    let Ok(mut url) = Url::parse(address.expose()) else {
        return address.clone();
    };
    let path = url.path().trim_end_matches('/').to_owned();
    if path.rsplit('/').next() != Some(PATH) {
        url.set_path(&format!("{path}/{PATH}"));
    }
    Secret::new(url)
}
