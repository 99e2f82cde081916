//! Which rule takes a request, and what routes are told.

#![allow(clippy::too_many_lines, reason = "tables of objects are long")]

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::*;
use crate::host::host_of;
use crate::matching::Ask;
use crate::table::Target;

/// A world with our class and the given objects; namespace `test` where none is given.
fn world(objects: &[Value]) -> World {
    let class = json!({"kind": "GatewayClass", "metadata": {"name": "sluice"}, "spec": {"controllerName": "sluice.dev/gateway"}});
    let mut world = World::default();
    for object in std::iter::once(&class).chain(objects) {
        let mut object = object.clone();
        let is_bare = ["GatewayClass", "Namespace"]
            .iter()
            .any(|kind| object["kind"] == *kind);
        if !is_bare && object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = json!("test");
        }
        world.apply(object).unwrap();
    }
    world
}

fn gateway(listeners: &Value) -> Value {
    json!({"kind": "Gateway", "metadata": {"name": "gw"}, "spec": {"gatewayClassName": "sluice", "listeners": listeners}})
}

fn plain_gateway() -> Value {
    gateway(&json!([{"name": "http", "port": 80, "protocol": "HTTP"}]))
}

fn route(name: &str, spec: Value) -> Value {
    let mut spec = spec;
    if spec["parentRefs"].is_null() {
        spec["parentRefs"] = json!([{"name": "gw"}]);
    }
    json!({"kind": "HTTPRoute", "metadata": {"name": name}, "spec": spec})
}

/// `METHOD url [header: value]` against `route/rule`, or "-".
fn check(compiled: &Compiled, request: &str, taken: &str) {
    let mut words = request.split(' ');
    let method: Method = words.next().unwrap().parse().unwrap();
    let url: http::Uri = words.next().unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for word in words {
        let (name, value) = word.split_once('=').unwrap();
        headers.append(
            name.parse::<http::HeaderName>().unwrap(),
            value.parse().unwrap(),
        );
    }
    let host = host_of(url.authority().unwrap().as_str());
    let (path, query) = (url.path(), url.query().unwrap_or_default());
    let found = compiled.table.find(&Ask {
        host: &host,
        path,
        query,
        method: &method,
        headers: &headers,
    });
    let got = found.map_or("-".to_owned(), |found| {
        format!("{}/{}", found.rule.route, found.rule.index)
    });
    assert_eq!(got, taken, "{request}");
}

/// Conditions of a route, one parent a line.
fn told(compiled: &Compiled, name: &str) -> String {
    told_of(compiled, RouteKind::Http, name)
}

fn told_of(compiled: &Compiled, kind: RouteKind, name: &str) -> String {
    let key = (kind, ("test".to_owned(), name.to_owned()));
    let one =
        |finding: &Finding| format!("{} {} {}", finding.is_true, finding.reason, finding.message);
    let parents = compiled
        .routes
        .get(&key)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let lines: Vec<String> = parents
        .iter()
        .map(|parent| format!("{}; {}", one(&parent.accepted), one(&parent.resolved)))
        .collect();
    lines.join("\n")
}

#[test]
fn precedence_across_rules_and_routes() {
    let path = |kind: &str, value: &str| json!({"path": {"type": kind, "value": value}});
    let mut old = route(
        "old",
        json!({"rules": [
            {"matches": [path("PathPrefix", "/")]},
            {"matches": [path("PathPrefix", "/v2")]},
            {"matches": [path("Exact", "/v2/exact")]},
            {"matches": [path("RegularExpression", "/v2/[0-9]+")]},
        ]}),
    );
    old["metadata"]["creationTimestamp"] = json!("2024-01-01T00:00:00Z");
    let mut new = route(
        "new",
        json!({"rules": [
            {"matches": [path("PathPrefix", "/v2")]},
            {"matches": [{"path": {"type": "PathPrefix", "value": "/v2"}, "headers": [{"name": "version", "value": "two"}]}]},
            {"matches": [{"path": {"type": "PathPrefix", "value": "/v2"}, "method": "DELETE"}]},
            {"matches": [{"path": {"type": "PathPrefix", "value": "/v2"}, "queryParams": [{"name": "a", "value": "b"}]}]},
        ]}),
    );
    new["metadata"]["creationTimestamp"] = json!("2025-01-01T00:00:00Z");
    let compiled = compile(&world(&[plain_gateway(), new, old]), &Selection::default());
    for (request, taken) in [
        ("GET http://a/", "old/0"),
        ("GET http://a/v2x", "old/0"),
        ("GET http://a/v2/x", "old/1"),
        ("GET http://a/v2/exact version=two", "old/2"),
        ("GET http://a/v2/77", "old/3"),
        ("GET http://a/v2/x version=two", "new/1"),
        ("GET http://a/v2/x?a=b version=two", "new/1"),
        ("GET http://a/v2/x?a=b", "new/3"),
        ("DELETE http://a/v2/x version=two", "new/2"),
    ] {
        check(&compiled, request, taken);
    }
}

#[test]
fn hostnames_of_listeners_and_routes() {
    let listeners = json!([
        {"name": "any", "port": 80, "protocol": "HTTP"},
        {"name": "wild", "port": 80, "protocol": "HTTP", "hostname": "*.example.com"},
        {"name": "tls", "port": 443, "protocol": "HTTPS"},
    ]);
    let at = |section: &str, hostnames: Value| json!({"parentRefs": [{"name": "gw", "sectionName": section}], "hostnames": hostnames, "rules": [{}]});
    let compiled = compile(
        &world(&[
            gateway(&listeners),
            route("everything", at("any", json!([]))),
            route("wild", at("wild", json!([]))),
            route("exact", at("wild", json!(["a.example.com", "other.org"]))),
            route("stranger", at("wild", json!(["other.org"]))),
            route("secure", at("tls", json!([]))),
            route("lost", at("none", json!([]))),
        ]),
        &Selection::default(),
    );
    for (request, taken) in [
        ("GET http://other.org:8080/", "everything/0"),
        ("GET http://b.example.com/", "wild/0"),
        ("GET http://A.example.com/", "exact/0"),
        ("GET http://example.com/", "everything/0"),
    ] {
        check(&compiled, request, taken);
    }
    let resolved = "true ResolvedRefs ";
    for (name, accepted) in [
        ("exact", "true Accepted "),
        (
            "stranger",
            "false NoMatchingListenerHostname no hostname of the route is one of the listener's",
        ),
        (
            "secure",
            "false NotAllowedByListeners no listener takes HTTPRoutes of namespace \"test\"",
        ),
        (
            "lost",
            "false NoMatchingParent gateway \"gw\" has no such listener",
        ),
    ] {
        assert_eq!(
            told(&compiled, name),
            format!("{accepted}; {resolved}"),
            "{name}"
        );
    }
    let attached: Vec<String> = compiled
        .gateways
        .values()
        .flatten()
        .map(|one| format!("{} {} {}", one.name, one.attached, one.accepted.reason))
        .collect();
    assert_eq!(
        attached,
        [
            "any 1 Accepted",
            "wild 2 Accepted",
            "tls 0 UnsupportedProtocol"
        ]
    );
}

#[test]
fn references_and_grants() {
    let service = |namespace: &str| {
        json!({"kind": "Service", "metadata": {"name": "web", "namespace": namespace},
        "spec": {"ports": [{"port": 80, "name": "http"}, {"port": 53, "protocol": "UDP"}]}})
    };
    let slice = |name: &str, endpoints: Value| {
        json!({"kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"name": "admin", "port": 1}, {"name": "http", "port": 8080}], "endpoints": endpoints})
    };
    let to = |backend: Value| json!({"rules": [{"backendRefs": [backend]}]});
    let grant = json!({"kind": "ReferenceGrant", "metadata": {"name": "g", "namespace": "open"},
        "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "test"}],
            "to": [{"group": "", "kind": "Service"}]}});
    let compiled = compile(
        &world(&[
            plain_gateway(),
            service("test"),
            service("open"),
            service("shut"),
            grant,
            slice(
                "a",
                json!([
                    {"addresses": ["10.0.0.2"]}, {"addresses": ["10.0.0.1"], "conditions": {"ready": true}},
                    {"addresses": ["10.0.0.3"], "conditions": {"ready": false, "serving": true, "terminating": true}},
                ]),
            ),
            slice(
                "b",
                json!([{"addresses": ["10.0.0.1"]}, {"addresses": ["junk"]}]),
            ),
            slice("c", Value::Null),
            route("here", to(json!({"name": "web", "port": 80}))),
            route(
                "granted",
                to(json!({"name": "web", "namespace": "open", "port": 80})),
            ),
            route(
                "refused",
                to(json!({"name": "web", "namespace": "shut", "port": 80})),
            ),
            route("absent", to(json!({"name": "none", "port": 80}))),
            route("port", to(json!({"name": "web", "port": 53}))),
            route(
                "kind",
                to(json!({"name": "web", "kind": "Bucket", "group": "x", "port": 80})),
            ),
        ]),
        &Selection::default(),
    );
    for (name, resolved) in [
        ("here", "true ResolvedRefs "),
        ("granted", "true ResolvedRefs "),
        (
            "refused",
            "false RefNotPermitted no ReferenceGrant in namespace \"shut\" lets this route use Service \"web\"",
        ),
        (
            "absent",
            "false BackendNotFound Service \"test/none\" does not exist",
        ),
        (
            "port",
            "false BackendNotFound Service \"test/web\" has no TCP port 53",
        ),
        (
            "kind",
            "false InvalidKind backend \"web\" is a \"Bucket\": only Services are served",
        ),
    ] {
        assert_eq!(
            told(&compiled, name),
            format!("true Accepted ; {resolved}"),
            "{name}"
        );
    }
    let here = compiled
        .table
        .rules
        .iter()
        .find(|rule| rule.route == "here")
        .unwrap();
    let Target::Endpoints { addresses, .. } = &here.backends[0].target else {
        panic!("{here:?}")
    };
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.0.0.1:8080", "10.0.0.2:8080"]);
}

#[test]
fn values_that_cannot_be_obeyed_refuse_the_route() {
    for (rule, fault) in [
        (
            json!({"matches": [{"path": {"type": "RegularExpression", "value": "("}}]}),
            "matches[0].path: \"(\" is not a regular expression this gateway knows (RE2 syntax)",
        ),
        (
            json!({"matches": [{"headers": [{"name": "a b", "value": "c"}]}]}),
            "matches[0].headers: \"a b\" is not a header name",
        ),
        (
            json!({"matches": [{}, {"method": "A B"}]}),
            "matches[1].method: \"A B\" is not a method",
        ),
        (
            json!({"filters": [{"type": "Odd"}]}),
            "filters[0]: type \"Odd\" is not known",
        ),
        (
            json!({"filters": [{"type": "RequestRedirect", "requestRedirect": {"statusCode": 200}}]}),
            "filters[0]: statusCode must be a redirect, such as 302",
        ),
        (
            json!({"timeouts": {"request": "soon"}}),
            "timeouts.request: \"soon\" is not a duration such as \"1m30s\"",
        ),
        (
            json!({"sessionPersistence": {"type": "Header"}}),
            "sessionPersistence.type: only \"Cookie\" is served",
        ),
    ] {
        let objects = [plain_gateway(), route("bad", json!({"rules": [{}, rule]}))];
        let compiled = compile(&world(&objects), &Selection::default());
        let accepted = format!("false UnsupportedValue spec.rules[1].{fault}; true ResolvedRefs ");
        assert_eq!(told(&compiled, "bad"), accepted);
        assert!(compiled.table.rules.is_empty());
    }
}

#[test]
fn namespaces_and_selection() {
    let allowed = |from: Value| {
        gateway(
            &json!([{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": from}}]),
        )
    };
    let mut foreign = route(
        "r",
        json!({"parentRefs": [{"name": "gw", "namespace": "test"}], "rules": [{}]}),
    );
    foreign["metadata"]["namespace"] = json!("apps");
    let namespace =
        json!({"kind": "Namespace", "metadata": {"name": "apps", "labels": {"team": "a"}}});
    for (from, selection, taken) in [
        (json!({"from": "All"}), None, "r/0"),
        (json!({"from": "Same"}), None, "-"),
        (json!({}), None, "-"),
        (
            json!({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}),
            None,
            "r/0",
        ),
        (
            json!({"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}),
            None,
            "-",
        ),
        (json!({"from": "All"}), Some("gw"), "r/0"),
        (json!({"from": "All"}), Some("other"), "-"),
    ] {
        let gateway = selection.map(|name| ("test".to_owned(), name.to_owned()));
        let selection = Selection {
            gateway,
            ..Selection::default()
        };
        let world = world(&[allowed(from), foreign.clone(), namespace.clone()]);
        check(&compile(&world, &selection), "GET http://a/", taken);
    }
    let theirs = Selection {
        controller: "x/y".to_owned(),
        gateway: None,
    };
    let compiled = compile(
        &world(&[plain_gateway(), route("r", json!({"rules": [{}]}))]),
        &theirs,
    );
    assert!(compiled.routes.is_empty() && compiled.gateways.is_empty());
}

#[test]
fn grpc_routes_beside_http_routes() {
    let listeners = json!([{"name": "grpc", "port": 80, "protocol": "HTTP",
        "allowedRoutes": {"kinds": [{"kind": "GRPCRoute"}]}}]);
    let grpc = |name: &str, spec: Value| {
        let mut route = route(name, spec);
        route["kind"] = json!("GRPCRoute");
        route
    };
    let rules = json!([
        {"matches": [{"method": {"service": "echo.Echo", "method": "Say"}}]},
        {"matches": [{"method": {"service": "echo.Echo"}, "headers": [{"name": "x-tester", "value": "1"}]}]},
        {"matches": [{"method": {"service": "echo.Echo"}}]},
    ]);
    let compiled = compile(
        &world(&[
            gateway(&listeners),
            grpc("one", json!({"rules": rules})),
            route("one", json!({"rules": [{}]})),
            grpc("all", json!({"hostnames": ["all.example"], "rules": [{}]})),
        ]),
        &Selection::default(),
    );
    for (request, taken) in [
        ("POST http://a/echo.Echo/Say x-tester=1", "one/0"),
        ("POST http://a/echo.Echo/Other x-tester=1", "one/1"),
        ("POST http://a/echo.Echo/Other", "one/2"),
        ("POST http://a/echo.EchoTwo/Other", "-"),
        ("GET http://a/echo.Echo/Say", "-"),
        ("POST http://all.example/any.Thing/Do", "all/0"),
    ] {
        check(&compiled, request, taken);
    }
    let verdicts = [
        told_of(&compiled, RouteKind::Grpc, "one"),
        told_of(&compiled, RouteKind::Http, "one"),
    ];
    assert_eq!(
        verdicts,
        [
            "true Accepted ; true ResolvedRefs ",
            "false NotAllowedByListeners no listener takes HTTPRoutes of namespace \"test\"; true ResolvedRefs ",
        ]
    );
    let of_gateway = compiled.gateways.values().next().unwrap();
    assert_eq!(of_gateway[0].kinds, [RouteKind::Grpc]);
}
