{{/* The program's configuration: `config` of the values, and over it what the chart decides. */}}
{{- define "paylink.settings" -}}
{{- $made := dict
  "grpc" (dict "listen" "0.0.0.0:50051")
  "webhook" (dict "listen" "0.0.0.0:8080" "plaintext" "anywhere")
  "operations" (dict "listen" "0.0.0.0:9090")
-}}
{{- $config := deepCopy .Values.config -}}
{{- if eq .Values.mode "dev" -}}
{{- $_ := set $made "sandbox" (dict "listen" "0.0.0.0:12111") -}}
{{- $default := dict "sandbox" (dict "public_url" (include "paylink.publicUrl" .)) -}}
{{- $config = mustMergeOverwrite $default (omit $config "auth") -}}
{{- $_ := set $made "auth" (dict "anyone_may_call" true) -}}
{{- else -}}
{{- with include "paylink.auth" . -}}
{{- $_ := set $made "auth" (fromJson .) -}}
{{- end -}}
{{- $_ := set $made "stripe" (dict
  "api_key_file" "/etc/paylink/secrets/stripe-api-key"
  "webhook_secrets_file" "/etc/paylink/secrets/stripe-webhook-secrets"
) -}}
{{- $accounts := dict -}}
{{- range $name, $_ := .Values.stripe.accounts -}}
{{- $folder := printf "/etc/paylink/secrets/accounts/%s" $name -}}
{{- $_ := set $accounts $name (dict
  "api_key_file" (printf "%s/api-key" $folder)
  "webhook_secrets_file" (printf "%s/webhook-secrets" $folder)
) -}}
{{- end -}}
{{- with $accounts -}}
{{- $_ := set $made.stripe "accounts" . -}}
{{- end -}}
{{- end -}}
{{- if include "paylink.servesTls" . -}}
{{- $files := dict "certificate_path" "/etc/paylink/tls/tls.crt" "key_path" "/etc/paylink/tls/tls.key" -}}
{{- if include "paylink.asksForCertificates" . -}}
{{- $_ := set $files "client_ca_path" "/etc/paylink/tls/ca.crt" -}}
{{- end -}}
{{- if .Values.grpc.tls.revocation -}}
{{- $_ := set $files "client_crl_path" "/etc/paylink/tls/ca.crl" -}}
{{- end -}}
{{- $_ := set $made.grpc "tls" $files -}}
{{- else -}}
{{- $_ := set $config "grpc" (omit (default dict $config.grpc) "tls") -}}
{{- $_ := set $made.grpc "plaintext" "anywhere" -}}
{{- end -}}
{{- if not (include "paylink.ownsDatabase" .) -}}
{{- $_ := set $config "storage" (omit (default dict $config.storage) "url") -}}
{{- $_ := set $made "storage" (dict "url_file" "/etc/paylink/secrets/storage-url") -}}
{{- end -}}
{{- mustMergeOverwrite $config $made | toJson -}}
{{- end -}}

{{/* What the chart knows of who may call; empty where anyone may. */}}
{{- define "paylink.auth" -}}
{{- if .Values.config.auth.require -}}
{{- $auth := dict "policy_path" "/etc/paylink/policy/policy.toml" -}}
{{- with .Values.auth.kubernetes -}}
{{- if .enabled -}}
{{- $_ := set $auth "issuers" (dict "cluster" (dict
  "issuer" .issuer
  "audience" .audience
  "jwks_url" "https://kubernetes.default.svc/openid/v1/jwks"
  "ca_path" "/etc/paylink/cluster/ca.crt"
  "token_path" "/etc/paylink/cluster/token"
  "kubernetes" true
)) -}}
{{- end -}}
{{- end -}}
{{- toJson $auth -}}
{{- end -}}
{{- end -}}

{{/* "true" when there is a policy. */}}
{{- define "paylink.hasPolicy" -}}
{{- if and (eq .Values.mode "serve") .Values.config.auth.require -}}true{{- end -}}
{{- end -}}

{{/* "true" when gRPC is served over TLS. */}}
{{- define "paylink.servesTls" -}}
{{- if and (eq .Values.mode "serve") (not .Values.grpc.plaintext) -}}true{{- end -}}
{{- end -}}

{{/* "true" when callers may or must show certificates of their own. */}}
{{- define "paylink.asksForCertificates" -}}
{{- if ne (dig "grpc" "tls" "client_certificates" "required" .Values.config) "off" -}}true{{- end -}}
{{- end -}}

{{/* What the links of a preview begin with. */}}
{{- define "paylink.publicUrl" -}}
{{- with .Values.sandbox.ingress -}}
{{- if not .enabled -}}
http://localhost:12111
{{- else if .tlsSecretName -}}
https://{{ .host }}
{{- else -}}
http://{{ .host }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A table of TOML: first its settings, since whatever follows a table's name belongs to it. They
     are written as JSON, which TOML understands for text, whole numbers, switches and lists. */}}
{{- define "paylink.toml" -}}
{{- $names := .names -}}
{{- range $key, $value := .table }}
{{- if not (kindIs "map" $value) }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- range $key, $value := .table }}
{{- if kindIs "map" $value }}
{{- $path := append $names $key }}

[{{ join "." $path }}]
{{- include "paylink.toml" (dict "names" $path "table" $value) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Files that the configuration names, and that only volumes of the values can hold. */}}
{{- define "paylink.namedFiles" -}}
{{- $files := dict -}}
{{- with dig "telemetry" "log_filter_file" "" .Values.config -}}
{{- $_ := set $files "config.telemetry.log_filter_file" . -}}
{{- end -}}
{{- range $name, $issuer := dig "auth" "issuers" dict .Values.config -}}
{{- range $key := list "ca_path" "jwks_path" "token_path" -}}
{{- with get $issuer $key -}}
{{- $_ := set $files (printf "config.auth.issuers.%s.%s" $name $key) . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/* A duration in milliseconds. */}}
{{- define "paylink.milliseconds" -}}
{{- $number := regexFind "^[0-9]+" . | int -}}
{{- get (dict "ms" 1 "s" 1000 "m" 60000) (regexFind "[a-z]+$" .) | mul $number -}}
{{- end -}}

{{/* What a schema cannot say, since it cannot add or compare. */}}
{{- define "paylink.checks" -}}
{{- $drain := div (dig "connections" "drain_ms" 25000 .Values.config | int) 1000 -}}
{{- $notice := div (dig "connections" "drain_notice_ms" 0 .Values.config | int) 1000 -}}
{{- $least := add .Values.termination.preStopSeconds $notice $drain 10 -}}
{{- if lt (int .Values.termination.gracePeriodSeconds) (int $least) -}}
{{- fail (printf "termination.gracePeriodSeconds must be %d or more: the pause before shutdown, config.connections.drain_notice_ms and drain_ms, and ten seconds" $least) -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if and .enabled (lt (int .maxReplicas) (int .minReplicas)) -}}
{{- fail "autoscaling.maxReplicas must not be less than minReplicas" -}}
{{- end -}}
{{- end -}}
{{- with .Values.monitoring.serviceMonitor -}}
{{- if lt (include "paylink.milliseconds" .interval | int) (include "paylink.milliseconds" .scrapeTimeout | int) -}}
{{- fail "monitoring.serviceMonitor.scrapeTimeout must not be more than interval" -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := dig "stripe" "accounts" dict .Values.config -}}
{{- if not (hasKey $.Values.stripe.accounts $name) -}}
{{- fail (printf "config.stripe.accounts.%s needs stripe.accounts.%s.secretName, the Secret with its key" $name $name) -}}
{{- end -}}
{{- end -}}
{{- $folders := list -}}
{{- range .Values.extraVolumeMounts -}}
{{- $folders = append $folders .mountPath -}}
{{- end -}}
{{- if .Values.auth.kubernetes.enabled -}}
{{- $folders = append $folders "/etc/paylink/cluster" -}}
{{- end -}}
{{- range $key, $file := include "paylink.namedFiles" . | fromJson -}}
{{- $held := false -}}
{{- range $folder := $folders -}}
{{- $held = or $held (hasPrefix (printf "%s/" $folder) $file) -}}
{{- end -}}
{{- if not $held -}}
{{- fail (printf "%s is %s, which is in no folder of extraVolumeMounts: the pod would not have it" $key $file) -}}
{{- end -}}
{{- end -}}
{{- end -}}
