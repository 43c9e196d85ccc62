#!/bin/bash
# Builds the fuzz targets (libFuzzer, ASan, UBSan; needs clang) and runs them:
# `run.sh --short`: the corpus, then a few seconds each, always from one seed:
# a check's verdict is the commit's, looking further is the night's; `run.sh
# [SECONDS]`: that long each (default 600). A crash leaves its input under
# build/fuzz/.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-600}
seed=0 # one of its own
if [ "$seconds" = --short ]; then
	seconds=10
	seed=1
fi
out=build/fuzz
mkdir -p "$out"
make -s BUILD="$out" CC=clang SAN=address,undefined \
	CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' \
	"$out/common.a" "$out/gateway.a" "$out/watcher.a" "$out/store.a" \
	"$out/broker.a"
libs=$(pkg-config --libs libevent yaml-0.1 libcurl jansson libmongoc-1.0 \
	sqlite3 nanomsg libcrypto jose libseccomp)
n=0
for source in tests/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	# shellcheck disable=SC2086  # a list of libraries is meant
	clang -std=gnu17 -D_GNU_SOURCE -DSLUICE_VERSION=\"fuzz\" \
		-DSLUICE_LIBEXECDIR=\"/\" -I. -O1 -g \
		-fsanitize=fuzzer,address,undefined "$source" \
		-Wl,--start-group "$out"/*.a -Wl,--end-group $libs -pthread \
		-o "$out/$name"
	mkdir -p "$out/corpus/$name"
	options="-artifact_prefix=$out/$name- -timeout=10 -rss_limit_mb=2048
		-seed=$seed"
	[ ! -e "tests/fuzz/$name.dict" ] ||
		options="$options -dict=tests/fuzz/$name.dict"
	seeds=
	[ ! -d "tests/fuzz/corpus/$name" ] || seeds=tests/fuzz/corpus/$name
	# shellcheck disable=SC2086  # lists of words are meant
	"$out/$name" $options -max_total_time="$seconds" -print_final_stats=1 \
		"$out/corpus/$name" $seeds
	n=$((n + 1))
done
echo "fuzz: $n targets, $seconds s each"
[ "$n" -gt 0 ]
