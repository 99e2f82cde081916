"""The plays: what a user does, in order, each on a provider."""
import knative
from stage import alert_provider, autoscaler, config, daemon_set, deployment, ingress, metadata, template

HOOKS = ["confirm-rollout", "pre-rollout", "confirm-traffic-increase", "rollout", "confirm-promotion", "post-rollout", "rollback"]
ROUTES = {"gatewayRefs": [{"name": "web", "namespace": "infra"}], "hosts": ["podinfo.example"]}
INGRESS_REF = {"ingressRef": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "web"}}
APISIX_ROUTE = {"apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "metadata": metadata("web", labels={"team": "a"}, annotations={"owner": "a"}), "spec": {"http": [
    {"name": "web", "match": {"hosts": ["podinfo.example"], "paths": ["/*"]}, "backends": [{"serviceName": "podinfo", "servicePort": 80}],
     "plugins": [{"name": "prometheus", "enable": True, "config": {"prefer_name": True}}]}]}}
UPSTREAM = {"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "metadata": metadata("base", labels={"team": "a"}), "spec": {
    "static": {"hosts": [{"addr": "example.test", "port": 80}]}, "connectionConfig": {"connectTimeout": "2s", "maxRequestsPerConnection": 51},
    "loadBalancerConfig": {"roundRobin": {"slowStartConfig": {"slowStartWindow": "2m", "minWeightPercent": 5}}}}}
MATCH = [{"headers": {"x-user": {"exact": "insider"}}}]


def mesh(provider):
    """More of `spec.service`, more of `spec`, and the user's own objects."""
    if provider.startswith("gatewayapi"):
        return ROUTES, {}, []
    return {
        "nginx": ({}, INGRESS_REF, [ingress(**{"nginx.ingress.kubernetes.io/rewrite-target": "/"})]),
        "skipper": ({}, INGRESS_REF, [ingress(**{"zalando.org/skipper-predicate": "Path(\"/\")"})]),
        "apisix": ({}, {"routeRef": {"apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "name": "web"}}, [APISIX_ROUTE]),
        "gloo": ({}, {"upstreamRef": {"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "name": "base", "namespace": None}}, [UPSTREAM]),
        "appmesh": ({"meshName": "global", "backends": ["other.side"]}, {}, []),
        "appmesh:v1beta2": ({"backends": ["other", "arn:aws:x"], "timeout": "15s"}, {}, []),
    }.get(provider, ({}, {}, []))


def canary(w, provider, analysis, service=None, spec=None, hooks=HOOKS):
    extra, refs, _ = mesh(provider)
    refs = {k: v | ({"namespace": w.namespace} if "namespace" in v else {}) for k, v in refs.items()}
    metrics = [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"}, {"name": "request-duration", "thresholdRange": {"max": 500}, "interval": "30s"},
               {"name": "own", "templateRef": {"name": "latency"}, "thresholdRange": {"max": 500}, "interval": "1m", "templateVariables": {"reporter": "side"}},
               {"name": "inline", "query": "sum(rate(requests[1m])) > 1", "thresholdRange": {"min": 50}}]
    webhooks = [{"name": h, "type": h, "url": f"{w.url}/hook/{h}", "timeout": "5s", "metadata": {"of": h}} for h in hooks]
    return {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": metadata(labels={"team": "a"}), "spec": {
        "provider": provider, "metricsServer": w.url, "progressDeadlineSeconds": 60,
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"}, **refs, **(spec or {}),
        "service": {"port": 80, "targetPort": 9898, "apex": {"labels": {"kind": "apex"}, "annotations": {"note": "apex"}}, "canary": {"labels": {"kind": "canary"}}, **extra, **(service or {})},
        "analysis": {"interval": "10s", "threshold": 2, "metrics": metrics, "webhooks": webhooks, **analysis}}}


def begin(w, provider, one, target=None, more=()):
    w.gate(rollback=403)
    w.create(template(w.url), target or deployment("1.0.0"), *mesh(provider)[2], *more)
    w.create(one)
    w.until("Initialized")


SCALED = {"autoscalerRef": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "podinfo", "primaryScalerReplicas": {"minReplicas": 1, "maxReplicas": 5}}, "revertOnDeletion": True}
WEIGHTED, AB, BLUE_GREEN = {"stepWeight": 40, "maxWeight": 50}, {"iterations": 2, "match": MATCH}, {"iterations": 2}


def life(w, provider, analysis):
    """A good release, a bad one, changed configuration, an edited service, and a deletion that puts everything back."""
    begin(w, provider, canary(w, provider, analysis, spec=SCALED), more=[autoscaler()])
    w.settle()
    w.release("2.0.0")
    w.through("Progressing", "Succeeded")
    w.measure(success="90")
    w.release("3.0.0")
    w.through("Progressing", "Failed")
    w.measure(success="100")
    # Pods on their way out would still be counted as the next release's.
    w.settle()
    w.configure("green")
    w.through("Progressing", "Succeeded")
    w.edit({"service": {"apex": {"annotations": {"note": "edited"}}, "targetPort": 9999}})
    w.settle()
    w.delete_canary()


def short(w, provider, analysis, service=None):
    """A good release and a bad one; nothing is put back."""
    begin(w, provider, canary(w, provider, analysis, service=service))
    w.release("2.0.0")
    w.through("Progressing", "Succeeded")
    w.measure(own="501")
    w.release("3.0.0")
    w.through("Progressing", "Failed")
    w.delete_canary()


def gates(w, provider, analysis):
    """Each gate is closed, is seen closed twice, and opens."""
    w.gate(confirm_rollout=403, confirm_promotion=403, confirm_traffic_increase=403, pre_rollout=500)
    begin(w, provider, canary(w, provider, analysis))
    w.release("2.0.0")
    w.until("Waiting")
    w.called("confirm-rollout", 3)
    w.gate(confirm_rollout=200)
    w.until("Progressing")
    w.until("Progressing", failedChecks=1)
    w.gate(pre_rollout=200)
    w.called("confirm-traffic-increase", 2)
    w.gate(confirm_traffic_increase=200)
    w.until("WaitingPromotion")
    w.called("confirm-promotion", 2)
    w.gate(confirm_promotion=200)
    w.until("Succeeded")
    w.delete_canary()


def called_back(w, provider, analysis):
    """A rollback hook ends a run; then a run is let go on while it is waiting for promotion, and called back."""
    begin(w, provider, canary(w, provider, analysis))
    w.release("2.0.0")
    w.until("Progressing", canaryWeight=40)
    w.gate(rollback=200)
    w.until("Failed")
    w.gate(rollback=403)
    w.settle()
    w.release("1.0.0")
    w.settle()


def restart(w, provider, analysis):
    """A newer version while one is analysed, then the old one while another is analysed."""
    begin(w, provider, canary(w, provider, analysis))
    w.release("2.0.0")
    w.until("Progressing", canaryWeight=40)
    w.release("3.0.0")
    w.until("Progressing", canaryWeight=0)
    w.until("Succeeded")


def skip(w, provider, analysis):
    """Without analysis; then suspended, edited and resumed."""
    begin(w, provider, canary(w, provider, analysis, spec={"skipAnalysis": True, **{k: v for k, v in SCALED.items() if k != "revertOnDeletion"}}), more=[autoscaler()])
    w.release("2.0.0")
    w.until("Succeeded")
    w.settle()
    w.edit({"suspend": True})
    w.release("3.0.0")
    w.settle()
    w.edit({"suspend": None})
    w.told("Promotion completed", 2)


def deadline(w, provider, analysis):
    """Pods that never become ready."""
    begin(w, provider, canary(w, provider, analysis, spec={"progressDeadlineSeconds": 20}), target=deployment("1.0.0", progressDeadlineSeconds=20))
    w.release("broken")
    w.through("Progressing", "Failed")


def outage(w, provider, analysis):
    """The metrics server has no data: a failed check for one, unknown for the other."""
    begin(w, provider, canary(w, provider, analysis))
    w.measure(success=None)
    w.release("2.0.0")
    w.until("Progressing", canaryWeight=40)
    w.settle()
    w.measure(success="100")
    w.wait(lambda status: status.get("phase") in ("Succeeded", "Failed"), "ended")


def steps(w, provider, analysis):
    begin(w, provider, canary(w, provider, analysis, hooks=[]))
    w.release("2.0.0")
    w.through("Progressing", "Succeeded")


def chats(w, provider, analysis):
    """An alert to each chat service, of each severity, one by a Secret."""
    kinds = ["slack", "msteams", "discord", "rocket", "gchat"]
    w.create(*[alert_provider(k, w.url, channel="shop", username="bot") for k in kinds])
    w.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("chat"), "stringData": {"address": f"{w.url}/chat/secret", "token": "t0k3n"}})
    hidden = alert_provider("slack", w.url, secretRef={"name": "chat"})
    w.create(hidden | {"metadata": metadata("hidden")})
    severities = ["info", "info", "info", "warn", "error", "info"]
    alerts = [{"name": k, "severity": s, "providerRef": {"name": k}} for k, s in zip(kinds + ["hidden"], severities)]
    begin(w, provider, canary(w, provider, {**analysis, "alerts": alerts}))
    w.gate(confirm_promotion=403)
    w.release("2.0.0")
    w.until("WaitingPromotion")
    w.gate(confirm_promotion=200)
    w.until("Succeeded")
    w.measure(success="90")
    w.release("3.0.0")
    w.through("Progressing", "Failed")


def daemons(w, provider, analysis):
    one = canary(w, provider, analysis, spec={"revertOnDeletion": True})
    one["spec"]["targetRef"]["kind"] = "DaemonSet"
    begin(w, provider, one, target=daemon_set("1.0.0"))
    w.release("2.0.0", "DaemonSet")
    w.through("Progressing", "Succeeded")
    w.measure(success="90")
    w.release("3.0.0", "DaemonSet")
    w.through("Progressing", "Failed")
    w.delete_canary()


def core_service(w, provider, analysis):
    """Without an address: Flagger copies addresses, which API servers refuse."""
    one = canary(w, provider, analysis)
    one["spec"]["targetRef"] = {"apiVersion": "v1", "kind": "Service", "name": "podinfo"}
    target = {"apiVersion": "v1", "kind": "Service", "metadata": metadata(labels={"team": "a"}, annotations={"owner": "a"}),
              "spec": {"type": "ExternalName", "externalName": "one.example", "ports": [{"name": "http", "port": 80, "targetPort": 9898}]}}
    begin(w, provider, one, target=target)
    w.patch("Service", "v1", {"spec": {"externalName": "two.example"}})
    w.through("Progressing", "Succeeded")
    w.measure(success="90")
    w.patch("Service", "v1", {"spec": {"externalName": "three.example"}})
    w.through("Progressing", "Failed")


def revisions(w, provider, analysis):
    """Of a Knative Service, whose Services are its own."""
    knative.start(w)
    one = canary(w, provider, analysis)
    one["spec"]["targetRef"] = {"apiVersion": knative.GROUP, "kind": "Service", "name": "podinfo"}
    one["spec"].pop("service")
    template = {"spec": {"containers": [{"name": "podinfo", "image": "example.test/podinfo:1.0.0", "ports": [{"containerPort": 9898}]}]}}
    begin(w, provider, one, target={"apiVersion": knative.GROUP, "kind": "Service", "metadata": metadata(labels={"team": "a"}), "spec": {"template": template}})
    w.release("2.0.0", "Service")
    w.through("Progressing", "Succeeded")
    w.measure(own="501")
    w.release("3.0.0", "Service")
    w.through("Progressing", "Failed")
    w.delete_canary()


def taken_over(w, provider, analysis):
    """The user's own Service and route were there first, and come back."""
    mine = {"apiVersion": "v1", "kind": "Service", "metadata": metadata(labels={"mine": "yes"}, annotations={"mine": "yes", LAST: '{"spec":{"selector":{"app":"podinfo","mine":"yes"}}}'}),
            "spec": {"selector": {"app": "podinfo", "mine": "yes"}, "ports": [{"name": "web", "port": 80, "targetPort": 9898}]}}
    route = {"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService", "metadata": metadata(labels={"mine": "yes"}, annotations={"mine": "yes"}),
             "spec": {"hosts": ["podinfo"], "http": [{"route": [{"destination": {"host": "podinfo"}}]}]}}
    begin(w, provider, canary(w, provider, analysis, spec={"revertOnDeletion": True}, service={"portDiscovery": True, "unmanagedMetadata": {"labels": ["mine"], "annotations": ["other"]}}),
          more=[mine] + ([route] if provider == "istio" else []))
    w.patch("Service", "v1", {"metadata": {"labels": {"foreign": "yes"}, "annotations": {"other": "kept", "foreign": "yes"}}}, "podinfo-canary")
    w.settle()
    w.release("2.0.0")
    w.through("Progressing", "Succeeded")
    w.delete_canary()


LAST = "kubectl.kubernetes.io/last-applied-configuration"
AFFINITY = {"sessionAffinity": {"cookieName": "who", "primaryCookieName": "rest", "domain": "podinfo.example", "httpOnly": True, "maxAge": 60, "path": "/", "sameSite": "Lax", "secure": True}}
EVERY_FIELD = {
    "istio": {"gateways": ["infra/web", "mesh"], "hosts": ["podinfo.example"], "timeout": "5s", "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "5xx"}, "portDiscovery": True,
              "match": [{"uri": {"prefix": "/api"}, "method": {"exact": "GET"}, "headers": {"x-a": {"regex": "a.*"}}, "queryParams": {"q": {"exact": "1"}}}, {"uri": {"exact": "/"}, "ignoreUriCase": True}],
              "rewrite": {"uri": "/", "authority": "inner.example"}, "headers": {"request": {"add": {"x-b": "1"}, "set": {"x-a": "2"}, "remove": ["x-c"]}, "response": {"set": {"x-r": "1"}}},
              "corsPolicy": {"allowOrigins": [{"exact": "https://a.example"}, {"regex": ".*b"}], "allowMethods": ["GET"], "allowHeaders": ["x-h"], "exposeHeaders": ["x-e"], "maxAge": "24h", "allowCredentials": True},
              "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}, "loadBalancer": {"simple": "LEAST_REQUEST", "warmupDurationSecs": "30s"},
                                "connectionPool": {"http": {"http1MaxPendingRequests": 1, "idleTimeout": "1s"}}, "outlierDetection": {"consecutive5xxErrors": 2, "interval": "5s", "baseEjectionTime": "30s"}}},
    "gatewayapi:v1": {**ROUTES, "timeout": "5s", "backendTimeout": "2s", "rewrite": {"uri": "/", "authority": "inner.example", "type": "ReplaceFullPath"},
                      "match": [{"uri": {"prefix": "/api"}, "method": {"exact": "GET"}, "headers": {"x-a": {"regex": "a.*"}}, "queryParams": {"q": {"exact": "1"}}}, {"uri": {"exact": "/"}}],
                      "headers": {"request": {"add": {"x-b": "1", "x-a": "0"}, "set": {"x-z": "2"}, "remove": ["x-c"]}, "response": {"set": {"x-r": "1"}}},
                      "mirror": [{"backendRef": {"name": "shadow", "port": 80}}],
                      "corsPolicy": {"allowOrigin": ["https://a.example"], "allowMethods": ["GET"], "allowHeaders": ["x-h"], "exposeHeaders": ["x-e"], "maxAge": "24h", "allowCredentials": True}},
    "contour": {"timeout": "5s", "match": [{"uri": {"prefix": "/api"}}], "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "5xx,gateway-error"}},
    "appmesh": {"meshName": "global", "hosts": ["podinfo.example"], "timeout": "5s", "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "gateway-error,stream-error"}, "match": [{"uri": {"prefix": "/api"}}], "portName": "grpc-web"},
    "kubernetes": {"headless": True, "portDiscovery": True, "portName": "web", "appProtocol": "http", "trafficDistribution": "PreferClose", "name": "shop"},
}
EVERY_FIELD["gatewayapi:v1beta1"] = {k: v for k, v in EVERY_FIELD["gatewayapi:v1"].items() if k not in ("corsPolicy", "timeout", "backendTimeout")}
EVERY_FIELD["appmesh:v1beta2"] = EVERY_FIELD["appmesh"]


def every_field(w, provider, analysis):
    """Whatever `spec.service` can say to the provider."""
    short(w, provider, analysis, service=EVERY_FIELD[provider])


WEIGHTS = ["istio", "gatewayapi:v1", "gatewayapi:v1beta1", "nginx", "skipper", "contour", "traefik", "apisix", "gloo", "kuma", "linkerd", "osm",
           "smi:v1alpha1", "smi:v1alpha2", "smi:v1alpha3", "appmesh", "appmesh:v1beta2"]
CHOICE = ["istio", "gatewayapi:v1", "gatewayapi:v1beta1", "nginx", "contour", "gloo", "appmesh", "appmesh:v1beta2"]
NO_WEIGHTS = {"iterations": 2}


def all_scenarios():
    """Name: the play's function and its arguments."""
    plays = {f"{p} weighted": (life, p, WEIGHTED) for p in WEIGHTS}
    plays |= {f"{p} A/B": (short, p, AB) for p in CHOICE}
    plays |= {f"{p} blue-green": (life if p == "kubernetes" else short, p, BLUE_GREEN) for p in ["kubernetes", "istio", "gatewayapi:v1", "linkerd", "nginx"]}
    plays |= {f"{p} blue-green mirror": (short, p, {**BLUE_GREEN, "mirror": True}) for p in ["istio", "gatewayapi:v1", "gatewayapi:v1beta1"]}
    plays["istio mirror"] = (short, "istio", {**WEIGHTED, "mirror": True, "mirrorWeight": 50})
    plays |= {f"{p} affinity": (short, p, {**WEIGHTED, **AFFINITY}) for p in ["istio", "gatewayapi:v1"]}
    plays |= {f"{p} every field": (every_field, p, BLUE_GREEN if p == "kubernetes" else WEIGHTED) for p in EVERY_FIELD}
    plays |= {f"{p} every field A/B": (every_field, p, AB) for p in ["istio", "gatewayapi:v1", "contour", "appmesh", "appmesh:v1beta2"]}
    core = "gatewayapi:v1"
    for name, play in {"gates": gates, "rollback hook": called_back, "restart": restart, "skip and suspend": skip, "deadline": deadline, "outage": outage, "chats": chats, "daemon set": daemons, "core service": core_service, "taken over": taken_over}.items():
        plays[f"{core} {name}"] = (play, core, WEIGHTED)
    plays["knative weighted"] = (revisions, "knative", WEIGHTED)
    plays["istio taken over"] = (taken_over, "istio", WEIGHTED)
    plays["kubernetes daemon set"] = (daemons, "kubernetes", BLUE_GREEN)
    plays["istio stepWeights"] = (steps, "istio", {"stepWeights": [5, 30, 70], "stepWeightPromotion": 50})
    plays["kubernetes weighted"] = (steps, "kubernetes", {**WEIGHTED})
    return plays
