// follow.js URL EVENT...: writes [event, id, data] for each event of these names.
import { writeSync } from "node:fs";

import { EventSource } from "eventsource";

const [url, ...names] = process.argv.slice(2);
const source = new EventSource(url);
for (const name of names)
  source.addEventListener(name, (event) =>
    writeSync(1, JSON.stringify([event.type, event.lastEventId, event.data]) + "\n"));
source.onerror = (error) => {
  console.error(`${error.code ?? "-"} ${error.message ?? "-"}`);
  // It has given up, and says so only once.
  if (source.readyState === EventSource.CLOSED) process.exit(1);
};
