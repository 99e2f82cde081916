{{- /* Names and labels, as Flagger's chart makes them. */}}
{{- define "sluice.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "sluice.fullname" -}}
{{- $name := include "sluice.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "sluice.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sluice.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "sluice.selector" -}}
app.kubernetes.io/name: {{ include "sluice.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sluice.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "sluice.selector" . }}
{{- end }}

{{- define "sluice.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end }}

{{- /* Probes of a container, given the name of its port. */}}
{{- define "sluice.probes" -}}
livenessProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  timeoutSeconds: 5
{{- end }}

{{- /* A ClusterRole and its binding, given name, rules' file, ServiceAccount and the chart's root. */}}
{{- define "sluice.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .name }}
  labels:
    {{- include "sluice.labels" .root | nindent 4 }}
rules:
{{ .root.Files.Get .file }}
---
{{ include "sluice.binding" (dict "root" .root "name" .name "role" .name "account" .account) }}
{{- end }}

{{- define "sluice.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "sluice.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .role }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{- /* Labels that somebody gives: their values are texts, whatever YAML takes them for. */}}
{{- define "sluice.quoted" -}}
{{- range $key, $value := . }}
{{ $key }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{- /* Names that values written for Flagger's chart may call, as its affinity does. */}}
{{- define "flagger.name" -}}
{{- include "sluice.name" . -}}
{{- end }}

{{- define "flagger.fullname" -}}
{{- include "sluice.fullname" . -}}
{{- end }}

{{- define "flagger.serviceAccountName" -}}
{{- include "sluice.serviceAccountName" . -}}
{{- end }}
