"""The fourteen kinds that are watched, as the API and as stream keys call them."""

# (kind, plural in the API's paths, name in a stream's key)
KINDS = (
    ("Deployment", "deployments", "deployment"),
    ("Service", "services", "service"),
    ("StatefulSet", "statefulsets", "statefulset"),
    ("DaemonSet", "daemonsets", "daemonset"),
    ("Job", "jobs", "job"),
    ("CronJob", "cronjobs", "cronjob"),
    ("Ingress", "ingresses", "ingress"),
    ("ConfigMap", "configmaps", "configmap"),
    ("Secret", "secrets", "secret"),
    ("PersistentVolumeClaim", "persistentvolumeclaims", "pvc"),
    ("Pod", "pods", "pod"),
    ("ReplicaSet", "replicasets", "replicaset"),
    ("HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa"),
    ("NetworkPolicy", "networkpolicies", "networkpolicy"),
)
# {kind: plural}, {name in a key: plural}, {plural: name in a key}
PLURAL_OF_KIND = {kind: plural for kind, plural, _ in KINDS}
PLURAL_OF = {name: plural for _, plural, name in KINDS}
KIND_OF = {plural: name for _, plural, name in KINDS}
