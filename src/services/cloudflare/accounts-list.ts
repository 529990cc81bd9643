import { z } from "zod";
import { pageInput, pageOutput } from "./paging.ts";
import { tool } from "./runtime.ts";

const account = z.object({ id: z.string(), name: z.string() });

export const accountsList = tool({
  name: "accounts_list",
  title: "Accounts",
  description: "Lists the accounts that the credentials may see; CLOUDFLARE_ACCOUNT_ID names one.",
  input: z.object(pageInput(50, 20)),
  output: z.object({ accounts: z.array(account), ...pageOutput }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 300,
  handler: async ({ page, perPage }, { runtime: { api }, signal }) => {
    const { items, ...rest } = await api.page(
      { path: "/accounts", query: { page, per_page: perPage }, signal },
      account,
    );
    return { accounts: items, ...rest };
  },
});
