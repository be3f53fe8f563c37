{{- define "enrich.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "enrich.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "enrich.labels" -}}
{{ include "enrich.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: worker
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "enrich.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "enrich.name" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "enrich.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag }}{{ end }}
{{- end }}

{{- /* Workers beyond the partitions get none and only cost. */ -}}
{{- define "enrich.maxReplicas" -}}
{{- if gt (int .Values.scaling.maxReplicas) (int .Values.partitions) }}
{{- fail (printf "scaling.maxReplicas=%d is more than partitions=%d: lower the first, or add partitions to the topic and raise the second" (int .Values.scaling.maxReplicas) (int .Values.partitions)) }}
{{- end }}
{{- default .Values.partitions .Values.scaling.maxReplicas | int }}
{{- end }}

{{- /* What cannot work is refused before anything is installed. */ -}}
{{- define "enrich.checked" -}}
{{- $scaling := .Values.scaling }}
{{- if and (not $scaling.enabled) (gt (int .Values.replicas) (int .Values.partitions)) }}
{{- fail (printf "replicas=%d is more than partitions=%d: the others would sit idle" (int .Values.replicas) (int .Values.partitions)) }}
{{- end }}
{{- if and $scaling.enabled (le (int $scaling.cooldownSeconds) (int $scaling.modelLoadSeconds)) }}
{{- fail (printf "scaling.cooldownSeconds=%d is not above scaling.modelLoadSeconds=%d: workers would go before they pay off" (int $scaling.cooldownSeconds) (int $scaling.modelLoadSeconds)) }}
{{- end }}
{{- if and $scaling.enabled (le (int $scaling.scaleDownSeconds) (int $scaling.modelLoadSeconds)) }}
{{- fail (printf "scaling.scaleDownSeconds=%d is not above scaling.modelLoadSeconds=%d: workers would come and go" (int $scaling.scaleDownSeconds) (int $scaling.modelLoadSeconds)) }}
{{- end }}
{{- end }}

{{- /* A name of its own: the workers' selectors must not find this pod. */ -}}
{{- define "enrich.insights.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-insights
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "enrich.insights.labels" -}}
{{ include "enrich.insights.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: insights
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "enrich.insights.image" -}}
{{- $image := .Values.insights.image }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ $image.tag }}{{ end }}
{{- end }}

{{/* Threads of an operation: as many as the container was promised cores, for it sees those of the whole node. */}}
{{- define "enrich.threads" -}}
{{- $container := index . 0 }}
{{- if and (dig "requests" "cpu" "" (index . 1)) (not (dig "model" "threads" 0 (index . 2))) }}
- name: ENRICH_MODEL__THREADS
  valueFrom:
    resourceFieldRef: {containerName: {{ $container }}, resource: requests.cpu, divisor: "1"}
{{- end }}
{{- end }}
