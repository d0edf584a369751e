// Parses an AsyncAPI document with its own parser; says what is wrong with it, and how many messages it has.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const wrong = diagnostics.filter((each) => each.severity === 0).map((each) => `${each.path.join("/")}: ${each.message}`);
console.log(JSON.stringify({ wrong, messages: document?.allMessages().all().map((each) => each.name()) ?? [] }));
