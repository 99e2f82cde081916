//! An overlay gives what the same fields in the kustomization file would, and
//! a folder without that file is built from its manifests.

use expect_test::expect;
use kustomize::{Image, Limits, Overlay, Patch, Selector, build, to_yaml};

use crate::errors::tree;

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: 'web:1'}, {name: log, image: 'log:1'}]}}}
";

fn overlay() -> Overlay {
    Overlay {
        target_namespace: Some("prod".to_owned()),
        name_prefix: Some("p-".to_owned()),
        name_suffix: Some("-s".to_owned()),
        patches: vec![Patch {
            patch: "[{op: add, path: /metadata/labels, value: {a: b}}]".to_owned(),
            target: Some(Selector {
                kind: "Deployment".to_owned(),
                ..Selector::default()
            }),
            ..Patch::default()
        }],
        images: vec![
            Image {
                name: "web".to_owned(),
                new_tag: "2".to_owned(),
                ..Image::default()
            },
            Image {
                name: "log".to_owned(),
                new_name: "logger".to_owned(),
                ..Image::default()
            },
        ],
        components: vec!["../comp".to_owned(), "../gone".to_owned()],
        ignore_missing_components: true,
    }
}

const COMPONENT: &str = "\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
commonAnnotations: {from: component}
";

#[test]
fn overlay_is_as_if_written_in_the_file() {
    let build_with = |kustomization: &str, overlay: &Overlay| {
        let files = tree(&[
            ("app/kustomization.yaml", kustomization),
            ("app/d.yaml", DEPLOYMENT),
            ("comp/kustomization.yaml", COMPONENT),
        ]);
        to_yaml(&build(&files, "./app", overlay, &Limits::default()).unwrap())
    };
    let own = "resources: [d.yaml]\nnamespace: own\nnamePrefix: own-\nimages: [{name: web, newName: w, digest: 'sha256:1'}]\n";
    let written = "resources: [d.yaml]
namespace: prod
namePrefix: p-
nameSuffix: -s
images: [{name: web, newName: w, newTag: '2'}, {name: log, newName: logger}]
components: [../comp]
patches: [{target: {kind: Deployment}, patch: '[{op: add, path: /metadata/labels, value: {a: b}}]'}]
";
    let built = build_with(own, &overlay());
    assert_eq!(built, build_with(written, &Overlay::default()));
    assert!(
        built.contains("image: w:2") && built.contains("name: p-web-s"),
        "{built}"
    );
}

#[test]
fn folder_without_kustomization() {
    let check = |files: &[(&str, &str)], path: &str, expected: expect_test::Expect| {
        let answer = match build(&tree(files), path, &Overlay::default(), &Limits::default()) {
            Ok(objects) => objects
                .iter()
                .map(|o| format!("{} {}\n", o.kind(), o.name()))
                .collect(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&answer);
    };
    let object =
        |name: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}");
    let (a, b, c, d) = (object("a"), object("b"), object("c"), object("d"));
    let files = [
        ("apps/a.yaml", a.as_str()),
        ("apps/a/b.yml", &b),
        ("apps/own/kustomization.yml", "resources: [x.yaml]"),
        ("apps/own/x.yaml", &c),
        ("apps/own/ignored.yaml", "not: an object"),
        ("apps/README.md", "text"),
        ("apps-other/d.yaml", &d),
    ];
    check(
        &files,
        "apps",
        expect![[r#"
        ConfigMap a
        ConfigMap b
        ConfigMap c
    "#]],
    );
    check(
        &files,
        "",
        expect![[r#"
        ConfigMap a
        ConfigMap b
        ConfigMap c
        ConfigMap d
    "#]],
    );
    check(
        &[("apps/values.yaml", "replicas: 1")],
        "apps",
        expect![
            "failed to build: apps/values.yaml: document 1 is no Kubernetes object: kind is missing"
        ],
    );
    check(&[("apps/README.md", "")], "apps", expect![[r""]]);
    check(&[("apps/kustomization.yaml", "")], "apps", expect![[r""]]);
    check(
        &files,
        "../apps",
        expect![[
            r#"failed to build: path: path "../apps" leaves the root of the source; only files and folders of the same source can be used"#
        ]],
    );
    check(
        &files,
        "gone",
        expect![[r#"failed to build: path: "gone" is no file and no folder of the source"#]],
    );
}
