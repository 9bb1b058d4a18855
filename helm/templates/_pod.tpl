{{/* Whether there is, or may come to be, more than one pod. */}}
{{- define "paylink.severalPods" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) -}}true{{- end -}}
{{- end -}}

{{/* What every pod of the chart may do: the restricted standard, and no user of the host's. */}}
{{- define "paylink.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
# Gives the group the volume, and the secret files, which belong to root otherwise.
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* What every container may do. */}}
{{- define "paylink.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end -}}

{{/* The Secret with the database's URL, as a source of a projected volume. */}}
{{- define "paylink.databaseSource" -}}
- secret:
    name: {{ .Values.storage.urlSecret.name }}
    items:
      - key: {{ .Values.storage.urlSecret.key }}
        path: storage-url
{{- end -}}

{{/* How it is asked whether a pod may get calls. */}}
{{- define "paylink.readiness" -}}
{{- if include "paylink.servesTls" . -}}
httpGet:
  path: /ready
  port: operations
{{- else -}}
grpc:
  port: 50051
{{- end -}}
{{- end -}}
