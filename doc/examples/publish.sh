#!/bin/sh
# publish.sh URL JOB: the life of a job by curl. SLUICE_TOKEN: where auth is jwt.
set -eu
url=$1 job=$2

# post PATH TYPE BODY [CURL OPTION...]: repeats until it is answered. Each event has a key: what
# was taken, and the answer lost, is not taken twice. The token is not among the arguments, which
# every user of the machine can read.
post() {
	path=$1 type=$2 body=$3
	shift 3
	answer=$(curl --silent --show-error --max-time 20 --retry 8 --retry-all-errors \
		--header @- --header "Content-Type: $type" --data-binary "$body" "$@" \
		--write-out ' HTTP %{http_code}' "$url$path" <<-END
			${SLUICE_TOKEN:+Authorization: Bearer $SLUICE_TOKEN}
		END
	) || return
	echo "$answer"
	case $answer in *' HTTP 202') ;; *) return 1 ;; esac
}

post /api/v1/events application/json '{"stream_key": "job:'"$job"'",
  "event_type": "job.state_changed", "idempotency_key": "'"$job"'/running",
  "data": {"job_id": "'"$job"'", "state": "running", "previous_state": null, "attempt": 1}}'

# A batch: an event a line, all or none.
batch=
for percent in 50 100; do
	batch="$batch"'{"stream_key": "job:'"$job"'", "event_type": "job.progress",
'
	batch="${batch%?}"' "idempotency_key": "'"$job/$percent"'",'
	batch="$batch"' "data": {"job_id": "'"$job"'", "attempt": 1, "percent": '"$percent"'}}
'
done
post /api/v1/events application/x-ndjson "$batch"

# Lines of the log, the first is number 1. 409: it has them already, or ended. A / in the job's name
# is %2F here.
post "/api/v1/streams/job:$(echo "$job" | sed 's|/|%2F|g')/logs" text/plain 'fetching
done' --header 'X-Log-Offset: 1' || case $answer in *' HTTP 409') ;; *) exit 1 ;; esac

post /api/v1/events application/json '{"stream_key": "job:'"$job"'",
  "event_type": "job.state_changed", "idempotency_key": "'"$job"'/succeeded",
  "data": {"job_id": "'"$job"'", "state": "succeeded", "previous_state": "running", "attempt": 1}}'
