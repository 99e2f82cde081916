{{- /* The operator's flags. */}}
{{- define "sluice.flags" -}}
{{- $flags := list (printf "-log-level=%s" .Values.logLevel) }}
{{- if .Values.prometheus.install }}
{{- $flags = append $flags (printf "-metrics-server=http://%s-prometheus:9090" (include "sluice.fullname" .)) }}
{{- else }}
{{- $flags = append $flags (printf "-metrics-server=%s" .Values.metricsServer) }}
{{- end }}
{{- $flags = append $flags (printf "-enable-config-tracking=%t" .Values.configTracking.enabled) }}
{{- $given := list
  (list "mesh-provider" .Values.meshProvider)
  (list "namespace" .Values.namespace)
  (list "selector-labels" .Values.selectorLabels)
  (list "include-label-prefix" .Values.includeLabelPrefix)
  (list "ingress-annotations-prefix" .Values.ingressAnnotationsPrefix)
  (list "ingress-class" .Values.ingressClass)
  (list "event-webhook" .Values.eventWebhook)
  (list "cluster-name" .Values.clusterName)
  (list "slack-url" .Values.slack.url)
  (list "slack-proxy-url" .Values.slack.proxyUrl)
  (list "slack-user" .Values.slack.user)
  (list "slack-channel" .Values.slack.channel)
  (list "msteams-url" .Values.msteams.url)
  (list "msteams-proxy-url" .Values.msteams.proxyUrl)
  (list "threadiness" .Values.threadiness)
  (list "kubeconfig-qps" .Values.kubeconfigQPS)
  (list "kubeconfig-burst" .Values.kubeconfigBurst)
}}
{{- range $given }}
{{- if last . }}
{{- $flags = append $flags (printf "-%s=%v" (first .) (last .)) }}
{{- end }}
{{- end }}
{{- if .Values.controlplane.kubeconfig.secretName }}
{{- $flags = append $flags (printf "-kubeconfig-service-mesh=/tmp/controlplane/%s" .Values.controlplane.kubeconfig.key) }}
{{- end }}
{{- if .Values.noCrossNamespaceRefs }}
{{- $flags = append $flags "-no-cross-namespace-refs=true" }}
{{- end }}
{{- if .Values.leaderElection.enabled }}
{{- $flags = append $flags "-enable-leader-election=true" }}
{{- $flags = append $flags (printf "-leader-election-namespace=%s" .Release.Namespace) }}
{{- end }}
{{- if .Values.gitops.enabled }}
{{- $flags = append $flags "-storage-path=/data" }}
{{- $flags = append $flags (printf "-storage-adv-addr=%s-artifacts.%s.svc.cluster.local." (include "sluice.fullname" .) .Release.Namespace) }}
{{- end }}
{{- toYaml (concat $flags .Values.extraArgs) }}
{{- end }}
