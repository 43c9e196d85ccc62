#!/bin/bash
# Starts Sluice on embedded defaults in the foreground and says which page to
# open. Without a kubeconfig (KUBECONFIG, ~/.kube/config) a simulated cluster
# and an orchestrator are started beside it, so that there is something to see.
# Environment: BUILD (build), PORT (8085), STATE (BUILD/run: journal, databases).
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
state=${STATE:-$PWD/$build/run}
runtime=$(mktemp -d /tmp/sluice-run-XXXXXX)
mkdir -p "$state"
chmod 700 "$state"

pids=()
finish() {
	trap - EXIT
	trap '' INT TERM # a second ctrl-C must not leave the rest behind
	for pid in "${pids[@]}"; do
		kill -TERM "$pid" 2>/dev/null && wait "$pid" || true
	done
	rm -rf "$runtime"
}
trap finish EXIT
trap 'exit 0' INT TERM

kubeconfig=${KUBECONFIG:-}
[ -n "$kubeconfig" ] || [ ! -e "$HOME/.kube/config" ] ||
	kubeconfig=$HOME/.kube/config
if [ -z "$kubeconfig" ]; then
	kubeconfig=$runtime/demo.kubeconfig
	"$build/kubesim" --port 0 --tls --dir "$runtime" --context demo \
		--kinds all --objects 120 \
		--print-kubeconfig "$kubeconfig" --die-with-parent \
		>"$runtime/kubesim.log" 2>&1 &
	demo=$!
	for _ in $(seq 100); do
		[ -s "$kubeconfig" ] && break
		kill -0 "$demo" 2>/dev/null || break
		sleep 0.05
	done
	if [ ! -s "$kubeconfig" ]; then
		echo 'run: the demo cluster did not start:' >&2
		cat "$runtime/kubesim.log" >&2
		exit 1
	fi
	echo "run: no kubeconfig found: showing a SIMULATED cluster, 'demo'," \
		'and pack runs of a simulated orchestrator' \
		"(set KUBECONFIG to watch a real one)"
else
	demo=
	echo "run: watching the current context of $kubeconfig"
fi

port=${PORT:-8085}
cat >"$runtime/sluice.yaml" <<-YAML
	listen: 127.0.0.1:$port
	state_directory: $state
	runtime_directory: $runtime/bus
YAML
[ -z "$demo" ] || echo 'watch: {jobs_as_streams: true}' >>"$runtime/sluice.yaml"
# By the environment: there it may be relative, or a list.
KUBECONFIG=$kubeconfig "$build/sluiced" -c "$runtime/sluice.yaml" &
sluiced=$!
pids=("$sluiced")
[ -z "$demo" ] || pids+=("$demo")

for _ in $(seq 200); do
	kill -0 "$sluiced" 2>/dev/null || break
	# Made once it has the port: another program's answer is not ours.
	if [ -S "$runtime/bus/control" ]; then
		if [ -n "$demo" ]; then
			"$build/demo-orchestrator" "http://127.0.0.1:$port" &
			pids=("$!" "${pids[@]}")
		fi
		echo "run: open http://127.0.0.1:$port/  (ctrl-C ends it)"
		break
	fi
	sleep 0.05
done
status=0
wait "$sluiced" || status=$?
exit "$status"
