import { defineSettings, duration, secret } from "@signalbox/kit";
import { z } from "zod";

const id = z.union([z.string().min(1), z.int().positive()]);

/** `[services.github]`: a GitHub App, or a personal access token; where both are set, the App is taken. */
export const githubSettings = defineSettings({
  options: z.strictObject({
    app_id: id.optional().describe("App ID or client ID of the GitHub App"),
    installation_id: id.optional().describe("The number at the end of the installation's address"),
    private_key: secret(
      "The App's private key in PEM; line breaks may be written as \\n",
    ).optional(),
    pat: secret("A personal access token, taken where there is no App").optional(),
    url: z
      .url({ protocol: /^https?$/ })
      .default("https://api.github.com")
      .describe("Of an Enterprise Server: https://<host>/api/v3"),
    repository: z
      .string()
      .regex(/^[\w-]+\/[\w.-]+$/, "write it as owner/name")
      .optional()
      .describe("Meant where a call names no repository, as owner/name"),
    api_version: z
      .string()
      .regex(/^\d{4}-\d{2}-\d{2}$/)
      .default("2022-11-28"),
    timeout: duration.default(30_000),
  }),
  env: [
    { name: "GITHUB_APP_ID", path: ["app_id"] },
    { name: "GITHUB_INSTALLATION_ID", path: ["installation_id"] },
    { name: "GITHUB_PRIVATE_KEY", path: ["private_key"] },
    { name: "GITHUB_PAT", path: ["pat"] },
    { name: "GITHUB_API_URL", path: ["url"] },
    { name: "GITHUB_DEFAULT_REPO", path: ["repository"] },
  ],
  missing: ({ app_id, installation_id, private_key, pat }) => {
    if (pat !== undefined) return [];
    const app = [
      ["GITHUB_APP_ID", app_id],
      ["GITHUB_INSTALLATION_ID", installation_id],
      ["GITHUB_PRIVATE_KEY", private_key],
    ] as const;
    const absent = app.flatMap(([name, value]) => (value === undefined ? [name] : []));
    return absent.length < app.length
      ? absent
      : ["GITHUB_PAT, or GITHUB_APP_ID with GITHUB_INSTALLATION_ID and GITHUB_PRIVATE_KEY"];
  },
});
