#!/bin/bash
# subscribe.sh URL KEY: follows a stream to its end by curl. SLUICE_TOKEN: where auth is jwt.
set -eu
url=$1 key=$2 cursor='' retry=3000

# A minute without a byte, and no heartbeat in it: the connection is gone. The token is not among
# the arguments, which every user of the machine can read.
stream() {
	exec curl --silent --show-error --no-buffer --get --data-urlencode "stream=$key" \
		${cursor:+--header "Last-Event-ID: $cursor"} \
		--header @<(echo "${SLUICE_TOKEN:+Authorization: Bearer $SLUICE_TOKEN}") \
		--speed-limit 1 --speed-time 60 --write-out ' HTTP %{http_code}' "$url/api/v1/streams"
}

while :; do
	event='' id='' data=''
	exec 3< <(stream)
	while IFS= read -r line <&3; do
		case $line in
		'event: '*) event=${line#event: } ;;
		'data: '*) data=${line#data: } ;;
		'id: '*) id=${line#id: } ;;
		'retry: '*) retry=${line#retry: } ;;
		'') # a frame that came whole
			cursor=${id:-$cursor}
			case $event in
			'' | stream.open | heartbeat) ;;
			*) echo "$event ${id:--} $data" ;;
			esac
			[ "$event" != stream.end ] || exit 0
			event='' id='' data=''
			;;
		esac
	done
	# What came last, without an end of line.
	case $line in
	*' HTTP 200') ;;
	*' HTTP 204') exit 0 ;; # it has ended, and there is nothing more to come
	*' HTTP 4'??) # says why, and would again
		echo "$line" >&2
		exit 1
		;;
	*) echo "again:$line" >&2 ;;
	esac
	sleep "$((retry / 1000)).$(printf %03d $((retry % 1000)))"
done
