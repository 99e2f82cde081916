"""Writes down every state of every object that comes by, one watch a kind, less what the API server sets."""
import collections, http.client, json, threading, time

# Path of the kind's group and version, and its plural.
KINDS = [
    ("/api/v1", "services"), ("/api/v1", "configmaps"), ("/api/v1", "secrets"), ("/api/v1", "events"),
    ("/apis/apps/v1", "deployments"), ("/apis/apps/v1", "daemonsets"),
    ("/apis/autoscaling/v2", "horizontalpodautoscalers"), ("/apis/networking.k8s.io/v1", "ingresses"),
    ("/apis/flagger.app/v1beta1", "canaries"),
    ("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    ("/apis/networking.istio.io/v1beta1", "virtualservices"), ("/apis/networking.istio.io/v1beta1", "destinationrules"),
    ("/apis/split.smi-spec.io/v1alpha2", "trafficsplits"), ("/apis/kuma.io/v1alpha1", "trafficroutes"),
    ("/apis/projectcontour.io/v1", "httpproxies"), ("/apis/traefik.io/v1alpha1", "traefikservices"),
    ("/apis/apisix.apache.org/v2", "apisixroutes"), ("/apis/keda.sh/v1alpha1", "scaledobjects"),
    ("/apis/gloo.solo.io/v1", "upstreams"), ("/apis/gateway.solo.io/v1", "routetables"),
    ("/apis/appmesh.k8s.aws/v1beta2", "virtualnodes"), ("/apis/appmesh.k8s.aws/v1beta2", "virtualrouters"),
    ("/apis/appmesh.k8s.aws/v1beta2", "virtualservices"), ("/apis/serving.knative.dev/v1", "services"),
]
SERVER_SET = {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"}
GONE = {"gone": True}


class Recorder:
    def __init__(self, plane):
        self.plane, self.lock = plane, threading.Lock()
        # (namespace, kind, name): states in order. (namespace, kind, name): the live object.
        self.states, self.live = collections.defaultdict(list), {}
        # namespace: statuses of its canaries, and events, in order.
        self.statuses, self.events = collections.defaultdict(list), collections.defaultdict(list)
        self.open = threading.Semaphore(0)
        for group, plural in KINDS:
            threading.Thread(target=self.follow, args=(group, plural), daemon=True).start()

    def wait(self):
        """Until every watch is open: what came before would be missed."""
        for _ in KINDS:
            self.open.acquire(timeout=60)

    def follow(self, group, plural):
        version = ""
        while not self.plane.stop_pods.is_set():
            api = self.plane.admin
            try:
                connection = http.client.HTTPSConnection("127.0.0.1", api.port, context=self.context(), timeout=3600)
                connection.request("GET", f"{group}/{plural}?watch=1{version}", headers={"Authorization": "Bearer " + api.token})
                answer = connection.getresponse()
                if answer.status != 200:
                    answer.read()
                    time.sleep(1)
                    continue
                self.open.release()
                for line in answer:
                    seen = json.loads(line)
                    if seen["type"] == "ERROR":
                        version = ""
                        break
                    version = "&resourceVersion=" + seen["object"]["metadata"]["resourceVersion"]
                    self.add(group, plural, seen["type"], seen["object"])
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.5)

    @staticmethod
    def context():
        from plane import CTX
        return CTX

    def add(self, group, plural, change, obj):
        meta = obj["metadata"]
        namespace = meta.get("namespace") or namespace_in(obj)
        if not namespace.startswith("side-") or meta["name"] == "kube-root-ca.crt":
            return
        kind = plural if plural != "services" or group == "/api/v1" else "services.knative"
        key = (namespace, kind, meta["name"])
        with self.lock:
            if kind == "events":
                if change == "ADDED" and obj["involvedObject"]["kind"] == "Canary":
                    self.events[namespace].append(told(obj))
                return
            if change == "DELETED":
                self.live.pop(key, None)
                self.states[key].append(GONE)
                return
            self.live[key] = obj
            state = stripped(obj, self.live)
            status = state.pop("status", None)
            if not self.states[key] or self.states[key][-1] != state:
                self.states[key].append(state)
            if kind == "canaries" and status is not None:
                add_new(self.statuses[namespace], settled(status))

    def canary(self, namespace):
        with self.lock:
            found = [o for (ns, kind, _), o in self.live.items() if ns == namespace and kind == "canaries"]
        return found[0] if found else None

    def has(self, namespace, kind, name):
        with self.lock:
            return self.live.get((namespace, kind, name))


def add_new(states, state):
    if not states or states[-1] != state:
        states.append(state)


def namespace_in(obj):
    """Of a cluster-scoped route: the namespace is part of each service's name."""
    text = json.dumps(obj.get("spec", {}))
    return text.split("_side-", 1)[1].split("_svc_")[0].join(["side-", ""]) if "_side-" in text else ""


def told(event):
    """What an Event says to who reads it. Names, times and counts of Events are the library's."""
    about = {k: v for k, v in event["involvedObject"].items() if k not in ("uid", "resourceVersion")}
    return {"type": event["type"], "reason": event["reason"], "message": event["message"], "source": event.get("source"), "about": about}


def stripped(obj, live):
    obj = json.loads(json.dumps(obj))
    meta = {k: v for k, v in obj["metadata"].items() if k not in SERVER_SET}
    for owner in meta.get("ownerReferences", []):
        owner["uid"] = "owner's"
    notes = meta.get("annotations", {})
    # kube-controller-manager counts a Deployment's and a DaemonSet's revisions.
    for counted in ("deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"):
        notes.pop(counted, None)
    obj["metadata"] = meta
    if obj["kind"] != "Canary":
        obj.pop("status", None)
    if obj["kind"] == "Service" and obj["apiVersion"] == "v1":
        addresses(obj["spec"])
    notes = obj.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {}) if isinstance(obj.get("spec", {}).get("template"), dict) else {}
    if "flagger-id" in notes:
        notes["flagger-id"] = "drawn by lot"
    return obj


def addresses(spec):
    """The API server draws them."""
    if spec.get("clusterIP") not in (None, "", "None"):
        spec["clusterIP"], spec["clusterIPs"] = "drawn", ["drawn"]
    for port in spec.get("ports", []):
        port.pop("nodePort", None)


def settled(status):
    """A status without times, which differ in any two runs."""
    status = json.loads(json.dumps(status))
    status.pop("lastTransitionTime", None)
    for condition in status.get("conditions", []):
        for time_of in ("lastTransitionTime", "lastUpdateTime"):
            condition.pop(time_of, None)
    return status
