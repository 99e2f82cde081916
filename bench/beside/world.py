"""One scenario's namespace under one operator: what the play may do, and what it waits for."""
import time
from stage import CONFIGS

PLURALS = {"ConfigMap": "configmaps", "Secret": "secrets", "Service": "services", "Ingress": "ingresses", "Canary": "canaries"}
WAIT_S = 240
# Longer than an analysis interval, so that whatever an operator repairs at a tick is repaired.
SETTLE_S = 13


class World:
    def __init__(self, namespace, plane, listener, recorder, scrape):
        self.namespace, self.plane, self.api, self.listener, self.recorder = namespace, plane, plane.admin, listener, recorder
        self.scrape, self.series = scrape, None
        self.url = f"{listener.url}/{namespace}"
        self.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        self.create(*CONFIGS)

    def path(self, kind, version, name=""):
        group = "/api/v1" if version == "v1" else "/apis/" + version
        return f"{group}/namespaces/{self.namespace}/{PLURALS.get(kind, kind.lower() + 's')}" + (f"/{name}" if name else "")

    def create(self, *objects):
        for one in objects:
            self.api.call("POST", self.path(one["kind"], one["apiVersion"]), one)

    def patch(self, kind, version, change, name="podinfo"):
        self.api.call("PATCH", self.path(kind, version, name), change, "application/merge-patch+json")

    def edit(self, change):
        """A merge patch of the Canary's spec."""
        self.patch("Canary", "flagger.app/v1beta1", {"spec": change})

    def release(self, version, kind="Deployment"):
        image = {"spec": {"template": {"spec": {"containers": [{"name": "podinfo", "image": f"example.test/podinfo:{version}"}]}}}}
        if kind == "Service":
            # Custom resources are merged without regard to names: the one container is written whole.
            return self.patch(kind, "serving.knative.dev/v1", image)
        self.api.call("PATCH", self.path(kind, "apps/v1", "podinfo"), image, "application/strategic-merge-patch+json")

    def configure(self, color):
        self.patch("ConfigMap", "v1", {"data": {"color": color}}, "settings")

    def measure(self, **values):
        """What Prometheus answers from now on: text is a value, None is no data, a number is an HTTP code."""
        self.listener.values[self.namespace].update(values)

    def gate(self, **codes):
        self.listener.codes[self.namespace].update({k.replace("_", "-"): v for k, v in codes.items()})

    def until(self, phase, **fields):
        """Waits for the Canary to be in that phase, with these fields in its status."""
        self.wait(lambda status: status.get("phase") == phase and all(status.get(k, 0) == v for k, v in fields.items()), f"{phase} {fields or ''}")

    def through(self, start, end):
        """Waits for one phase after another."""
        self.until(start)
        self.until(end)

    def wait(self, is_so, what):
        deadline = time.time() + WAIT_S
        while time.time() < deadline:
            canary = self.recorder.canary(self.namespace)
            if canary and is_so(canary.get("status", {})):
                return
            time.sleep(0.1)
        raise TimeoutError(f"{self.namespace}: not {what}: {canary and canary.get('status')}")

    def wait_for(self, is_so, what):
        deadline = time.time() + WAIT_S
        while not is_so():
            if time.time() > deadline:
                raise TimeoutError(f"{self.namespace}: not {what}")
            time.sleep(0.1)

    def told(self, words, count=1):
        """Waits until events with these words were sent."""
        self.wait_for(lambda: sum(words in str(e) for e in list(self.listener.events[self.namespace])) >= count, f"told {words!r}")

    def called(self, hook, count=1):
        self.wait_for(lambda: sum(w["path"].endswith("/" + hook) for w in list(self.listener.webhooks[self.namespace])) >= count, f"called {hook}")

    def settle(self):
        time.sleep(SETTLE_S)

    def delete_canary(self):
        # The end of a run is counted a moment after the status has it.
        time.sleep(2)
        self.series = self.scrape(self.namespace)
        self.api.call("DELETE", self.path("Canary", "flagger.app/v1beta1", "podinfo"))
        self.wait_for(lambda: not self.recorder.canary(self.namespace), "deleted")
        self.settle()
