// subscribe.js: streams in a page, through cuts, idle time, and the end of a ticket.
const CONTROL = ["snapshot", "stream.gap", "stream.end", "stream.error", "stream.closing"];
const RETRY_MS = 3000;
const RETRY_MAX_MS = 60_000;

// Calls take(name, data) for each frame of the streams KEYS that is of one of TYPES, or of CONTROL;
// take("over") when all of them have ended, take("refused", status) when asking again is in vain.
// newTicket() asks the page's own backend for {ticket, sluice}: a ticket, and the service's URL;
// null where it refuses. Returns what ends it.
export function follow(keys, types, newTicket, take) {
  const going = new Set(keys);
  let source = null;
  let last = ""; // the cursor
  let done = false;
  let wait = RETRY_MS;

  // Many pages may be refused at the same time: they come back one by one, and less and less often.
  function later(look) {
    if (!done) setTimeout(connect, wait * (0.5 + Math.random()), look);
    wait = Math.min(wait * 2, RETRY_MAX_MS);
  }

  function end(...why) {
    if (done) return;
    done = true;
    source?.close();
    if (why.length) take(...why);
  }

  function url({ ticket, sluice }) {
    const query = new URLSearchParams(keys.map((key) => ["stream", key]));
    query.append("types", types.join());
    query.append("ticket", ticket);
    if (last) query.append("last_event_id", last);
    return `${sluice}/api/v1/streams?${query}`;
  }

  function hear(frame) {
    last = frame.lastEventId || last;
    const data = JSON.parse(frame.data);
    take(frame.type, data);
    if (frame.type !== "stream.end") return;
    going.delete(data.stream_key);
    if (going.size === 0) end("over");
  }

  // The browser comes back by itself, with the same ticket and its last id, after each cut and
  // stream.closing. CLOSED: an answer other than 200 made it give up.
  function open(address) {
    source = new EventSource(address);
    for (const name of [...CONTROL, ...types]) source.addEventListener(name, hear);
    source.addEventListener("heartbeat", (frame) => (last = frame.lastEventId || last));
    source.onopen = () => (wait = RETRY_MS);
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) later(true);
    };
  }

  // Which answer that was an EventSource does not tell, fetch does. The ticket is a new one. The id
  // in the URL is for this one time: after the next cut the browser's own differs from it, which is
  // 400, and leads here again.
  async function connect(look) {
    const probe = new AbortController();
    try {
      const ticket = await newTicket();
      if (!ticket) return end("refused");
      const address = url(ticket);
      const status = look ? (await fetch(address, { signal: probe.signal })).status : 200;
      if (done) return;
      if (status === 200) open(address);
      else if (status === 204) end("over");
      else if (status < 500) end("refused", status);
      else later(true);
    } catch {
      later(look); // no answer, or no ticket
    } finally {
      probe.abort();
    }
  }

  connect(false);
  return () => end();
}
