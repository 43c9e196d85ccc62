"""The smallest object of each of the fourteen kinds that a real API server takes."""

from tests.bed.kubeapi import pod_spec

# {plural: the object but for its name}
SAMPLES = {
    "pods": {"spec": pod_spec()},
    "configmaps": {"data": {"a": "b"}},
    "secrets": {"stringData": {"a": "b"}},
    "services": {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}},
    "persistentvolumeclaims": {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        }
    },
    "ingresses": {"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 1}}}}},
    "networkpolicies": {"spec": {"podSelector": {}}},
    "horizontalpodautoscalers": {
        "spec": {
            "maxReplicas": 2,
            "scaleTargetRef": {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"},
        }
    },
}
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": pod_spec()}
ONCE = {**TEMPLATE, "spec": {**pod_spec(), "restartPolicy": "Never"}}
for _plural in ("deployments", "replicasets", "statefulsets", "daemonsets"):
    SAMPLES[_plural] = {"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}}
SAMPLES["statefulsets"]["spec"]["serviceName"] = "x"
SAMPLES["jobs"] = {"spec": {"template": ONCE}}
SAMPLES["cronjobs"] = {
    "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": ONCE}}}
}
