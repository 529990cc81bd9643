// docs/services.md from the definitions of the services: what each is for, what sets it, and its tools.
import { isSecretSchema, type ServiceDefinition } from "@signalbox/kit";
import { z } from "zod";
import { formatDuration, isDuration } from "../src/foundation/index.ts";
import { builtinServices } from "../src/services/index.ts";

/** The page; loads every service. */
export async function servicesPage(): Promise<Map<string, string>> {
  const services = await Promise.all(builtinServices.map((service) => service.load()));
  return new Map([["docs/services.md", page(services)]]);
}

function page(services: readonly ServiceDefinition[]): string {
  return `# Services

These services come with the gateway. Each is served like a server of that name: its tools are public as \`{service}__{tool}\`, and
permissions, pins, limits, the cache, breakers and the call log hold for them as for any other. A service is there once it has what it
needs; until then \`signalbox servers\` and \`GET /api/servers\` show it as \`not_configured\` with what that is, and nothing of it is
loaded. It connects with the first call. What somebody has added as a server keeps its name: a service of that name then stays away.

Settings stand under \`[services.<name>]\` of \`signalbox.toml\`, which is read again when it changes, or in the environment, which goes
before the file. Secrets may be given as \`\${secret:name}\` (stored with \`signalbox secrets set\`), everything as \`\${env:NAME}\` or
\`\${file:/path}\`. Beside its own settings each takes \`enabled\`, \`project\`, \`timeout\`, \`list_timeout\`, \`annotations\`, \`retry_policy\`,
\`circuit_breaker\`, \`bulkhead\`, \`cache\` and \`pins\`, which [servers](servers.md) describes.

A tool of the scope \`manage\` changes how a system works rather than what is in it: it is for those who may manage the service, and
others do not see it. Failures carry a code in \`_meta["signalbox/error"]\` and at the end of their sentence;
[error codes](errors/README.md) says what to do. A caller who repeats a call gives the same key in \`_meta["signalbox/idempotencyKey"]\`,
so that the vendor does it once, where the vendor knows such keys.

To write one yourself see [write a service](services/write-a-service.md).

| service | | needs | tools |
| --- | --- | --- | --- |
${services.map(row).join("\n")}

${services.map(section).join("\n")}
Made from \`src/services\` by \`npm run docs\`.
`;
}

function row({ name, title, settings, tools }: ServiceDefinition): string {
  const needs = settings.missing(settings.options.parse({})).join("; ");
  return `| [${name}](#${name}) | ${title ?? ""} | ${cell(needs)} | ${tools.length} |`;
}

function section(service: ServiceDefinition): string {
  const { name, description, settings, tools } = service;
  const env = settings.env.map(
    ({ name: variable, path }) =>
      `| \`${variable}\` | \`${(typeof path === "function" ? path("<NAME>") : path).join(".").toLowerCase()}\` |`,
  );
  return `## ${name}

${description}

| variable | sets |
| --- | --- |
${env.join("\n")}

| setting | default | meaning |
| --- | --- | --- |
${settingRows(settings.options, "").join("\n")}

| tool | scope | tokens | what it does |
| --- | --- | --- | --- |
${tools.map(toolRow).join("\n")}
`;
}

function toolRow({
  name,
  scope,
  cost,
  description,
  annotations,
}: ServiceDefinition["tools"][number]): string {
  const destroys = annotations?.readOnlyHint !== true && annotations?.destructiveHint !== false;
  const does = destroys ? `${scope}, may destroy` : scope;
  return `| \`${name}\` | ${does} | ${cost === undefined ? "" : `about ${cost}`} | ${cell(description)} |`;
}

function settingRows(options: z.ZodType, above: string): string[] {
  if (options instanceof z.ZodRecord)
    return options.valueType instanceof z.ZodType
      ? settingRows(options.valueType, `${above}<name>.`)
      : [];
  if (!(options instanceof z.ZodObject)) return [];
  return Object.entries(options.shape).flatMap(([name, schema]) => {
    if (!(schema instanceof z.ZodType)) return [];
    const inner = bare(schema);
    const below = settingRows(inner, `${above}${name}.`);
    if (below.length > 0) return below;
    const meaning = schema.description ?? inner.description ?? "";
    const secret = isSecretSchema(inner) ? "secret" : "";
    return [
      `| \`${above}${name}\` | ${defaultOf(schema, inner)} | ${cell([secret, meaning].filter((text) => text !== "").join(": "))} |`,
    ];
  });
}

function bare(schema: z.ZodType): z.ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    const inner = schema.unwrap();
    return inner instanceof z.ZodType ? bare(inner) : schema;
  }
  return schema;
}

function defaultOf(schema: z.ZodType, inner: z.ZodType): string {
  const { data } = schema.safeParse(undefined);
  if (data === undefined) return "";
  if (typeof data === "number" && isDuration(inner)) return `\`${formatDuration(data)}\``;
  return `\`${JSON.stringify(data)}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}
