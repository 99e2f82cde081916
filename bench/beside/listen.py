"""A server that plays everything an operator talks to beside the API server, and writes down what it was told.

It is Prometheus, every webhook, every chat service and the receiver of events. Paths begin with the namespace of a
scenario; what has no namespace in its path names it in its body.
"""
import collections, http.server, json, re, threading, time, urllib.parse

# Of the client library, the connection or the server's address: no behaviour of an operator.
TRANSPORT = {"host", "user-agent", "content-length", "accept-encoding", "accept", "connection", "traceparent"}


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Request)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.lock = threading.Lock()
        # By namespace: what was asked and told, in order.
        self.queries, self.webhooks, self.alerts, self.events = (collections.defaultdict(list) for _ in range(4))
        # By namespace: the answers that the scenario wants.
        self.values = collections.defaultdict(dict)
        self.codes = collections.defaultdict(dict)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    def answer(self, method, target, headers, body):
        """Code and body of the answer; writes the request down."""
        url = urllib.parse.urlsplit(target)
        parts = url.path.strip("/").split("/")
        kept = {k.lower(): v for k, v in headers.items() if k.lower() not in TRANSPORT}
        with self.lock:
            if "api" in parts and "query" in parts:
                namespace = parts[0] if parts[0] != "api" else ""
                query = urllib.parse.parse_qs(url.query or body).get("query", [""])[0]
                self.queries[namespace].append({"method": method, "path": "/".join(parts[1:]), "query": query, **kept})
                return self.prometheus(namespace, query)
            said = self.told(body)
            entry = {"method": method, "path": url.path, "headers": kept, "body": said}
            if parts[0] == "events":
                self.events[said.get("namespace", "")].append(said)
            elif parts[0] == "chat":
                found = re.search(r"\.(side-[a-z0-9-]+)", body)
                self.alerts[found.group(1) if found else ""].append(entry)
            elif len(parts) > 2 and parts[1] == "chat":
                self.alerts[parts[0]].append(entry)
            else:
                self.webhooks[parts[0]].append(entry)
                code = self.codes[parts[0]].get(parts[-1], 200)
                return code, "" if code < 300 else "not yet"
        return 200, "ok"

    def prometheus(self, namespace, query):
        # Of time there are meshes that count in milliseconds.
        quick = "250" if re.search(r"milliseconds|_ms_|_rq_time|apisix_http_latency|\* 1000$|^1000 \*", query) else "0.25"
        kinds = [("vector(1)", "online", "1"), ("latency{", "own", "1"), ("requests[", "inline", "100"), ("histogram_quantile", "latency", quick), ("seconds_sum", "latency", quick)]
        name, value = next(((name, value) for part, name, value in kinds if part in query), ("success", "100"))
        value = self.values[namespace].get(name, value)
        if isinstance(value, int):
            return value, "out of order"
        result = [] if value is None else [{"metric": {}, "value": [time.time(), value]}]
        return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})

    @staticmethod
    def told(body):
        try:
            return json.loads(body)
        except ValueError:
            return body


class Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        code, text = self.server.answer(self.command, self.path, dict(self.headers.items()), body)
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *a):
        pass
