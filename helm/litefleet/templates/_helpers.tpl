{{- define "litefleet.name" -}}
{{- printf "%s-litefleet" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "litefleet.labels" -}}
app.kubernetes.io/name: litefleet
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "litefleet.image" -}}
{{ .Values.image.registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "litefleet.store" -}}
{{- $store := .Values.objectStore -}}
s3://{{ $store.bucket }}/{{ $store.prefix }}?region={{ $store.region }}
{{- if $store.endpoint }}&endpoint={{ $store.endpoint }}{{ end }}
{{- if $store.pathStyle }}&pathStyle=true{{ end }}
{{- end -}}

{{- define "litefleet.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "litefleet.containerSecurity" -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end -}}
