"""Knative in a few lines: a revision for each new template, and traffic as the spec says."""
import threading, time

GROUP = "serving.knative.dev/v1"


def start(w):
    """Carries out the Knative Services of the scenario's namespace while its plane is there."""
    threading.Thread(target=follow, args=(w,), daemon=True).start()


def follow(w):
    while not w.plane.stop_pods.is_set():
        service = w.recorder.has(w.namespace, "services.knative", "podinfo")
        if service and service.get("status", {}).get("observedGeneration") != service["metadata"]["generation"]:
            try:
                carry_out(w, service)
            except RuntimeError:
                pass  # A newer one comes.
        time.sleep(0.2)


def carry_out(w, service):
    name = latest(w, service["spec"]["template"]["spec"])
    traffic = service["spec"].get("traffic") or [{"latestRevision": True, "percent": 100}]
    traffic = [t | ({"revisionName": name} if t.get("latestRevision") else {}) for t in traffic]
    status = {"observedGeneration": service["metadata"]["generation"], "conditions": [ready()], "latestCreatedRevisionName": name, "latestReadyRevisionName": name, "traffic": traffic}
    w.api.call("PATCH", w.path("Service", GROUP, "podinfo/status"), {"status": status}, "application/merge-patch+json")


def latest(w, template):
    """The revision of this template, made if it is new."""
    known = w.api.call("GET", w.path("Revision", GROUP))["items"]
    image = template["containers"][0]["image"]
    if known and known[-1]["spec"]["containers"][0]["image"] == image:
        return known[-1]["metadata"]["name"]
    name = f"podinfo-{len(known) + 1:05}"
    w.api.call("POST", w.path("Revision", GROUP), {"apiVersion": GROUP, "kind": "Revision", "metadata": {"name": name}, "spec": template})
    w.api.call("PATCH", w.path("Revision", GROUP, name + "/status"), {"status": {"observedGeneration": 1, "conditions": [ready()]}}, "application/merge-patch+json")
    return name


def ready():
    return {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
