// subscribe.mjs URL KEY: follows a stream to its end, by the npm package eventsource. SLUICE_TOKEN:
// where auth is jwt.
import { EventSource } from "eventsource";

const [url, key] = process.argv.slice(2);
const types = ["job.state_changed", "job.progress", "job.log"];
const token = process.env.SLUICE_TOKEN;

// Other than in a browser it can send the token; and where nobody is there but a load balancer that
// says so by a 5xx, an EventSource would give up: told of a lost connection, it comes back.
const get = async (input, init) => {
  const headers = token ? { ...init.headers, Authorization: `Bearer ${token}` } : init.headers;
  const answer = await fetch(input, { ...init, headers });
  if (answer.status < 500) return answer;
  await answer.body?.cancel();
  throw new Error(`HTTP ${answer.status}`);
};

// It comes back by itself, with its last id.
const path = `/api/v1/streams?stream=${encodeURIComponent(key)}&types=${types}`;
const source = new EventSource(url + path, { fetch: get });

const write = (frame) => console.log(frame.type, frame.lastEventId || "-", frame.data);
for (const name of ["snapshot", "stream.gap", "stream.error", ...types]) source.addEventListener(name, write);
source.addEventListener("stream.end", (frame) => {
  write(frame);
  source.close();
});
source.onerror = (error) => {
  if (source.readyState !== EventSource.CLOSED) return console.error("again:", error.message);
  // It has given up. 204: the stream has ended, and there is nothing more to come.
  if (error.code !== 204) process.exitCode = 1;
  console.error(error.code, error.message);
};
