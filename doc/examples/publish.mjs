// publish.mjs URL JOB: the life of a job, by Node's fetch. SLUICE_TOKEN: where auth is jwt.
const [url, job] = process.argv.slice(2);

// Repeats until it is answered: what was taken, and the answer lost, is not taken twice.
async function post(path, type, body, more = {}) {
  const headers = { "Content-Type": type, ...more };
  if (process.env.SLUICE_TOKEN) headers.Authorization = `Bearer ${process.env.SLUICE_TOKEN}`;
  for (let attempt = 0; attempt < 8; attempt++) {
    let wait = Math.min(200 * 2 ** attempt, 5000);
    try {
      const signal = AbortSignal.timeout(20_000);
      const answer = await fetch(url + path, { method: "POST", headers, body, signal });
      const text = await answer.text();
      if (answer.status < 500 && ![408, 425, 429].includes(answer.status)) return [answer.status, text];
      const after = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10) || 0;
      wait = Math.max(wait, Math.min(after, 60) * 1000);
      console.error(answer.status);
    } catch (error) {
      console.error(error.message);
    }
    await new Promise((wake) => setTimeout(wake, wait));
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
  if (status !== 202) throw new Error(answer);
  console.log(answer);
}

await publish(event("job.state_changed", "running", { state: "running", previous_state: null }));
await publish(...[50, 100].map((percent) => event("job.progress", percent, { percent })));
// Lines of the log, the first is number 1; 409: it has them already, or ended. A / in the job's name
// is %2F here.
const log = `/api/v1/streams/job:${encodeURIComponent(job)}/logs`;
const [status, answer] = await post(log, "text/plain", "fetching\ndone", { "X-Log-Offset": "1" });
if (status !== 202 && status !== 409) throw new Error(answer);
await publish(
  event("job.state_changed", "succeeded", { state: "succeeded", previous_state: "running" }),
);
