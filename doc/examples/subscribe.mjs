// subscribe.mjs URL KEY: follows a stream to its end, by the npm package eventsource. SLUICE_TOKEN:
// where auth is jwt.
import { EventSource } from "eventsource";

const [url, key] = process.argv.slice(2);
const types = ["job.state_changed", "job.progress", "job.log"];
const token = process.env.SLUICE_TOKEN;

// It comes back by itself, with its last id. Other than in a browser it can send the token.
const source = new EventSource(`${url}/api/v1/streams?stream=${encodeURIComponent(key)}&types=${types}`, {
  fetch: (input, init) =>
    fetch(input, token ? { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } } : init),
});

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
