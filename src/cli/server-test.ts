import type { ApiClient } from "./api-client.ts";
import { testReport } from "./api-shapes.ts";
import type { TestReport } from "./api-shapes.ts";
import type { Output } from "./output.ts";
import { plain } from "./output.ts";
import { remedyOf } from "./remedy.ts";

/** A first start may download the server's package. */
const testTimeoutMs = 120_000;

/** Asks the gateway to connect to a server and list what it offers. */
export async function testServer(api: ApiClient, name: string, out: Output): Promise<TestReport> {
  const progress = out.progress(`Testing ${name}: starting or connecting, then listing its tools…`);
  try {
    return await api.post(
      `/api/servers/${encodeURIComponent(name)}/test`,
      {},
      testReport,
      testTimeoutMs,
    );
  } finally {
    progress.done();
  }
}

/** The report in one or two lines: what the server offers, or why it could not be reached and what to do. */
export function describeTest(name: string, report: TestReport, out: Output): string[] {
  if (report.ok) return [`${out.paint.green("ok")} ${plain(name)}: ${offers(report)}`];
  const { code, message } = report.error ?? {
    code: "INTERNAL",
    message: "The test failed without a reason.",
  };
  const remedy = remedyOf(code);
  return [
    `${out.paint.red("failed")} ${plain(name)}: ${plain(message)} (${plain(code)})`,
    ...(remedy === undefined ? [] : [`  ${remedy}`]),
  ];
}

function offers(report: TestReport): string {
  const parts = [
    count(report.tools ?? 0, "tool"),
    ...(report.prompts ? [count(report.prompts, "prompt")] : []),
    ...(report.resources ? [count(report.resources, "resource")] : []),
  ];
  const speaks = [report.revision, report.era].filter((word) => word !== undefined).join(", ");
  const who = [report.serverInfo?.name, report.serverInfo?.version]
    .filter((word) => word !== undefined)
    .join(" ");
  return plain(
    [
      parts.join(", "),
      speaks,
      who,
      ...(report.ms === undefined ? [] : [`${String(Math.round(report.ms))} ms`]),
    ]
      .filter((word) => word !== "")
      .join(" · "),
  );
}

function count(n: number, noun: string): string {
  return `${String(n)} ${noun}${n === 1 ? "" : "s"}`;
}
