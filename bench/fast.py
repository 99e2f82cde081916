"""The API server of this repository in a process of its own, for measurements that kube-apiserver would limit.

`apiserver/examples/serve.rs` over TLS and HTTP/2, in memory, without audit log; `fake_status` stands for the Deployment
controller and the kubelet: what a Deployment wants, it has at once.
"""
import json, os, queue, shutil, subprocess, threading, time
from plane import Api, Processes


class FastPlane(Processes):
    def __init__(self, serve, base="/tmp/bench-fast"):
        super().__init__(base)
        self.serve = serve

    def start(self):
        shutil.rmtree(self.base, ignore_errors=True)
        os.makedirs(self.base)
        cert, key, config = self.base + "/tls.crt", self.base + "/tls.key", self.base + "/operator.kubeconfig"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, stderr=subprocess.DEVNULL)
        self.servers = [self.run("serve", [self.serve, config, cert, key])]
        while not os.path.exists(config):
            time.sleep(0.05)
        time.sleep(0.5)
        text = open(config).read()
        # Without credentials kubectl would ask for some.
        open(self.base + "/admin.kubeconfig", "w").write(text.replace("user: {}", "user: {token: none}"))
        self.admin = Api(int(text.split("https://127.0.0.1:")[1].split()[0]), "none")

    def ready(self):
        """To be called when Deployments can be listed."""
        self.work = queue.SimpleQueue()
        for _ in range(3):
            threading.Thread(target=self.fake_status, daemon=True).start()
        threading.Thread(target=lambda: [self.work.put(o) for _, o in self.admin.watch("/apis/apps/v1/deployments")], daemon=True).start()

    def fake_status(self):
        while True:
            o = self.work.get()
            m, wanted = o["metadata"], o["spec"].get("replicas", 1)
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            status = {"observedGeneration": m["generation"], "replicas": wanted, "updatedReplicas": wanted, "readyReplicas": wanted, "availableReplicas": wanted,
                      "conditions": [{"type": t, "status": "True", "reason": r, "lastUpdateTime": now, "lastTransitionTime": now} for t, r in (("Available", "MinimumReplicasAvailable"), ("Progressing", "NewReplicaSetAvailable"))]}
            old = o.get("status") or {}
            if old.get("observedGeneration") == m["generation"] and old.get("replicas", 0) == wanted:
                continue
            try:
                self.admin.call("PATCH", f"/apis/apps/v1/namespaces/{m['namespace']}/deployments/{m['name']}/status", {"status": status}, "application/merge-patch+json", ok404=True)
            except (OSError, RuntimeError):
                pass

    def audit(self):
        return {}
