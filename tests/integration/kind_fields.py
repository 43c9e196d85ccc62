"""What of an object of each kind stands in its status, read out of the cluster's own object.

Written from the documents (the names of the UI's kind fields), not from the rules under test.
"""


def _replicas(spec, status):
    """Of a workload that keeps a number of pods."""
    return {"replicas": spec["replicas"], "readyReplicas": status.get("readyReplicas", 0)}


def _daemonset(_, status):
    names = ("desiredNumberScheduled", "numberReady")
    return {name: status.get(name, 0) for name in names}


def _job(spec, status):
    counts = {name: status.get(name, 0) for name in ("active", "succeeded", "failed")}
    return {**counts, "completions": spec.get("completions", 1)}


def _cronjob(_, status):
    times = {name: status.get(name, "") for name in ("lastScheduleTime", "lastSuccessfulTime")}
    return {**times, "activeJobs": len(status.get("active", []))}


def _addresses(status):
    """The first address of a load balancer, with all its members."""
    return next(iter(status.get("loadBalancer", {}).get("ingress", [])), {})


def _service(spec, status):
    address = _addresses(status)
    external = address.get("ip") or address.get("hostname")
    return {
        "clusterIP": spec.get("clusterIP", ""),
        "externalIP": external or next(iter(spec.get("externalIPs", [])), ""),
        "nodePort": next(iter(spec.get("ports", [])), {}).get("nodePort", 0),
    }


def _ingress(spec, status):
    address = _addresses(status)
    return {
        "loadBalancerIP": address.get("ip", ""),
        "loadBalancerHostname": address.get("hostname", ""),
        "rulesCount": len(spec.get("rules", [])),
    }


def _pvc(spec, status):
    capacity = status.get("capacity", {}).get("storage", "")
    return {"capacity": capacity, "volumeName": spec.get("volumeName", "")}


def _hpa(_, status):
    found = {name: status.get(name, 0) for name in ("currentReplicas", "desiredReplicas")}
    for metric in status.get("currentMetrics") or []:
        of = metric.get("resource", {})
        if "averageUtilization" in of.get("current", {}):
            word = {"cpu": "currentCPU", "memory": "currentMemory"}[of["name"]]
            found[word] = of["current"]["averageUtilization"]
    return found


_OF = {
    "deployment": _replicas,
    "statefulset": _replicas,
    "replicaset": _replicas,
    "daemonset": _daemonset,
    "job": _job,
    "cronjob": _cronjob,
    "service": _service,
    "ingress": _ingress,
    "pvc": _pvc,
    "hpa": _hpa,
    "pod": lambda _, status: {"phase": status.get("phase", "")},
}
_WORDS = {"state", "health", "reason", "message"}


def own_fields(kind, item):
    """The kind's fields of a status; {} of a kind that has none."""
    if kind not in _OF:
        return {}
    return _OF[kind](item.get("spec", {}), item.get("status", {}))


def told_fields(status):
    """A status without the words that every kind has."""
    return {name: value for name, value in status.items() if name not in _WORDS}
