"""How soon a new revision in the middle of a release takes users off the canary, on a real API server.

usage: new_revision.py --name sluice --crds FILE --gateway-crds FILE --times 10 -- OPERATOR ARGV...
Each time the canary has had 20 % of the traffic for a moment, the target gets another image; told is how long after the
answer to that write the route gives the canary 0 %. Prints one JSON line, times in milliseconds.
"""
import argparse, json, queue, random, statistics, threading, time
from canary_scale import CANARIES, ROUTES, release, stage
from plane import Plane


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--name", required=True)
    ap.add_argument("--crds", required=True)
    ap.add_argument("--gateway-crds", required=True)
    ap.add_argument("--interval", default="10s")
    ap.add_argument("--times", type=int, default=10)
    ap.add_argument("cmd", nargs="+")
    a = ap.parse_args()
    a.n, a.step = 1, 10
    pl = Plane()
    pl.start()
    try:
        print(json.dumps({"name": a.name, "interval": a.interval, **told(measure(a, pl))}))
    finally:
        pl.stop()


def measure(a, pl):
    argv, api = stage(a, pl), pl.admin
    pl.run("op-" + a.name, argv)
    weights, phases = follow(api, ROUTES, weight), follow(api, CANARIES, lambda c: c.get("status", {}).get("phase"))
    until(phases, lambda phase: phase == "Initialized")
    took = []
    release(api, 0, 2)
    for i in range(a.times):
        until(weights, lambda w: w >= 20)
        time.sleep(random.uniform(1, 5))
        release(api, 0, i + 3)
        at = time.time()
        took.append(until(weights, lambda w: w == 0) - at)
    return took


def weight(route):
    return next(b.get("weight", 1) for b in route["spec"]["rules"][0]["backendRefs"] if b["name"].endswith("-canary"))


def follow(api, path, read):
    """What a watch tells, with the time it did."""
    told = queue.SimpleQueue()
    threading.Thread(target=lambda: [told.put((time.time(), read(o))) for _, o in api.watch(path)], daemon=True).start()
    return told


def until(told, is_it):
    while True:
        at, value = told.get(timeout=180)
        if value is not None and is_it(value):
            return at


def told(took):
    ms = sorted(round(1000 * t, 1) for t in took)
    return {"times": len(ms), "median_ms": statistics.median(ms), "max_ms": ms[-1], "all_ms": ms}


if __name__ == "__main__":
    main()
