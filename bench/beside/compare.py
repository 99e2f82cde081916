"""Two records of one scenario, told apart."""
import difflib, json, re
from record import GONE

COLUMNS = ["objects", "status", "events", "queries", "webhooks", "alerts", "metrics"]


def text(value):
    return json.dumps(value, indent=1, sort_keys=True)


def told_apart(left, right):
    """By column: the lines of a diff, none where both are the same. Each side is a dict of columns, each of a dict of lists."""
    out = {}
    for column in COLUMNS:
        lines = []
        for key in sorted(set(left[column]) | set(right[column])):
            one, other = (known(column, side[column].get(key, [])) for side in (left, right))
            if one != other:
                lines += [f"## {key}"] + list(difflib.unified_diff(lined(column, one), lined(column, other), "flagger", "sluice", n=4, lineterm=""))
        out[column] = lines
    return out


def lined(column, entries):
    """A line an entry; an object's states have many each, so that the field that differs is seen."""
    if column != "objects":
        return [entry if isinstance(entry, str) else json.dumps(entry, sort_keys=True) for entry in entries]
    return [line for number, entry in enumerate(entries) for line in [f"# state {number}", *text(entry).splitlines()]]


def record(namespace, recorder, listener, metrics):
    """Everything that one operator wrote, asked and told in a namespace, without what differs in any two runs."""
    with recorder.lock:
        objects = {f"{kind}/{name}": list(states) for (ns, kind, name), states in recorder.states.items() if ns == namespace}
        statuses, events = list(recorder.statuses[namespace]), list(recorder.events[namespace])
    hashes = Tokens("hash")
    columns = {
        "objects": objects,
        "status": {"canary": statuses},
        "events": {"events": unique(events), "event webhook": without_time(listener.events[namespace])},
        "queries": {"queries": unique(listener.queries[namespace])},
        "webhooks": {"webhooks": list(listener.webhooks[namespace])},
        "alerts": {"alerts": by_place(listener.alerts[namespace])},
        "metrics": {"series": metrics},
    }
    # Of a status without configs and hash; whether anything is told of it is chance.
    hashes.known["758df7c9fc"] = "none"
    return {c: {k: steady(v, listener.url, hashes) for k, v in groups.items()} for c, groups in columns.items()}


class Tokens:
    """Values that are drawn or computed from what only one operator knows, named by the order of their first appearance."""

    def __init__(self, word):
        self.word, self.known = word, {}

    def of(self, value):
        return self.known.setdefault(value, f"{self.word}-{len(self.known) + 1}") if value else value


def steady(value, url, hashes):
    if isinstance(value, dict):
        return {k: hashes.of(v) if k in ("lastAppliedSpec", "lastPromotedSpec", "checksum") else steady(v, url, hashes) for k, v in value.items()}
    if isinstance(value, list):
        return [steady(v, url, hashes) for v in value]
    if isinstance(value, str):
        value = value.replace(url, "URL")
        # A session cookie's value is ten letters, drawn; when ours are renewed and how they are cleared is in docs/differences.md.
        value = re.sub(r"\b(who|rest)(=|\.\*)(cookie-\d+|[A-Za-z]{10})\b", r"\1\2drawn", value)
        return re.sub(r"(; Max-Age=-1)[^\"]*", r"\1", value)
    return value


def unique(entries):
    seen, out = set(), []
    for entry in entries:
        if (key := text(entry)) not in seen:
            seen.add(key)
            out.append(entry)
    return out


def without_time(events):
    out = []
    for event in json.loads(json.dumps(events)):
        event.get("metadata", {}).pop("timestamp", None)
        if not out or out[-1] != event:
            out.append(event)
    return out


def by_place(alerts):
    """Alerts of one receiver in order; in what order two receivers hear is nobody's promise."""
    alerts = json.loads(json.dumps(alerts))
    for alert in alerts:
        for attachment in alert["body"].get("attachments", []) if isinstance(alert["body"], dict) else []:
            attachment.pop("ts", None)
    return sorted(alerts, key=lambda a: a["path"])


def known(column, entries):
    """Without noise, and without what docs/differences.md says is Sluice's own or left out on purpose. Repetitions count once."""
    if GONE in entries:
        # When the garbage collector comes by, and what a tick still writes meanwhile, is chance.
        entries = entries[:entries.index(GONE)]
    entries = [KNOWN[column](json.loads(json.dumps(e))) for e in entries]
    entries = [e for e in entries if e is not None]
    if column == "queries" or column == "events" and entries and "metadata" not in entries[0]:
        # Checks of one tick are asked beside each other; Events of one kind differ by their message alone.
        return sorted(unique(entries), key=text)
    entries = without_repeats(entries, 6 if column in ("webhooks", "events") else 1)
    return [e for n, e in enumerate(entries) if not (0 < n < len(entries) - 1 and is_passed(*entries[n - 1:n + 2]))]


def without_repeats(entries, longest):
    """Without rounds that say the same again: how often something is asked while it is waited for depends on the clock."""
    out = []
    for entry in entries:
        out.append(entry)
        for length in range(1, longest + 1):
            if out[-length:] == out[-2 * length:-length]:
                del out[-length:]
                break
    return out


def is_passed(before, entry, after):
    """What a rollback tells once more or less on its way: Flagger waits for one more tick, Sluice takes users away first."""
    if "conditions" in entry and after.get("phase") == "Failed":
        return before.get("phase") == entry.get("phase") == "Progressing" and entry.get("canaryWeight") == 0
    if "body" in entry and entry["path"].endswith("/hook/rollback"):
        return after["body"].get("phase") == "Failed" and after["path"].endswith("/post-rollout")
    return False


def known_object(state):
    # What the primary runs is noted on it, and what was asked for on routing objects.
    annotations = state.get("metadata", {}).get("annotations", {})
    if annotations.pop("sluice.dev/revision", None) or annotations.pop("sluice.dev/applied", None):
        if not annotations:
            state["metadata"].pop("annotations")
    if state["kind"] == "Canary":
        # Flagger writes the whole Canary back for its finalizer, with fields that the user left out.
        for hook in state["spec"]["analysis"].get("webhooks", []):
            hook.pop("muteAlert", None)
        if not state["spec"].get("service", {}).get("portDiscovery", True):
            state["spec"]["service"].pop("portDiscovery")
    if state["kind"] == "Secret" and "address" in state["data"]:
        # The driver's own, with a port in it.
        state["data"].pop("address")
    if state["apiVersion"].startswith("serving.knative.dev"):
        # Flagger writes what it knows of the user's object back, with fields that the user left out.
        if not state["spec"]["template"].get("metadata", True):
            state["spec"]["template"].pop("metadata")
        for container in state["spec"]["template"]["spec"]["containers"]:
            if not container.get("resources", True):
                container.pop("resources")
    if state["kind"] == "Service" and "ports" in state["spec"]:
        # Flagger writes discovered ports in an order of chance.
        state["spec"]["ports"].sort(key=lambda port: port["port"])
    if state["kind"] == "DaemonSet" and state["metadata"]["name"].endswith("-primary"):
        # A primary's affinity is about its own pods.
        for rule in ("affinity", "topologySpreadConstraints"):
            state["spec"]["template"]["spec"].pop(rule)
    if state["kind"] == "HTTPProxy":
        # Contour takes a missing weight for 0.
        for service in (s for route in state["spec"]["routes"] for s in route.get("services", [])):
            service.setdefault("weight", 0)
    if state["kind"] == "ApisixRoute":
        # Flagger writes the default of what the user left out.
        for rule in state["spec"]["http"]:
            rule.setdefault("websocket", False)
    return state


def known_status(status):
    # Fields that the definition has beside Flagger's.
    for ours in ("analysis", "observedGeneration", "inventory"):
        status.pop(ours, None)
    if "conditions" not in status:
        return None
    phase = status.get("phase")
    if phase == "Failed":
        # While Failed, Flagger's status follows a target that changes.
        status.pop("trackedConfigs", None)
        status.pop("lastAppliedSpec", None)
    if phase == "Succeeded":
        status.pop("failedChecks", None)
    # Ours says what the routes say, in iterations and while waiting too.
    if phase in ("WaitingPromotion", "Promoting") or status.get("iterations"):
        status.pop("canaryWeight", None)
    if phase in ("WaitingPromotion", "Promoting"):
        status.pop("iterations", None)
    # Ours belong to one weight, and go with it.
    status.pop("primarySessionAffinityCookie", None)
    return status


# Said again at each tick, or about a moment that only one of the two saw: an object that is not there yet, or no longer.
PASSING = re.compile(r"not signaling a rollback$|not ready: waiting for rollout to finish|^all the metrics providers are available!$|^skipping canary run as object is suspended$"
                     r"|not found(\"|$| in namespace)| does not exist$|has no revision yet|was changed by|^Confirm-traffic-increase check|using the kubernetes provider$|^Setting canaryAnalysis.iterations|^Starting canary analysis|^Pre-rollout check")


def known_event(event):
    told = event.get("metadata")
    if told is None:
        # Flagger's library merges similar Events; what was said is compared by the event webhook.
        event.pop("message")
        return event
    # Flagger's phase and checksum are those of a copy of the Canary that may be older or newer by one write.
    event.pop("phase")
    event.pop("checksum")
    told["eventMessage"] = re.sub(r"(check \S+ failed|hook \S+ failed) .*", r"\1", told["eventMessage"])
    told["eventMessage"] = re.sub(r"(no values found) for .*", r"\1", told["eventMessage"])
    return None if PASSING.search(told["eventMessage"]) else event


def known_query(asked):
    # Spaces, the order of labels, a comma after the last, and the side of a factor mean nothing.
    query = re.sub(r"\s+", "", asked["query"])
    query = re.sub(r"\{([^{}]*)\}", lambda m: "{" + ",".join(sorted(re.findall(r'\w+(?:!~|=~|!=|=)"[^"]*"', m.group(1)))) + "}", query)
    query = re.sub(r"^1000\*(.*)$", r"\1*1000", query)
    # No query of ours looks back to before the canary had traffic.
    asked["query"] = re.sub(r'\[\d+[sm]\]|interval="\d+[sm]"', "[window]", query)
    return asked


def known_webhook(call):
    # A second call of the same moment can be told from a new one.
    call["headers"].pop("idempotency-key", None)
    if isinstance(call["body"], dict) and call["body"].get("phase") == "Failed" and call["path"].endswith("confirm-rollout"):
        call["body"].pop("checksum")
    return call


def known_alert(alert):
    # A failed release tells why, and of one that a hook ended the severity is error.
    body = alert["body"]
    for attachment in body.get("attachments") or []:
        attachment["fields"] = [f for f in attachment.get("fields") or [] if f.get("title") not in ("Reason", "Measured")]
        if attachment.get("text") == "Rolling back manual webhook invoked":
            attachment.pop("color")
    for section in body.get("sections") or []:
        section["facts"] = [f for f in section.get("facts") or [] if f["name"] not in ("Reason", "Measured")]
    for card in body.get("cards") or []:
        card["sections"] = [s for s in card["sections"] if not re.match(r"Reason<br>|Measured<br>", s["widgets"][0]["textParagraph"]["text"])]
    return alert


def known_series(line):
    name, labels, value = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()
    labels = ",".join(sorted(labels.split(",")))
    # How many ticks asked something depends on when pods were seen to be ready.
    return f"{name}{{{labels}}}" + ("" if name.endswith("duration_seconds_count") else f" {float(value)}")


KNOWN = {"objects": known_object, "status": known_status, "events": known_event, "queries": known_query, "webhooks": known_webhook, "alerts": known_alert, "metrics": known_series}


# Differences that are listed in docs/differences.md and that no rule above takes out: scenario, column, words of the row.
LISTED = [
    (r"^skipper", "objects", "the copy begins with"),
    (r"^istio.* A/B", "objects", "the route of all others has weight 0"),
    (r"^nginx A/B", "objects", "stays beside the chosen header"),
    (r"^contour.* A/B", "objects", "the prefix is repeated with each header"),
    (r"^istio taken over", "objects", "labels and annotations that others put on a routing object"),
    (r"^knative", "objects", "the annotation and the first split are one write"),
    (r"core service", "objects", "the primary copy of a core Service loses"),
    (r"stepWeights", "alerts", "alerts of `stepWeights` without `maxWeight`"),
    (r"deadline", "events", "a rollback at the progress deadline has no event"),
    (r"deadline", "alerts", "a rollback at the progress deadline sends no alert"),
    (r"deadline|skip and", "metrics", "`flagger_canary_duration_seconds` counts"),
    (r"skip and", "status", "`skipAnalysis` scales the canary down without waiting"),
    (r"skip and", "events", "`skipAnalysis` scales the canary down without waiting"),
    (r"outage", "status", "a query that fails, is empty"),
    (r" gates$", "webhooks", "rollback hooks are not asked while"),
]


def is_listed(scenario, column):
    return any(column == of and re.search(pattern, scenario) for pattern, of, _ in LISTED)
