"""Kubeconfigs that more than one test needs."""

# Its credential plugin takes its time.
SLEEPING_PLUGIN = """{"current-context": "x",
"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
"users": [{"name": "u", "user": {"exec": {"command": "sleep", "args": ["60"],
"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}}}]}
"""
