// ticket.mjs SLUICE PORT: the backend of subscribe.html. Its own token for Sluice is SLUICE_TOKEN,
// and stays here: the page gets a ticket, which can read what the token may, and nothing else.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const [sluice, port] = process.argv.slice(2);
const pages = {
  "/": ["subscribe.html", "text/html; charset=utf-8"],
  "/subscribe.js": ["subscribe.js", "text/javascript; charset=utf-8"],
};

async function ticket() {
  const headers = { Authorization: `Bearer ${process.env.SLUICE_TOKEN}` };
  const signal = AbortSignal.timeout(10_000);
  const answer = await fetch(`${sluice}/api/v1/tickets`, { method: "POST", headers, signal });
  if (!answer.ok) return [answer.status, "application/json", await answer.text()];
  return [answer.status, "application/json", JSON.stringify({ ...(await answer.json()), sluice })];
}

async function answer(request) {
  // Here belongs: is this user logged in, and may see that job? Best with a token of its own that
  // grants just that.
  const path = request.url.split("?")[0];
  if (path === "/ticket" && request.method === "POST") return ticket();
  if (!pages[path]) return [404, "text/plain", "not here\n"];
  const [name, type] = pages[path];
  return [200, type, await readFile(new URL(name, import.meta.url))];
}

createServer(async (request, response) => {
  const [status, type, body] = await answer(request).catch((error) => [502, "text/plain", error.message]);
  response.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store" }).end(body);
}).listen(Number(port), "127.0.0.1", () => console.log(`listens: http://127.0.0.1:${port}/`));
