//! Makes the parts of the Helm chart that repeat other files of `deploy/`: definitions and roles.
//!
//! A chart can hold no file from outside its folder, and a link would not survive an artifact. Templates, values
//! and everything else of the chart are written by hand.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run::root;

/// Manifest, name of a ClusterRole in it, and the chart's file with that role's rules.
const ROLES: [(&str, &str, &str); 3] = [
    ("install.yaml", "sluice", "canaries.yaml"),
    ("gitops/rbac.yaml", "sluice-gitops", "gitops.yaml"),
    ("gateway.yaml", "sluice-gateway", "gateway.yaml"),
];

/// Path and content of each file, given the definitions.
pub(crate) fn files(definitions: &[(PathBuf, String)]) -> Result<Vec<(PathBuf, String)>> {
    let deploy = root().join("deploy");
    let chart = deploy.join("chart");
    let mut files = Vec::new();
    for (path, text) in definitions {
        let name = path.file_name().context("a definition without a name")?;
        files.push((chart.join("crds").join(name), text.clone()));
    }
    for (manifest, role, file) in ROLES {
        let path = deploy.join(manifest);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("failed to read {}", path.display()))?;
        let rules =
            rules(&text, role).with_context(|| format!("{manifest} has no ClusterRole {role}"))?;
        let header =
            format!("# The rules of deploy/{manifest}, by `cargo x generate`; edit those.\n");
        files.push((chart.join("roles").join(file), format!("{header}{rules}\n")));
    }
    Ok(files)
}

/// The lines below `rules:` of a ClusterRole.
fn rules<'m>(manifest: &'m str, role: &str) -> Option<&'m str> {
    let mut documents = manifest.split("\n---\n");
    let document = documents.find(|document| {
        let has = |wanted: &str| document.lines().any(|line| line == wanted);
        has("kind: ClusterRole") && has(&format!("  name: {role}"))
    })?;
    let (_, rules) = document.split_once("\nrules:\n")?;
    Some(rules.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_rules_of_a_role() {
        let binding = "kind: ClusterRoleBinding\nmetadata:\n  name: b";
        let role = "kind: ClusterRole\nmetadata:\n  name: b\nrules:\n  # Why.\n  - verbs: [get]\n";
        let manifest = format!("{binding}\n---\n{role}");
        assert_eq!(rules(&manifest, "b"), Some("  # Why.\n  - verbs: [get]"));
        assert_eq!(rules(&manifest, "c"), None);
        assert_eq!(rules(binding, "b"), None);
    }
    #[test]
    fn every_definition_is_installed() {
        let deploy = root().join("deploy");
        let installed = std::fs::read_to_string(deploy.join("kustomization.yaml")).unwrap();
        let mut count = 0;
        for definition in std::fs::read_dir(deploy.join("crds")).unwrap() {
            let name = definition.unwrap().file_name();
            let line = format!("  - crds/{}", name.to_string_lossy());
            assert!(installed.lines().any(|one| one == line), "{line}");
            count += 1;
        }
        assert!(count > 0, "deploy/crds is empty");
    }
}
