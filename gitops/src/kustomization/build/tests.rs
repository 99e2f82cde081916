//! Builds of small trees, with variables, labels and refusals.

use expect_test::{Expect, expect};
use sources::files::File;

use super::*;

fn files(entries: &[(&str, &str)]) -> Files {
    let file = |text: &str| File {
        bytes: text.to_owned().into(),
        is_executable: false,
    };
    entries
        .iter()
        .map(|(path, text)| (RelPath::parse(path).unwrap(), file(text)))
        .collect()
}

fn check(entries: &[(&str, &str)], spec: &Value, variables: &[(&str, &str)], wanted: &Expect) {
    let mut whole = json!({"interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "r"}});
    whole
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    let spec: KustomizationSpec = serde_json::from_value(whole).unwrap();
    let values: BTreeMap<_, _> = variables
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let variables = Variables {
        is_active: !values.is_empty(),
        values,
    };
    let owner = Owner {
        name: "app".to_owned(),
        namespace: "ns".to_owned(),
    };
    let files = files(entries);
    let built = find_folder(&files, &spec)
        .and_then(|folder| build(files, &folder, &spec, &variables, &owner));
    let shown = match built {
        Ok(built) => built
            .objects
            .iter()
            .map(|o| o.to_string())
            .collect::<Vec<_>>()
            .join("\n"),
        Err(failure) => format!("{}: {}", failure.reason, failure.message),
    };
    wanted.assert_eq(&shown);
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: ${v:-none}\n";

#[test]
fn objects_get_owner_labels_and_shared_metadata() {
    check(
        &[
            (
                "deploy/a.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\nstatus: {}\n",
            ),
            ("other/b.yaml", MAP),
        ],
        &json!({"path": "./deploy", "targetNamespace": "t", "commonMetadata": {"labels": {"team": "x"}, "annotations": {"n": "1"}}}),
        &[],
        &expect![[
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"annotations":{"n":"1"},"labels":{"kustomize.toolkit.fluxcd.io/name":"app","kustomize.toolkit.fluxcd.io/namespace":"ns","team":"x"},"name":"a","namespace":"t"}}"#
        ]],
    );
}

#[test]
fn variables_retype_scalars_and_can_be_switched_off() {
    check(
        &[("a.yaml", MAP)],
        &json!({}),
        &[("v", "0755")],
        &expect![[
            r#"{"apiVersion":"v1","data":{"k":493},"kind":"ConfigMap","metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":"app","kustomize.toolkit.fluxcd.io/namespace":"ns"},"name":"a"}}"#
        ]],
    );
    let off = MAP.replace(
        "  name: a\n",
        "  name: a\n  annotations:\n    kustomize.toolkit.fluxcd.io/substitute: disabled\n",
    );
    check(
        &[("a.yaml", &off)],
        &json!({}),
        &[("v", "x")],
        &expect![[
            r#"{"apiVersion":"v1","data":{"k":"${v:-none}"},"kind":"ConfigMap","metadata":{"annotations":{"kustomize.toolkit.fluxcd.io/substitute":"disabled"},"labels":{"kustomize.toolkit.fluxcd.io/name":"app","kustomize.toolkit.fluxcd.io/namespace":"ns"},"name":"a"}}"#
        ]],
    );
    check(
        &[("a.yaml", &MAP.replace("${v:-none}", "${absent}"))],
        &json!({}),
        &[("v", "x")],
        &expect![[
            r#"BuildFailed: post build failed for 'v1/ConfigMap/a': envsubst error: variable substitution failed: variable not set (strict mode): "absent""#
        ]],
    );
    check(
        &[("a.yaml", MAP)],
        &json!({}),
        &[("v", "]marker: [")],
        &expect![
            "BuildFailed: post build failed for 'v1/ConfigMap/a': with the variables put in it is no single YAML object; quote the values"
        ],
    );
}

#[test]
fn secrets_get_one_form_and_ciphertext_is_refused() {
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: x\nstringData:\n  k: v\n";
    check(
        &[("a.yaml", secret)],
        &json!({}),
        &[],
        &expect![[
            r#"{"apiVersion":"v1","data":{"k":"dg=="},"kind":"Secret","metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":"app","kustomize.toolkit.fluxcd.io/namespace":"ns"},"name":"s","namespace":"x"}}"#
        ]],
    );
    check(
        &[(
            "a.yaml",
            &secret.replace("k: v", "k: ENC[AES256_GCM,data:x]"),
        )],
        &json!({}),
        &[],
        &expect![
            "BuildFailed: Secret/x/s is SOPS encrypted, configuring decryption is required for this secret to be reconciled"
        ],
    );
}

#[test]
fn bad_paths_name_the_field() {
    check(
        &[("a.yaml", MAP)],
        &json!({"path": "./absent"}),
        &[],
        &expect![[
            r#"ArtifactFailed: kustomization path not found: spec.path "./absent" is no folder of the artifact"#
        ]],
    );
    check(
        &[("a.yaml", MAP)],
        &json!({"path": "../../etc"}),
        &[],
        &expect![[
            r#"ArtifactFailed: kustomization path not found: spec.path "../../etc" it leaves its root by "..""#
        ]],
    );
}
