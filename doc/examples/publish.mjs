// publish.mjs URL JOB: the life of a job, by Node's fetch. SLUICE_TOKEN: where auth is jwt.
const [url, job] = process.argv.slice(2);

// Repeats until it is answered: what was taken, and the answer lost, is not taken twice.
async function post(path, type, body, more = {}) {
  const headers = { "Content-Type": type, ...more };
  if (process.env.SLUICE_TOKEN) headers.Authorization = `Bearer ${process.env.SLUICE_TOKEN}`;
  for (let attempt = 0; attempt < 8; attempt++) {
    try {
      const signal = AbortSignal.timeout(20_000);
      const answer = await fetch(url + path, { method: "POST", headers, body, signal });
      if (answer.status !== 429 && answer.status !== 503) return [answer.status, await answer.json()];
    } catch (error) {
      console.error(error.message);
    }
    await new Promise((wake) => setTimeout(wake, Math.min(200 * 2 ** attempt, 5000)));
  }
  throw new Error("no answer");
}

// An event with a key of its own: so it can be repeated.
const event = (type, key, data) => ({
  stream_key: `job:${job}`,
  event_type: type,
  idempotency_key: `${job}/${key}`,
  data: { job_id: job, attempt: 1, ...data },
});

// One event or a batch: all or none of them.
async function publish(...events) {
  const [status, answer] = await post("/api/v1/events", "application/json", JSON.stringify(events));
  if (status !== 202) throw new Error(JSON.stringify(answer));
  console.log(answer);
}

await publish(event("job.state_changed", "running", { state: "running", previous_state: null }));
await publish(...[50, 100].map((percent) => event("job.progress", percent, { percent })));
// Lines of the log, the first is number 1; 409: it has them already, or ended.
const log = `/api/v1/streams/job:${job}/logs`;
const [status, answer] = await post(log, "text/plain", "fetching\ndone", { "X-Log-Offset": "1" });
if (status !== 202 && status !== 409) throw new Error(JSON.stringify(answer));
await publish(
  event("job.state_changed", "succeeded", { state: "succeeded", previous_state: "running" }),
);
