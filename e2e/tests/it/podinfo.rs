//! Manifests of podinfo, the program under release.

/// A Deployment of one container. `metadata` is its own, `annotations` are its pods' (both inside a YAML flow
/// mapping, the latter may be empty); `container` is all but the name and the port.
pub(crate) fn deployment(metadata: &str, annotations: &str, container: &str) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: podinfo, {metadata}}}
spec:
  selector: {{matchLabels: {{app: podinfo}}}}
  template:
    metadata: {{labels: {{app: podinfo}}, annotations: {{{annotations}}}}}
    spec:
      containers: [{{name: podinfo, ports: [{{name: http, containerPort: 9898}}], {container}}}]
"
    )
}

/// The container on a real node; `arguments` is a YAML list.
pub(crate) fn real(arguments: &str) -> String {
    format!(
        "image: 'docker.io/library/podinfo:1', imagePullPolicy: Never, args: {arguments}, \
         readinessProbe: {{tcpSocket: {{port: 9898}}, periodSeconds: 1}}"
    )
}
