{{- define "fluxwire.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "fluxwire.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Takes the top and a role. */}}
{{- define "fluxwire.selector" -}}
app.kubernetes.io/name: fluxwire
app.kubernetes.io/instance: {{ .top.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "fluxwire.labels" -}}
{{ include "fluxwire.selector" . }}
app.kubernetes.io/version: {{ .top.Values.image.tag | default .top.Chart.AppVersion | quote }}
helm.sh/chart: {{ .top.Chart.Name }}-{{ .top.Chart.Version }}
{{- end }}

{{- define "fluxwire.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "fluxwire.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Settings of all, and then a role's own. */}}
{{- define "fluxwire.settings" -}}
{{- range $name, $value := merge (deepCopy .own) .top.Values.settings }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}

{{/* One pod on a node before two, and on as many zones as there are. */}}
{{- define "fluxwire.spread" -}}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "fluxwire.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
