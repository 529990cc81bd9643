import { ServiceError, takeUpTo } from "@signalbox/kit";
import { z } from "zod";
import type { Railway } from "./runtime.ts";

interface Page<Node> {
  readonly nodes: readonly Node[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly endCursor?: string | null | undefined;
  };
}

/** A connection as Relay has it, with nodes of one form. */
export function connectionOf<Node>(node: z.ZodType<Node>): z.ZodType<Page<Node>> {
  return z
    .object({
      edges: z.array(z.object({ node })),
      pageInfo: z
        .object({ hasNextPage: z.boolean(), endCursor: z.string().nullish() })
        .default({ hasNextPage: false }),
    })
    .transform(({ edges, pageInfo }) => ({ nodes: edges.map((edge) => edge.node), pageInfo }));
}

/** Up to `limit` nodes of a connection that `connection` takes out of an answer, and whether there are more. */
export async function upTo<Node>(
  { api }: Railway,
  {
    document,
    variables,
    limit,
    signal,
  }: {
    readonly document: string;
    readonly variables: Readonly<Record<string, unknown>>;
    readonly limit: number;
    readonly signal: AbortSignal;
  },
  schema: z.ZodType<Page<Node>>,
  within: readonly string[],
): Promise<{ items: Node[]; more: boolean }> {
  const first = Math.min(limit + 1, pageMax);
  const nodes = (await api(signal)).pages<Node>(
    { document, variables: { ...variables, first }, signal },
    {
      connection: (data) => {
        const parsed = schema.safeParse(inside(data, within));
        if (!parsed.success)
          throw new ServiceError("Railway answered in a form that is not known here.", {
            kind: "non_retryable",
            code: "VENDOR_ANSWER",
            cause: parsed.error,
          });
        const { nodes: found, pageInfo } = parsed.data;
        const { hasNextPage, endCursor = null } = pageInfo;
        return { nodes: found, pageInfo: { hasNextPage, endCursor } };
      },
      itemsMax: limit + 1,
    },
  );
  return await takeUpTo(nodes, limit);
}

const pageMax = 100;

function inside(data: unknown, [name, ...rest]: readonly string[]): unknown {
  if (name === undefined) return data;
  const inner: unknown =
    typeof data === "object" && data !== null ? Reflect.get(data, name) : undefined;
  return inside(inner, rest);
}
