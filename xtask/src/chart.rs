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
    use std::collections::BTreeSet;

    use serde_json::Value;

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

    /// Every value that a template asks for is in values.yaml, and every value there is asked for.
    #[test]
    fn values_and_templates_know_each_other() {
        let chart = root().join("deploy/chart");
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let mut asked = BTreeSet::new();
        for file in std::fs::read_dir(chart.join("templates")).unwrap() {
            let text = read(file.unwrap().path());
            asked.extend(after(&text, ".Values.").map(str::to_owned));
            // Files that are about one part of the values begin with it, and name its fields alone.
            let part = text.strip_prefix("{{- with .Values.");
            if let Some((part, rest)) = part.and_then(|text| text.split_once(" }}")) {
                asked.remove(part);
                let fields = [" .", "(."].into_iter().flat_map(|mark| after(rest, mark));
                asked.extend(fields.map(|field| format!("{part}.{field}")));
            }
        }
        let limits = goyaml::Limits::default();
        let values: Value = goyaml::from_str(&read(chart.join("values.yaml")), &limits).unwrap();
        let known = leaves("", &values);
        let is_below = |path: &str, top: &str| path == top || path.starts_with(&format!("{top}."));
        for path in &known {
            let is_asked = asked.iter().any(|asked| is_below(path, asked));
            assert!(is_asked, "no template asks for {path}");
        }
        for path in asked.iter().filter(|path| !path.ends_with('.')) {
            let is_known = known.iter().any(|known| is_below(known, path));
            assert!(
                is_known || path.contains(".Values"),
                "{path} is not in values.yaml"
            );
        }
    }

    /// The dotted names that follow a mark.
    fn after<'t>(text: &'t str, mark: &'t str) -> impl Iterator<Item = &'t str> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '.';
        let names = text.split(mark).skip(1);
        let names = names.map(move |rest| rest.split(|c| !is_name(c)).next().unwrap_or_default());
        names.filter(|name| !name.is_empty())
    }

    fn leaves(path: &str, value: &Value) -> Vec<String> {
        match value.as_object().filter(|fields| !fields.is_empty()) {
            None => vec![path.to_owned()],
            Some(fields) => {
                let join = |name: &String| format!("{path}.{name}").trim_matches('.').to_owned();
                let all = fields
                    .iter()
                    .flat_map(|(name, value)| leaves(&join(name), value));
                all.collect()
            }
        }
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
