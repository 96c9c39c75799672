{{- define "ospatch.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "ospatch.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "ospatch.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "ospatch.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "ospatch.selector" -}}
app.kubernetes.io/name: {{ include "ospatch.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ospatch.labels" -}}
{{ include "ospatch.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "ospatch.image" -}}
{{- $repository := required "image.repository is required: where you have put the image, e.g. registry.example/ospatch" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "ospatch.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "ospatch.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Cluster-wide objects of two releases must not meet. */}}
{{- define "ospatch.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "ospatch.fullname" .) -}}
{{- end -}}

{{- define "ospatch.policyMap" -}}
{{- if .Values.policy.inline -}}{{ include "ospatch.fullname" . }}-policy{{- else -}}{{ .Values.policy.existingConfigMap }}{{- end -}}
{{- end -}}

{{- define "ospatch.notificationsMap" -}}
{{- if .Values.notifications.inline -}}{{ include "ospatch.fullname" . }}-notifications{{- else -}}{{ .Values.notifications.existingConfigMap }}{{- end -}}
{{- end -}}

{{/* How to reach Temporal: for workers and the exporter. */}}
{{- define "ospatch.temporalEnv" -}}
- name: TEMPORAL_ADDRESS
  value: {{ required "temporal.address is required: HOST:PORT of the Temporal frontend" .Values.temporal.address | quote }}
- name: TEMPORAL_NAMESPACE
  value: {{ .Values.temporal.namespace | quote }}
{{- with .Values.temporal.tls }}
{{- if .enabled }}
- name: TEMPORAL_TLS
  value: 'true'
{{- if .serverName }}
- name: TEMPORAL_TLS_SERVER_NAME
  value: {{ .serverName | quote }}
{{- end }}
{{- if .existingSecret }}
{{- if .authority }}
- name: TEMPORAL_TLS_SERVER_CA_CERT_PATH
  value: /etc/ospatch/temporal/ca.crt
{{- end }}
{{- if .clientCertificate }}
- name: TEMPORAL_TLS_CLIENT_CERT_PATH
  value: /etc/ospatch/temporal/tls.crt
- name: TEMPORAL_TLS_CLIENT_KEY_PATH
  value: /etc/ospatch/temporal/tls.key
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.temporal.apiKey }}
{{- if .existingSecret }}
- name: TEMPORAL_API_KEY
  valueFrom:
    secretKeyRef: { name: {{ .existingSecret | quote }}, key: {{ .key | quote }} }
{{- end }}
{{- end }}
{{- if .Values.encryption.existingSecret }}
- name: OSPATCH_ENCRYPTION_KEYS
  value: /etc/ospatch/encryption
{{- end }}
{{- end -}}

{{- define "ospatch.temporalMounts" -}}
- { name: tmp, mountPath: /tmp }
{{- if and .Values.temporal.tls.enabled .Values.temporal.tls.existingSecret }}
- { name: temporal, mountPath: /etc/ospatch/temporal, readOnly: true }
{{- end }}
{{- if .Values.encryption.existingSecret }}
- { name: encryption, mountPath: /etc/ospatch/encryption, readOnly: true }
{{- end }}
{{- end -}}

{{/* 0440 and fsGroup: root owns the files, the group of the worker reads them, and nobody changes them. */}}
{{- define "ospatch.temporalVolumes" -}}
- name: tmp
  emptyDir: { sizeLimit: 64Mi }
{{- if and .Values.temporal.tls.enabled .Values.temporal.tls.existingSecret }}
- name: temporal
  secret: { secretName: {{ .Values.temporal.tls.existingSecret | quote }}, defaultMode: 0440 }
{{- end }}
{{- if .Values.encryption.existingSecret }}
- name: encryption
  secret: { secretName: {{ .Values.encryption.existingSecret | quote }}, defaultMode: 0440 }
{{- end }}
{{- end -}}

{{- define "ospatch.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "ospatch.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{/* Values that contradict each other: one of them would be passed over in silence. */}}
{{- define "ospatch.validate" -}}
{{- $sources := list }}
{{- range $key := list "existingConfigMap" "existingSecret" "inline" }}
{{- if index $.Values.policy $key }}{{ $sources = append $sources (printf "policy.%s" $key) }}{{ end }}
{{- end }}
{{- if gt (len $sources) 1 }}
{{- fail (printf "%s are set; allowed: one of them. A worker has one policy, so empty the others" (join " and " $sources)) }}
{{- end }}
{{- with .Values.notifications }}
{{- if and .existingConfigMap .inline }}
{{- fail "notifications.existingConfigMap and notifications.inline are set; allowed: one of them" }}
{{- end }}
{{- end }}
{{- with .Values.temporal.tls }}
{{- if and (or .existingSecret .serverName) (not .enabled) }}
{{- fail "temporal.tls.existingSecret or temporal.tls.serverName is set, but temporal.tls.enabled is false, so that the connection would have no TLS: set temporal.tls.enabled to true" }}
{{- end }}
{{- end }}
{{- with .Values.temporal.tls }}
{{- if and .existingSecret (not .authority) (not .clientCertificate) }}
{{- fail "temporal.tls.existingSecret is set, but temporal.tls.authority and temporal.tls.clientCertificate are false, so that nothing of the Secret would be used: set one of them to true, or empty existingSecret" }}
{{- end }}
{{- end }}
{{- with .Values.inCluster }}
{{- if and .disableEviction (not (and .enabled .rbac)) }}
{{- fail "inCluster.disableEviction is true, but inCluster.enabled or inCluster.rbac is false, so that nobody would be given the right to delete pods: set both to true, or disableEviction to false" }}
{{- end }}
{{- if and .enabled .nodePolicy (semverCompare "<1.30-0" $.Capabilities.KubeVersion.Version) }}
{{- fail (printf "inCluster.nodePolicy needs Kubernetes 1.30, and this is %s: set inCluster.nodePolicy to false, and read in docs/kubernetes.md what the account may change then" $.Capabilities.KubeVersion.Version) }}
{{- end }}
{{- if and .enabled (not $.Values.serviceAccount.create) (not $.Values.serviceAccount.name) }}
{{- fail "inCluster.enabled is true, but serviceAccount.create is false and serviceAccount.name is empty, so that every pod of the account `default` would have the rights of the workers: name the account of the workers" }}
{{- end }}
{{- end }}
{{- if and .Values.serviceAccount.annotations (not .Values.serviceAccount.create) }}
{{- fail "serviceAccount.annotations are set, but serviceAccount.create is false: annotate the account that exists, and empty serviceAccount.annotations" }}
{{- end }}
{{- with .Values.networkPolicy }}
{{- if and (or .egress .metricsFrom) (not .enabled) }}
{{- fail "networkPolicy.egress or networkPolicy.metricsFrom is set, but networkPolicy.enabled is false, so that nothing would be limited: set networkPolicy.enabled to true" }}
{{- end }}
{{- end }}
{{- if and .Values.encryption.required (not .Values.encryption.existingSecret) }}
{{- fail "encryption.required is true, but encryption.existingSecret is empty: name the Secret with the keys" }}
{{- end }}
{{- if and .Values.metrics.podMonitor.enabled (not .Values.metrics.enabled) }}
{{- fail "metrics.podMonitor.enabled is true, but metrics.enabled is false, so that there would be nothing to scrape: set metrics.enabled to true" }}
{{- end }}
{{- with .Values.exporter }}
{{- if and (or .serviceMonitor.enabled .prometheusRule.enabled) (not .enabled) }}
{{- fail "exporter.serviceMonitor.enabled or exporter.prometheusRule.enabled is true, but exporter.enabled is false: the metrics that they need come from the exporter" }}
{{- end }}
{{- end }}
{{- end -}}
