//! Golden files: the first document says what is given, the others what is rendered from it.
//!
//! `UPDATE_EXPECT=1` writes what is rendered into the files. Each file is also read back: the split is seen in
//! what was rendered, and it has not drifted from itself.

use std::{fs, path::Path};

use api::canary::SessionAffinity;
use goyaml::Limits;
use mesh_adapters::{
    Adapter, Cookies, Live, Manifest, Owner, Route, Split, Weight, adapter, differs,
};
use serde_json::{Value, json};

#[test]
fn files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut wrong = Vec::new();
    let mut files = 0;
    for mesh in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(mesh.unwrap().path()).unwrap() {
            files += 1;
            check(&file.unwrap().path(), &mut wrong);
        }
    }
    assert!(files >= 100, "only {files} files were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Users must not go to and fro on a mesh that cannot keep them.
#[test]
fn session_affinity_is_kept_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    for mesh in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(mesh.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let given = goyaml::parse_json(&text, &Limits::default())
                .unwrap()
                .remove(0);
            let mut case = Case::of(&given);
            let is_given = case.route.session_affinity.is_some();
            if is_given || case.adapter.render(&case.route, &case.live).is_err() {
                continue;
            }
            case.route.session_affinity = Some(SessionAffinity::default());
            case.route.cookies = Some(Cookies::default());
            let provider = given["canary"]["provider"].as_str().unwrap();
            let keeps = ["istio", "gatewayapi:v1", "gatewayapi:v1beta1", "sluice"];
            let service = &given["canary"]["service"];
            let further = service["ports"].as_array().into_iter().flatten();
            let has_none = std::iter::once(service).chain(further).any(|port| {
                let protocol = port["appProtocol"].as_str().unwrap_or_default();
                protocol.eq_ignore_ascii_case("tcp") || port["routeKind"] == "GRPCRoute"
            });
            let rendered = case.adapter.render(&case.route, &case.live);
            let told = rendered.err().map(|error| error.to_string());
            let is_refused = told
                .as_ref()
                .is_some_and(|told| told.starts_with("spec.analysis.sessionAffinity is"));
            assert_eq!(
                is_refused,
                has_none || !keeps.contains(&provider),
                "{}: {told:?}",
                path.display()
            );
        }
    }
}

fn check(path: &Path, wrong: &mut Vec<String>) {
    let text = fs::read_to_string(path).unwrap();
    let mut documents = goyaml::parse_json(&text, &Limits::default()).unwrap();
    let given = documents.remove(0);
    let case = Case::of(&given);
    let rendered = match case.adapter.render(&case.route, &case.live) {
        Ok(manifests) => manifests,
        Err(error) => vec![json!({"error": error.to_string()})],
    };
    if rendered != documents {
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            write(path, &given, &rendered);
        }
        wrong.push(format!("{}: {rendered:#?}", path.display()));
    }
    if rendered.iter().all(|one| one.get("error").is_none()) {
        case.check_back(&path.display().to_string());
    }
}

/// What a file gives.
pub(crate) struct Case {
    pub(crate) route: Route,
    pub(crate) adapter: &'static dyn Adapter,
    /// What was there before.
    pub(crate) live: Live,
}

impl Case {
    fn of(given: &Value) -> Self {
        Self::read(given).unwrap()
    }

    /// The case, or why there is none.
    pub(crate) fn read(given: &Value) -> Result<Self, String> {
        let live = given["live"].as_array().into_iter().flatten().cloned();
        let provider = given["canary"]["provider"].as_str().unwrap_or_default();
        Ok(Self {
            route: route(given)?,
            adapter: adapter(provider).map_err(|error| error.to_string())?,
            live: live.collect(),
        })
    }

    /// The case of `testdata/<name>.yaml`.
    pub(crate) fn load(name: &str) -> Self {
        Self::without(name, "")
    }

    /// The same, less what is at the pointer.
    pub(crate) fn without(name: &str, pointer: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/{name}.yaml"));
        let text = fs::read_to_string(path).unwrap();
        let mut given = goyaml::parse_json(&text, &Limits::default())
            .unwrap()
            .remove(0);
        if let Some((parent, key)) = pointer.rsplit_once('/') {
            let parent = given.pointer_mut(parent).and_then(Value::as_object_mut);
            let gone = parent.and_then(|parent| parent.remove(&key.replace("~1", "/")));
            assert!(gone.is_some(), "{name} has no {pointer}");
        }
        Self::of(&given)
    }

    /// What is there after all was written, each object changed.
    pub(crate) fn written(&self, change: impl Fn(&mut Value)) -> Live {
        let mut now = self.live.clone();
        for manifest in self.adapter.marked(&self.route, &self.live).unwrap() {
            let mut object = self.live.of(&manifest).cloned().unwrap_or_default();
            apply(&mut object, manifest);
            change(&mut object);
            now.put(object);
        }
        now
    }

    /// What was written reads as it was meant.
    pub(crate) fn check_back(&self, at: &str) {
        let Self { route, adapter, .. } = self;
        let now = self.written(|_| {});
        assert_eq!(adapter.seen(route, &now), Ok(route.split), "{at}");
        assert_eq!(adapter.has_drifted(route, &now), Ok(false), "{at}");
        let named = adapter.objects(route);
        for manifest in adapter.render(route, &now).unwrap() {
            assert!(!differs(&manifest, now.of(&manifest)), "{at}");
            assert!(
                named
                    .iter()
                    .any(|one| one.kind == manifest["kind"]
                        && one.name == manifest["metadata"]["name"]),
                "{at}: an object is not named"
            );
        }
        let elsewhere = Route {
            split: Split::to_canary(Weight::FULL),
            ..route.clone()
        };
        assert_eq!(
            adapter.has_drifted(&elsewhere, &now),
            Ok(false),
            "{at}: weights are no drift"
        );
        // The next write brings the weights wanted, from wherever it starts.
        let wanted = adapter.render(&elsewhere, &now).unwrap();
        let moved = now.clone();
        let is_same = wanted
            .iter()
            .all(|manifest| !differs(manifest, moved.of(manifest)));
        assert_eq!(
            is_same,
            route.split == elsewhere.split || named.is_empty(),
            "{at}: a new weight is not written"
        );
    }
}

/// What the API server makes of an apply, and Knative of its traffic block.
fn apply(object: &mut Value, manifest: Value) {
    match (object, manifest) {
        (Value::Object(object), Value::Object(fields)) => {
            for (key, value) in fields {
                apply(object.entry(key).or_insert(Value::Null), value);
            }
            if let Some(traffic) = object.get("spec").and_then(|spec| spec.get("traffic")) {
                let status = json!({ "traffic": traffic });
                object.insert("status".into(), status);
            }
        }
        (object, manifest) => *object = manifest,
    }
}

/// The route of the canary in the file: `canary` is merged over a minimal spec.
fn route(given: &Value) -> Result<Route, String> {
    let mut spec = json!({
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
        "service": {"port": 9898},
        "analysis": {},
    });
    for (key, value) in given["canary"].as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    let canary = api::decode::decode(json!({
        "metadata": {"name": "podinfo", "namespace": "test", "annotations": given["annotations"]},
        "spec": spec,
    }))
    .map_err(|error| error.to_string())?;
    let split = Split {
        canary: Weight::try_from(given["weight"].as_i64().unwrap_or(10))
            .map_err(|_| "no weight".to_owned())?,
        mirrored: given["mirrored"].as_bool().unwrap_or(false),
    };
    let mut route = Route::new(&canary, split).map_err(|error| error.to_string())?;
    route.owner = given["owner"].as_str().map(|uid| Owner {
        name: "podinfo".into(),
        uid: uid.into(),
    });
    route.selector_label = given["selector"]
        .as_str()
        .map(|key| (key.to_owned(), "podinfo".to_owned()));
    route.cookies = given.get("cookies").map(|cookies| Cookies {
        canary: cookies["canary"].as_str().map(str::to_owned),
        primary: cookies["primary"].as_str().map(str::to_owned),
        previous: cookies["previous"].as_str().map(str::to_owned),
        primary_max_age_s: 60,
    });
    route.selector = Some(("app".into(), "podinfo".into()));
    route.ingress_class = given["ingressClass"].as_str().map(str::to_owned);
    if let Some(prefix) = given["ingressPrefix"].as_str() {
        route.ingress_prefix = prefix.to_owned();
    }
    Ok(route)
}

fn write(path: &Path, given: &Value, rendered: &[Manifest]) {
    let documents: Vec<String> = std::iter::once(given)
        .chain(rendered)
        .map(|document| goyaml::to_yaml(document).unwrap())
        .collect();
    fs::write(path, documents.join("---\n")).unwrap();
}
