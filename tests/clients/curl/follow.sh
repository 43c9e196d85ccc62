#!/bin/bash
# follow.sh URL [OPTION...]: writes [event, id, data] for each frame that curl
# brings whole, and comes again with the id of the last one. A frame that was
# cut is none. OPTION: more for curl.
set -u
url=$1
shift
cursor=
pid=

# A JSON array of three strings; what JSON data has to be escaped of is \ and ".
row() {
	local text=${3//\\/\\\\}
	printf '["%s", "%s", "%s"]\n' "$1" "$2" "${text//\"/\\\"}"
}

# The frames of standard input.
frames() {
	local line event='' id='' data=''
	while IFS= read -r line; do
		case $line in
		'event: '*) event=${line#event: } ;;
		'id: '*) id=${line#id: } ;;
		'data: '*) data=${line#data: } ;;
		'')
			[ -z "$id" ] || cursor=$id
			[ -z "$data" ] || row "$event" "$id" "$data"
			event='' id='' data=''
			;;
		esac
	done
}

trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null' EXIT
while :; do
	exec 4< <(exec curl --silent --show-error --no-buffer --fail \
		${cursor:+--header "Last-Event-ID: $cursor"} "$@" "$url")
	pid=$!
	frames <&4
	# Any end is one to come back from, but 22: an answer over 399.
	wait "$pid"
	[ $? -ne 22 ] || exit 1
	pid=
	sleep 0.2
done
