"""The real-parts test bed: a Kubernetes control plane, a MongoDB-wire server, a browser."""
