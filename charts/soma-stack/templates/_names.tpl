{{/* Name of everything that the chart makes: `soma-operator` in a release called soma. */}}
{{- define "soma.name" -}}
{{- $name := printf "%s-soma-operator" .Release.Name -}}
{{- if hasPrefix "soma" .Release.Name -}}
{{- $name = printf "%s-operator" (trimSuffix "-operator" .Release.Name) -}}
{{- end -}}
{{- $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "soma.selector" -}}
app.kubernetes.io/name: soma-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "soma.labels" -}}
{{ include "soma.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: somamemory
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Full name of an image: (list image chart) */}}
{{- define "soma.image" -}}
{{- $image := index . 0 -}}
{{- $chart := index . 1 -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $chart.AppVersion) -}}
{{- end -}}

{{/* What the operator does to the children of a SomaMemory; the verbs are those of its requests, no more. */}}
{{- define "soma.rules" -}}
- apiGroups: [memory.soma.sh]
  # patch: the finalizer of the deletion policy Snapshot, and nothing else
  resources: [somamemories]
  verbs: [get, list, watch, patch]
- apiGroups: [memory.soma.sh]
  # delete: a copy that its schedule no longer keeps, after what it stored was removed
  resources: [somamemorybackups]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [memory.soma.sh]
  resources: [somamemories/status, somamemorybackups/status]
  verbs: [patch]
- apiGroups: [batch]
  # delete: a Job that has the volume of a memory which is to go
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  # delete: the headless one, which is made on request
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  # not watched: many clusters do not know the kind
  resources: [podmonitors]
  verbs: [get, create, patch, delete]
- apiGroups: [cert-manager.io]
  # nor this one
  resources: [certificates]
  verbs: [get, create, patch, delete]
- apiGroups: [keda.sh]
  # not watched either
  resources: [scaledobjects]
  verbs: [get, create, patch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  # delete: only a claim that never got a volume, when another storage class is wished for
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  # asked whether they are there; their content is neither asked for nor sent
  resources: [secrets]
  verbs: [get]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
