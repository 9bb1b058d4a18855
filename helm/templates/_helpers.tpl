{{/* Prefix of object names, at most 46 characters so that a suffix still fits in a label. */}}
{{- define "paylink.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 46 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 46 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 46 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whose series are of this release: the Service that a ServiceMonitor finds. */}}
{{- define "paylink.operationsName" -}}
{{ include "paylink.fullname" . }}-operations
{{- end -}}

{{/* Labels that select the pods. They never change between versions: selectors cannot. */}}
{{- define "paylink.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of the pod that migrates: not those that the Services select by, as it serves nothing. */}}
{{- define "paylink.migrateLabels" -}}
app.kubernetes.io/name: {{ include "paylink.fullname" . }}-migrate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of the pod that examines: it serves nothing either. */}}
{{- define "paylink.doctorLabels" -}}
app.kubernetes.io/name: {{ include "paylink.fullname" . }}-doctor
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "paylink.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{ include "paylink.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "paylink.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "paylink.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "paylink.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* "true" when the database is a file that this pod owns. */}}
{{- define "paylink.ownsDatabase" -}}
{{- if not .Values.storage.urlSecret.name -}}true{{- end -}}
{{- end -}}

{{- define "paylink.claimName" -}}
{{- $made := printf "%s-data" (include "paylink.fullname" .) -}}
{{- default $made .Values.storage.persistence.existingClaim -}}
{{- end -}}

{{/* Where the program takes webhooks of each account, as a list of JSON. */}}
{{- define "paylink.webhookPaths" -}}
{{- $paths := list "/webhooks/stripe" -}}
{{- range $name, $_ := .Values.stripe.accounts -}}
{{- $paths = append $paths (printf "/webhooks/stripe/%s" $name) -}}
{{- end -}}
{{- toJson $paths -}}
{{- end -}}
