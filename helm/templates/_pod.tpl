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

{{/* Where a container finds its settings and what they name. */}}
{{- define "paylink.mounts" -}}
- name: config
  mountPath: /etc/paylink/config
  readOnly: true
{{- if eq .Values.mode "serve" }}
- name: secrets
  mountPath: /etc/paylink/secrets
  readOnly: true
{{- end }}
{{- if include "paylink.hasPolicy" . }}
- name: policy
  mountPath: /etc/paylink/policy
  readOnly: true
{{- end }}
{{- if .Values.auth.kubernetes.enabled }}
- name: cluster
  mountPath: /etc/paylink/cluster
  readOnly: true
{{- end }}
{{- if include "paylink.servesTls" . }}
- name: tls
  mountPath: /etc/paylink/tls
  readOnly: true
{{- end }}
{{- range .Values.extraVolumeMounts }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  readOnly: true
{{- end }}
{{- end -}}

{{/* The volumes of these. */}}
{{- define "paylink.volumes" -}}
- name: config
  configMap:
    name: {{ include "paylink.fullname" . }}
{{- if eq .Values.mode "serve" }}
- name: secrets
  projected:
    # 0400 in octal; the kubelet adds the group's right to read, by fsGroup.
    defaultMode: 256
    sources:
      - secret:
          name: {{ .Values.stripe.secret.name }}
          items:
            - key: api-key
              path: stripe-api-key
            - key: webhook-secrets
              path: stripe-webhook-secrets
      {{- range $name, $account := .Values.stripe.accounts }}
      - secret:
          name: {{ $account.secretName }}
          items:
            {{- range $key := list "api-key" "webhook-secrets" }}
            - key: {{ $key }}
              path: accounts/{{ $name }}/{{ $key }}
            {{- end }}
      {{- end }}
      {{- if not (include "paylink.ownsDatabase" .) }}
      {{- include "paylink.databaseSource" . | nindent 6 }}
      {{- end }}
{{- end }}
{{- if include "paylink.hasPolicy" . }}
- name: policy
  configMap:
    name: {{ include "paylink.fullname" . }}-policy
{{- end }}
{{- if .Values.auth.kubernetes.enabled }}
- name: cluster
  projected:
    defaultMode: 256
    sources:
      # Good for an hour, and followed by a new one before that.
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
{{- end }}
{{- if include "paylink.servesTls" . }}
- name: tls
  projected:
    defaultMode: 256
    sources:
      - secret:
          name: {{ .Values.grpc.tls.secretName }}
          items:
            - key: tls.crt
              path: tls.crt
            - key: tls.key
              path: tls.key
            {{- if include "paylink.asksForCertificates" . }}
            - key: ca.crt
              path: ca.crt
            {{- end }}
            {{- if .Values.grpc.tls.revocation }}
            - key: ca.crl
              path: ca.crl
            {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Whom the program connects to. */}}
{{- define "paylink.egress" -}}
{{- with .Values.networkPolicy -}}
- to:
    {{- toYaml .dnsTo | nindent 4 }}
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- if eq $.Values.mode "serve" }}
- to:
    {{- toYaml .stripeTo | nindent 4 }}
  ports:
    - port: 443
{{- end }}
{{- with .databaseTo }}
- to:
    {{- toYaml . | nindent 4 }}
  ports:
    - port: 5432
{{- end }}
{{- with .collectorTo }}
- to:
    {{- toYaml . | nindent 4 }}
  ports:
    - port: 4317
{{- end }}
{{- with .apiServerTo }}
- to:
    {{- toYaml . | nindent 4 }}
  ports:
    - port: 443
    - port: 6443
{{- end }}
{{- with .extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}
{{- end -}}
