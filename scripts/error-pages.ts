// A page for each error code under docs/errors, from the one table in src/foundation.
import { STATUS_CODES } from "node:http";
import { errorTable } from "../src/foundation/index.ts";

/** Every page by its path, with an index that lists them. */
export function errorPages(): Map<string, string> {
  const entries = Object.entries(errorTable);
  const pages = entries.map(
    ([code, entry]) => [`docs/errors/${code}.md`, page(code, entry)] as const,
  );
  const list = entries.map(([code, { summary }]) => `| [${code}](${code}.md) | ${summary} |`);
  return new Map([
    ...pages,
    [
      "docs/errors/README.md",
      `# Error codes

Every failure that Signalbox raises carries one of these codes: in the body of an HTTP answer, in the \`data\` of a JSON-RPC
error, in the log and on the command line. Made from \`src/foundation/errors.ts\` by \`npm run docs\`.

| code | what happened |
| --- | --- |
${list.join("\n")}
`,
    ],
  ]);
}

interface Entry {
  readonly status: number;
  readonly summary: string;
  readonly remedy: string;
}

function page(code: string, { status, summary, remedy }: Entry): string {
  return `# ${code}

**What happened.** ${summary}

**What to do.** ${remedy}

**HTTP status.** ${status} ${STATUS_CODES[status] ?? ""}
`;
}
