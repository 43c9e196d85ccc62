// accept FILE: whether AsyncAPI's own parser takes the document; says what it finds, a line each.
import { readFileSync } from "node:fs";
import { DiagnosticSeverity, Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
// That a newer version of AsyncAPI exists is no fault of a document of this one.
const found = diagnostics.filter((d) => d.code !== "asyncapi-latest-version");
for (const d of found) console.log(`${d.code}: ${d.path.join(".")}: ${d.message}`);
const wrong = found.some((d) => d.severity <= DiagnosticSeverity.Warning);
process.exitCode = document === undefined || wrong ? 1 : 0;
