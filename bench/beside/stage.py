"""What stands on the stage: definitions of the meshes' kinds, and the objects that a user has before the first Canary."""
import json, os, subprocess

CLUSTER_BIN = os.environ.get("CLUSTER_BIN", os.path.expanduser("~/.cache/sluice/cluster-bin"))
OPEN = "x-kubernetes-preserve-unknown-fields"
# Kinds whose mesh has no Go module to take the definition from: these take every field.
PERMISSIVE = [("kuma.io", "v1alpha1", "TrafficRoute", "Cluster"), ("gloo.solo.io", "v1", "Upstream", "Namespaced"),
              ("gateway.solo.io", "v1", "RouteTable", "Namespaced"), ("appmesh.k8s.aws", "v1beta2", "VirtualRouter", "Namespaced")]


def define(plane, own):
    """Applies the definitions: the meshes', as `cargo x setup` keeps them, and the operator's own, a list of files."""
    files = [os.path.join(folder, name) for folder, _, names in os.walk(CLUSTER_BIN + "/crds") for name in names]
    for definition in [d for f in files + own for d in of_file(plane, f)] + [permissive(*k) for k in PERMISSIVE]:
        plane.admin.apply("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + definition["metadata"]["name"], mended(definition))


def of_file(plane, path):
    """The definitions in a file. kubectl reads the YAML, as today's version, whose form `mended` gives them."""
    text = open(path).read().replace("apiextensions.k8s.io/v1beta1", "apiextensions.k8s.io/v1")
    only = "\n---\n".join(part for part in text.split("\n---") if "kind: CustomResourceDefinition" in part)
    if not only:
        return []
    run = subprocess.run([CLUSTER_BIN + "/kubectl", "--kubeconfig", plane.base + "/admin.kubeconfig", "create", "--dry-run=client",
                          "--validate=false", "-o", "json", "-f", "-"], input=only, capture_output=True, text=True, check=True)
    decoder, found, at = json.JSONDecoder(), [], 0
    while run.stdout[at:].strip():
        at += len(run.stdout[at:]) - len(run.stdout[at:].lstrip())
        one, at = decoder.raw_decode(run.stdout, at)
        found += one.get("items", [one])
    return found


def mended(definition):
    spec = definition["spec"]
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec,
                  "metadata": {k: v for k, v in definition["metadata"].items() if k in ("name", "annotations", "labels")}}
    if "validation" in spec or not all("schema" in v for v in spec["versions"]):
        lift(spec)
    if definition["metadata"]["name"] == "trafficsplits.split.smi-spec.io":
        serve_splits(spec["versions"])
    if definition["metadata"]["name"] in ("virtualnodes.appmesh.k8s.aws", "virtualservices.appmesh.k8s.aws"):
        for version in spec["versions"]:
            version["storage"] = False
        spec["versions"].append(open_version("v1beta2"))
    return definition


def lift(spec):
    """From apiextensions v1beta1, which kept fields that are not declared and wanted no types."""
    schema = typed(spec.pop("validation", {}).get("openAPIV3Schema", {"type": "object", OPEN: True}))
    shared = {"schema": {"openAPIV3Schema": schema}} | {k: spec.pop(k) for k in ("subresources",) if k in spec}
    for dropped in ("version", "additionalPrinterColumns", "preserveUnknownFields"):
        spec.pop(dropped, None)
    for version in spec["versions"]:
        version.update(json.loads(json.dumps(shared)))


def typed(schema):
    if "properties" in schema:
        return schema | {"type": "object", OPEN: True, "properties": {k: typed(v) for k, v in schema["properties"].items()}}
    if "items" in schema:
        return schema | {"type": "array", "items": typed(schema["items"])}
    return schema if "type" in schema else {OPEN: True}


def serve_splits(versions):
    """Open Service Mesh serves one version of several; of v1alpha1, Linkerd's, only the weight differs: it may be text."""
    first = json.loads(json.dumps(versions[-1])) | {"name": "v1alpha1", "storage": False}
    first["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["backends"]["items"]["properties"]["weight"] = {"x-kubernetes-int-or-string": True}
    versions.append(first)
    for version in versions:
        version["served"] = True


def open_version(name):
    return {"name": name, "served": True, "storage": True, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {"type": "object", OPEN: True}}}


def permissive(group, version, kind, scope):
    plural = kind.lower() + "s"
    return {"metadata": {"name": f"{plural}.{group}"}, "spec": {"group": group, "scope": scope, "versions": [open_version(version)],
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": kind + "List"}}}


def metadata(name="podinfo", **more):
    return {"name": name, **more}


def config(name, data, **notes):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name, labels={"app.kubernetes.io/part-of": "shop", "team": "a"}, annotations=notes), "data": data}


def secret(name, data):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata(name), "type": "Opaque", "stringData": data}


CONFIGS = [config("settings", {"color": "blue", "html": "<b>&</b>"}), config("files", {"a.txt": "a"}), config("init", {"x": "1"}),
           config("shared", {"k": "v"}, **{"flagger.app/config-tracking": "disabled"}), secret("token", {"value": "s3cr3t"}), secret("keys", {"tls": "none"})]


def pod_template(version, label="podinfo"):
    """A template that refers to configuration in every way that is tracked, and some that are not."""
    here = {"labelSelector": {"matchLabels": {"app": label}}, "topologyKey": "kubernetes.io/hostname"}
    return {"metadata": {"labels": {"app": label, "team": "a"}, "annotations": {"prometheus.io/scrape": "true"}}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": here}]}},
        "topologySpreadConstraints": [{"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", **here}],
        "initContainers": [{"name": "first", "image": "example.test/init:1", "envFrom": [{"configMapRef": {"name": "init"}}]}],
        "containers": [{"name": "podinfo", "image": f"example.test/podinfo:{version}",
                        "ports": [{"name": "http", "containerPort": 9898}, {"name": "http-metrics", "containerPort": 9797}, {"name": "grpc", "containerPort": 9999}],
                        "envFrom": [{"configMapRef": {"name": "settings"}}, {"configMapRef": {"name": "absent", "optional": True}}, {"configMapRef": {"name": "shared"}}],
                        "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "value"}}}]}],
        "volumes": [{"name": "files", "configMap": {"name": "files"}}, {"name": "all", "projected": {"sources": [{"secret": {"name": "keys"}}]}}]}}


LABELS = {"app": "podinfo", "app.kubernetes.io/name": "podinfo", "team": "a", "kustomize.toolkit.fluxcd.io/name": "apps"}
NOTES = {"app.kubernetes.io/instance": "one", "owner": "a", "kustomize.toolkit.fluxcd.io/ssa": "merge"}


def deployment(version, replicas=2, **spec):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(labels=LABELS, annotations=NOTES), "spec": {
        "replicas": replicas, "revisionHistoryLimit": 3, "progressDeadlineSeconds": 60, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
        "selector": {"matchLabels": {"app": "podinfo"}}, "template": pod_template(version), **spec}}


def daemon_set(version):
    template = pod_template(version)
    # The only node is one that nobody reports on.
    template["spec"]["tolerations"] = [{"operator": "Exists"}]
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata(labels=LABELS, annotations=NOTES),
            "spec": {"selector": {"matchLabels": {"app": "podinfo"}}, "template": template}}


def autoscaler(**spec):
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata(labels=LABELS, annotations={"owner": "a"}), "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"}, "minReplicas": 2, "maxReplicas": 4,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 90}}}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}, **spec}}


def ingress(name="web", service="podinfo", **notes):
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata(name, labels={"team": "a"}, annotations=notes),
            "spec": {"ingressClassName": "web", "rules": [{"host": "podinfo.example", "http": {"paths": [path]}}]}}


def template(url, name="latency", query=None):
    """A MetricTemplate of Prometheus with every variable that there is."""
    every = "latency" + "".join("{%s=\"{{ %s }}\"}" % (v.replace(".", "_"), v) for v in
                                ("name", "namespace", "target", "service", "ingress", "route", "interval", "variables.reporter"))
    return {"apiVersion": "flagger.app/v1beta1", "kind": "MetricTemplate", "metadata": metadata(name),
            "spec": {"provider": {"type": "prometheus", "address": url, "headers": {"X-Scope-OrgID": ["shop"]}}, "query": query or every}}


def alert_provider(kind, url, **spec):
    where = {} if "secretRef" in spec else {"address": f"{url}/chat/{kind}"}
    return {"apiVersion": "flagger.app/v1beta1", "kind": "AlertProvider", "metadata": metadata(kind), "spec": {"type": kind, **where, **spec}}
