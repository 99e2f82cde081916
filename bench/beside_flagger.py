"""Flagger and Sluice through the same scenarios, each on a control plane of its own; tells where they differ.

usage: beside_flagger.py --flagger PROGRAM --flagger-crds FILE [--sluice PROGRAM] [--out FOLDER] [--only PATTERN] [--at-once N] [--again]
Prints a table, a row a scenario: "same", "listed" in docs/differences.md, or the lines of the difference; FOLDER/<scenario>.diff has the differences in full.
"""
import argparse, concurrent.futures, glob, json, os, re, shutil, sys, threading, time, urllib.request
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/beside"]
from compare import COLUMNS, is_listed, record, told_apart
from listen import Listener
from plane import Plane
from record import Recorder
from scenarios import all_scenarios
from stage import define
from world import World

FLAGS = ["-mesh-provider=kubernetes", "-include-label-prefix=app.kubernetes.io", "-cluster-name=side", "-slack-user=bot", "-slack-channel=shop", "-control-loop-interval=2s"]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--flagger")
    ap.add_argument("--flagger-crds")
    ap.add_argument("--sluice", default=HERE + "/../target/debug/sluice")
    ap.add_argument("--out", default="/tmp/beside")
    ap.add_argument("--only", default="")
    ap.add_argument("--at-once", type=int, default=24)
    ap.add_argument("--again", action="store_true", help="compare what was recorded in --out")
    a = ap.parse_args()
    plays = {name: play for name, play in all_scenarios().items() if re.search(a.only, name)}
    if a.again:
        return tell(a.out, plays)
    operators = {
        "flagger": ([a.flagger], [a.flagger_crds], 18443),
        "sluice": ([a.sluice, "operator"], sorted(glob.glob(HERE + "/../deploy/crds/flagger.app_*.yaml")), 19443),
    }
    shutil.rmtree(a.out, ignore_errors=True)
    os.makedirs(a.out)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        left, right = pool.map(lambda one: perform(*one, plays, a), operators.items())
    for name in plays:
        json.dump({"flagger": left[name], "sluice": right[name]}, open(f"{a.out}/{slug(name)}.json", "w"), indent=1)
    tell(a.out, plays)


def tell(out, plays):
    """Compares what was recorded; writes the differences, and prints the table."""
    rows = ["| scenario | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name in plays:
        both = json.load(open(f"{out}/{slug(name)}.json"))
        apart = told_apart(both["flagger"], both["sluice"])
        faults = [f"{who}: {both[who]['fault']}" for who in both if both[who]["fault"]]
        lines = [line for c in COLUMNS if apart[c] for line in [f"\n===== {c}", *apart[c]]]
        open(f"{out}/{slug(name)}.diff", "w").write("\n".join([f"# {name}", *faults, *lines]) + "\n")
        rows.append(f"| {name}{' ⚠' if faults else ''} | " + " | ".join(cell(name, c, apart[c]) for c in COLUMNS) + " |")
    print("\n".join(rows))


def cell(name, column, lines):
    if not lines:
        return "same"
    return "listed" if is_listed(name, column) else str(sum(line.startswith(("+", "-")) for line in lines))


def slug(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def perform(operator, how, plays, a):
    """All scenarios under one operator; by name: its record."""
    program, definitions, port = how
    plane = Plane(f"{a.out}/{operator}", port, port - 100)
    plane.start()
    try:
        define(plane, definitions)
        plane.admin.call("POST", "/api/v1/nodes", {"metadata": {"name": "one"}})
        listener, recorder = Listener(), Recorder(plane)
        recorder.wait()
        own = port + 100
        process = plane.run("operator", program + FLAGS + [f"-kubeconfig={plane.base}/operator.kubeconfig", f"-metrics-server={listener.url}", f"-port={own}",
                                                           f"-event-webhook={listener.url}/events", f"-slack-url={listener.url}/chat/slack"])
        with concurrent.futures.ThreadPoolExecutor(a.at_once) as pool:
            played = dict(zip(plays, pool.map(lambda name: act(name, plays[name], plane, listener, recorder, lambda ns: scrape(own, ns)), plays)))
        time.sleep(1)
        if process.poll() is not None:
            print(f"{operator} has ended with {process.returncode}", file=sys.stderr)
        return {name: record(namespace(name), recorder, listener, series) | {"fault": fault} for name, (series, fault) in played.items()}
    finally:
        plane.stop()


def namespace(name):
    return "side-" + slug(name)


def act(name, play, plane, listener, recorder, scrape):
    """Plays one scenario; the series at its end, and what went wrong, or nothing."""
    function, provider, analysis = play
    world, fault = World(namespace(name), plane, listener, recorder, scrape), ""
    try:
        function(world, provider, analysis)
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
        print(f"{plane.base}: {name}: {fault}", file=sys.stderr)
    time.sleep(2)
    return (scrape(world.namespace) if world.series is None else world.series), fault


def scrape(port, namespace):
    """Flagger's series of a namespace and their values. Of a histogram the count alone: how long a tick took is chance."""
    try:
        lines = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode().splitlines()
    except OSError:
        return []
    return sorted(l for l in lines if l.startswith("flagger_") and f'namespace="{namespace}"' in l and not re.search(r"_(bucket|sum)\{", l))


if __name__ == "__main__":
    main()
