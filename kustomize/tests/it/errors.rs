//! Every refusal names the file, the field, the value and the cure.

use expect_test::{Expect, expect};
use kustomize::{Limits, Overlay, RelPath, Tree, build, to_yaml};

/// Builds a tree of `path: text` pairs; `files` may leave out the objects
/// `cm.yaml` and `top/kustomization.yaml`'s header.
pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    files
        .iter()
        .map(|(path, text)| (RelPath::parse(path).unwrap(), text.as_bytes().to_vec()))
        .collect()
}

const CM: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, data: {a: b}}\n";

fn check_error(files: &[(&str, &str)], expected: &Expect) {
    let mut all = vec![("top/cm.yaml", CM)];
    all.extend(files);
    let answer = match build(&tree(&all), "top", &Overlay::default(), &Limits::default()) {
        Ok(objects) => to_yaml(&objects),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&answer);
}

fn check_kustomization(text: &str, expected: &Expect) {
    check_error(&[("top/kustomization.yaml", text)], expected);
}

#[test]
fn refuses_paths_out_of_the_tree() {
    check_kustomization(
        "resources: [../../etc/passwd]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: resources[0]: path "../../etc/passwd" leaves the root of the source; only files and folders of the same source can be used"#
        ]],
    );
    check_kustomization(
        "resources: [/etc/passwd]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: resources[0]: path "/etc/passwd" is absolute; only files and folders of the same source can be used"#
        ]],
    );
    check_kustomization(
        "resources: ['https://github.com/a/b?ref=c']",
        &expect![[
            r#"failed to build: top/kustomization.yaml: resources[0]: path "https://github.com/a/b?ref=c" is remote; only files and folders of the same source can be used"#
        ]],
    );
    check_kustomization(
        "resources: ['git@github.com:a/b']",
        &expect![[
            r#"failed to build: top/kustomization.yaml: resources[0]: path "git@github.com:a/b" is remote; only files and folders of the same source can be used"#
        ]],
    );
    check_kustomization(
        "configMapGenerator: [{name: a, files: [x=../../../run/secrets/token]}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: configMapGenerator[0]: path "../../../run/secrets/token" leaves the root of the source; only files and folders of the same source can be used"#
        ]],
    );
    check_kustomization(
        "components: ['..\\..']",
        &expect![[
            r#"failed to build: top/kustomization.yaml: components[0]: path "..\\.." has a backslash or a NUL; only files and folders of the same source can be used"#
        ]],
    );
    check_kustomization(
        "resources: [cm.yaml]\npatches: [{path: ../../p}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: patches[0]: path "../../p" leaves the root of the source; only files and folders of the same source can be used"#
        ]],
    );
}

#[test]
fn refuses_cycles_and_missing_files() {
    check_kustomization(
        "resources: [.]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: resources[0]: "top" is reached from itself or from below itself: top"#
        ]],
    );
    check_kustomization(
        "resources: [..]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: resources[0]: "." is reached from itself or from below itself: top"#
        ]],
    );
    let a = ("a/kustomization.yaml", "resources: [../b]");
    let b = ("b/kustomization.yaml", "resources: [../a]");
    check_error(
        &[("top/kustomization.yaml", "resources: [../a]"), a, b],
        &expect![[
            r#"failed to build: b/kustomization.yaml: resources[0]: "a" is reached from itself or from below itself: top → a → b"#
        ]],
    );
    check_kustomization(
        "resources: [gone.yaml]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: resources[0]: "top/gone.yaml" is no file and no folder of the source"#
        ]],
    );
    check_error(
        &[("top/kustomization.yaml", "resources: [../x]"), ("x/y", "")],
        &expect![[
            r#"failed to build: top/kustomization.yaml: resources[0]: folder "x" has no kustomization.yaml, kustomization.yml or Kustomization"#
        ]],
    );
    check_kustomization(
        "components: [gone]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: components[0]: "top/gone" is no file and no folder of the source"#
        ]],
    );
    check_error(
        &[
            ("top/kustomization.yaml", "{}"),
            ("top/Kustomization", "{}"),
        ],
        &expect![[
            r#"failed to build: folder "top" has more than one kustomization file; keep one"#
        ]],
    );
}

#[test]
fn refuses_what_it_does_not_have() {
    check_error(
        &[
            ("top/kustomization.yaml", "resources: [a]"),
            ("top/a/kustomization.yaml", ""),
        ],
        &expect![[
            "failed to build: top/a/kustomization.yaml: the kustomization is empty; give it resources or remove the reference to it"
        ]],
    );
    check_kustomization(
        "helmCharts: [{name: x}]",
        &expect![
            "failed to build: top/kustomization.yaml: helmCharts: is not supported: use a HelmRelease"
        ],
    );
    check_kustomization(
        "openapi: {path: x}",
        &expect![
            "failed to build: top/kustomization.yaml: openapi: is not supported: a custom schema would change how lists merge; remove it"
        ],
    );
    check_kustomization(
        "transformers: [x.yaml]",
        &expect![
            "failed to build: top/kustomization.yaml: transformers: is not supported: plugins cannot run"
        ],
    );
    check_kustomization(
        "vars: [{name: X}]",
        &expect![
            "failed to build: top/kustomization.yaml: vars: is not supported: deprecated by kustomize; use replacements or patches"
        ],
    );
    check_kustomization(
        "vars: []\nresources: [cm.yaml]\nnameprefix: a",
        &expect![
            "failed to build: top/kustomization.yaml: nameprefix: is no field of a kustomization; remove it or correct its spelling"
        ],
    );
    check_kustomization(
        "secretGenerator: [{name: x, literals: hunter2}]",
        &expect![
            "failed to build: top/kustomization.yaml: secretGenerator: invalid type: a string, expected a sequence"
        ],
    );
    check_kustomization(
        "namePrefix: 5",
        &expect![
            "failed to build: top/kustomization.yaml: namePrefix: invalid type: integer `5`, expected a string"
        ],
    );
    check_kustomization(
        "images: [{name: a, newtag: b}]",
        &expect![
            "failed to build: top/kustomization.yaml: images: unknown field `newtag`, expected one of `name`, `newName`, `tagSuffix`, `newTag`, `digest`"
        ],
    );
}

#[test]
fn refuses_bad_kustomizations() {
    check_kustomization(
        "kind: Component",
        &expect![[
            r#"failed to build: top/kustomization.yaml: kind: is "Component" where "Kustomization" is wanted"#
        ]],
    );
    check_kustomization(
        "apiVersion: v1",
        &expect![[
            r#"failed to build: top/kustomization.yaml: apiVersion: is "v1", must be "kustomize.config.k8s.io/v1beta1""#
        ]],
    );
    check_kustomization(
        "- a",
        &expect!["failed to build: top/kustomization.yaml: a kustomization must be a mapping"],
    );
    check_kustomization(
        "a: 1\n---\nb: 2",
        &expect![
            "failed to build: top/kustomization.yaml: found 2 YAML documents where one is wanted"
        ],
    );
    check_kustomization(
        "resources: [cm.yaml]\nsortOptions: {order: best}",
        &expect![[
            r#"failed to build: top/kustomization.yaml: sortOptions: order "best" must be "legacy" or "fifo""#
        ]],
    );
}

#[test]
fn refuses_bad_objects() {
    let with = |text: &'static str| {
        [
            ("top/kustomization.yaml", "resources: [x.yaml]"),
            ("top/x.yaml", text),
        ]
    };
    check_error(
        &with("a: b"),
        &expect![
            "failed to build: top/x.yaml: document 1 is no Kubernetes object: kind is missing"
        ],
    );
    check_error(
        &with("kind: A\nmetadata: {}"),
        &expect![
            "failed to build: top/x.yaml: document 1 is no Kubernetes object: metadata.name of the A is missing"
        ],
    );
    check_error(
        &with("- a"),
        &expect![
            "failed to build: top/x.yaml: document 1 is no Kubernetes object: it is not a mapping"
        ],
    );
    check_error(
        &with("kind: A\nmetadata: {name: b}\nspec: {l: [null]}"),
        &expect![
            "failed to build: top/x.yaml: document 1 is no Kubernetes object: the list .spec.l has an empty item"
        ],
    );
    check_error(
        &with("kind: Secret\nstringData: {password: hunter2, password: x}"),
        &expect![[
            r#"failed to build: top/x.yaml: failed to read YAML at line 2, column 33: key "password" is set twice in one mapping, near "stringData: …""#
        ]],
    );
    check_error(
        &with("kind: Secret\nstringData:\n  password: \"hunter2"),
        &expect![[
            r#"failed to build: top/x.yaml: failed to read YAML at line 3, column 13: unclosed quote, near "password: …""#
        ]],
    );
    check_kustomization(
        "resources: [cm.yaml, cm.yaml]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: resources[1]: object v1/ConfigMap "cm" in "default" is there twice; remove one or rename it"#
        ]],
    );
    let two = "{apiVersion: v1, kind: ConfigMap, metadata: {name: cm, namespace: default}}";
    check_error(
        &[
            ("top/kustomization.yaml", "resources: [cm.yaml, x.yaml]"),
            ("top/x.yaml", two),
        ],
        &expect![[
            r#"failed to build: top/kustomization.yaml: resources[1]: object v1/ConfigMap "cm" in "default" is there twice; remove one or rename it"#
        ]],
    );
}

fn check_on_config_map(text: &str, expected: &Expect) {
    check_kustomization(&format!("resources: [cm.yaml]\n{text}"), expected);
}

#[test]
fn refuses_bad_changes() {
    let check = |text: &str, expected: &Expect| check_on_config_map(text, expected);
    check(
        "patches: [{}]",
        &expect!["failed to build: top/kustomization.yaml: patches[0]: patch or path is missing"],
    );
    check(
        "patches: [{patch: 'x'}]",
        &expect![
            "failed to build: top/kustomization.yaml: patches[0]: document 1 is no Kubernetes object: it is not a mapping"
        ],
    );
    check(
        "patches: [{patch: '[{\"op\": \"remove\", \"path\": \"/x\"}]'}]",
        &expect![
            "failed to build: top/kustomization.yaml: patches[0]: a JSON 6902 patch needs a target"
        ],
    );
    check(
        "patches: [{target: {name: cm}, patch: '[{\"op\": \"remove\", \"path\": \"/x\"}]'}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: patches[0]: cannot patch v1/ConfigMap "cm" in "default": operation '/0' failed at path '/x': path is invalid"#
        ]],
    );
    check(
        "patches: [{target: {name: '('}, patch: '[]'}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: patches[0]: target.name "(" is no regular expression"#
        ]],
    );
    check(
        "patches: [{target: {labelSelector: 'a in b'}, patch: '[]'}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: patches[0]: target.labelSelector "a in b" is no selector: see "a in b""#
        ]],
    );
    check(
        "patches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: other}}'}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: patches[0]: nothing matches v1/ConfigMap "other" in "default""#
        ]],
    );
    check(
        "patches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, data: [a]}'}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: patches[0]: cannot patch v1/ConfigMap "cm" in "default": data: a list cannot be merged into a map"#
        ]],
    );
    check(
        "patches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, data: {$patch: x}}'}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: patches[0]: cannot patch v1/ConfigMap "cm" in "default": data: $patch is "x", must be merge, replace or delete"#
        ]],
    );
}

#[test]
fn refuses_bad_generators() {
    let check = |text: &str, expected: &Expect| check_on_config_map(text, expected);
    check(
        "replicas: [{name: cm, count: 1}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: replicas[0]: nothing matches name "cm" of kinds Deployment, ReplicationController, ReplicaSet, StatefulSet"#
        ]],
    );
    check(
        "configMapGenerator: [{name: cm}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: configMapGenerator[0]: object v1/ConfigMap "cm" in "default" is there twice; remove one or rename it"#
        ]],
    );
    check(
        "configMapGenerator: [{name: x, behavior: merge}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: configMapGenerator[0]: nothing matches v1/ConfigMap "x" in "default""#
        ]],
    );
    check(
        "configMapGenerator: [{name: x, behavior: add}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: configMapGenerator[0].behavior: "add" must be "create", "merge" or "replace""#
        ]],
    );
    check(
        "configMapGenerator: [{literals: [a=b]}]",
        &expect!["failed to build: top/kustomization.yaml: configMapGenerator[0]: name is missing"],
    );
    check(
        "secretGenerator: [{name: x, literals: [hunter2]}]",
        &expect![
            "failed to build: top/kustomization.yaml: secretGenerator[0]: a literal must be key=value"
        ],
    );
    check(
        "configMapGenerator: [{name: x, literals: [a=b, a=c]}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: configMapGenerator[0]: key "a" is given twice"#
        ]],
    );
    check(
        "configMapGenerator: [{name: x, literals: ['a b=c']}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: configMapGenerator[0]: key "a b" may have letters, digits, "-", "_" and "." only"#
        ]],
    );
    check(
        "images: [{name: '('}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: images[0]: name "(" is no image name"#
        ]],
    );
    check(
        "labels: [{pairs: {a: b}, fields: [{path: data/a/b}]}]",
        &expect![[
            r#"failed to build: top/kustomization.yaml: labels[0]: field "data/a/b": a map or list is wanted where "b" is looked for, not a scalar"#
        ]],
    );
}

#[test]
fn refuses_bad_replacements() {
    let check = |text: &str, expected: &Expect| {
        check_on_config_map(&format!("replacements: [{text}]"), expected);
    };
    check(
        "{}",
        &expect!["failed to build: top/kustomization.yaml: replacements[0]: source is missing"],
    );
    check(
        "{source: {name: cm}}",
        &expect!["failed to build: top/kustomization.yaml: replacements[0]: targets are missing"],
    );
    check(
        "{source: {name: gone}, targets: [{select: {name: cm}}]}",
        &expect![[
            r#"failed to build: top/kustomization.yaml: replacements[0]: nothing matches source "gone" of kind """#
        ]],
    );
    check(
        "{source: {name: cm, fieldPath: data.x}, targets: [{select: {name: cm}}]}",
        &expect![[
            r#"failed to build: top/kustomization.yaml: replacements[0]: v1/ConfigMap "cm" in "default" has no field "data.x""#
        ]],
    );
    check(
        "{source: {name: cm}, targets: [{select: {name: cm}, fieldPaths: [data.x]}]}",
        &expect![[
            r#"failed to build: top/kustomization.yaml: replacements[0]: v1/ConfigMap "cm" in "default" has no field "data.x"; options.create makes it"#
        ]],
    );
    check(
        "{source: {name: cm}, targets: [{select: {name: cm}, fieldPaths: [data.a.b]}]}",
        &expect![[
            r#"failed to build: top/kustomization.yaml: replacements[0]: "b" is looked for in a scalar; paths into text are not followed"#
        ]],
    );
    check(
        "{source: {name: cm}, targets: [{}]}",
        &expect!["failed to build: top/kustomization.yaml: replacements[0]: a target needs select"],
    );
    check(
        "{path: ../../x}",
        &expect![[
            r#"failed to build: top/kustomization.yaml: replacements[0]: path "../../x" leaves the root of the source; only files and folders of the same source can be used"#
        ]],
    );
}

#[test]
fn keeps_within_limits() {
    let limits = Limits {
        depth_max: 3,
        kustomizations_max: 5,
        files_max: 3,
        bytes_max: 200,
        objects_max: 2,
        ..Limits::default()
    };
    let check = |files: &[(&str, &str)], expected: &Expect| {
        let error = build(&tree(files), "", &Overlay::default(), &limits).unwrap_err();
        expected.assert_eq(&error.to_string());
    };
    let down = |n: usize| {
        (
            format!("{}kustomization.yaml", "d/".repeat(n)),
            "resources: [d]",
        )
    };
    let deep: Vec<_> = (0..5).map(down).collect();
    let deep: Vec<_> = deep
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    check(
        &deep,
        &expect![
            "failed to build: d/d/kustomization.yaml: resources[0]: more than the 3 levels of nested kustomizations allowed in one build"
        ],
    );
    let wide = ("kustomization.yaml", "resources: [a, a, a, a, a, a]");
    check(
        &[wide, ("a/kustomization.yaml", "namePrefix: x-")],
        &expect![
            "failed to build: kustomization.yaml: resources[4]: more than the 5 kustomizations allowed in one build"
        ],
    );
    check(
        &[
            (
                "kustomization.yaml",
                "configMapGenerator: [{name: x, files: [a, b=a, c=a, d=a]}]",
            ),
            ("a", ""),
        ],
        &expect![
            "failed to build: kustomization.yaml: configMapGenerator[0]: more than the 3 files allowed in one build"
        ],
    );
    let big = "x".repeat(201);
    check(
        &[
            (
                "kustomization.yaml",
                "configMapGenerator: [{name: x, files: [a]}]",
            ),
            ("a", &big),
        ],
        &expect![
            "failed to build: kustomization.yaml: configMapGenerator[0]: more than the 200 bytes of files allowed in one build"
        ],
    );
    let three = "{kind: A, metadata: {name: a}}\n---\n{kind: A, metadata: {name: b}}\n---\n{kind: A, metadata: {name: c}}";
    check(
        &[("kustomization.yaml", "resources: [a]"), ("a", three)],
        &expect![
            "failed to build: kustomization.yaml: resources[0]: more than the 2 objects allowed in one build"
        ],
    );
}
