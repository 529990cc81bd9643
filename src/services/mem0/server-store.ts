// Mem0's open-source server: everything is done at once, and nothing comes in pages.
import { ToolError, path, type RestClient } from "@signalbox/kit";
import { z } from "zod";
import { asFields, change, memory, tellChange } from "./memory.ts";
import type { Store } from "./store.ts";

const outcome = z.object({ id: z.string(), memory: z.string(), event: z.string().default("ADD") });
/** Older servers answer with the list itself. */
function listOf<Item>(item: z.ZodType<Item>): z.ZodType<Item[]> {
  const list = z.array(item);
  return z.union([list, z.object({ results: list }).transform(({ results }) => results)]);
}

/** Speaks to a server of one's own. */
export function serverStore(api: RestClient): Store {
  return {
    add: async (messages, scope, { metadata, infer }, signal) => {
      const json = {
        messages,
        ...asFields(scope),
        infer,
        ...(metadata !== undefined && { metadata }),
      };
      const request = { method: "POST", path: "/memories", json, signal } as const;
      return { memories: await api.ask(request, listOf(outcome)), pending: false };
    },
    search: async (query, scope, { limit, threshold = 0 }, signal) => {
      const json = { query, filters: asFields(scope), ...asFields(scope), top_k: limit };
      const request = { method: "POST", path: "/search", json, safe: true, signal } as const;
      const found = await api.ask(request, listOf(memory));
      return found.filter(({ score }) => (score ?? 1) >= threshold).slice(0, limit);
    },
    list: async (scope, limit, signal) => {
      const found = await api.ask(
        { path: "/memories", query: asFields(scope), signal },
        listOf(memory),
      );
      return { items: found.slice(0, limit), more: found.length > limit };
    },
    get: async (id, signal) => {
      const found = await api.ask({ path: path`/memories/${id}`, signal }, memory.nullable());
      if (found !== null) return found;
      throw new ToolError(`There is no memory "${id}". list names them.`, { code: "NOT_FOUND" });
    },
    update: async (id, text, signal) => {
      await api.request({ method: "PUT", path: path`/memories/${id}`, json: { text }, signal });
    },
    remove: async (id, signal) => {
      await api.request({ method: "DELETE", path: path`/memories/${id}`, signal });
    },
    removeAll: async (scope, signal) => {
      await api.request({ method: "DELETE", path: "/memories", query: asFields(scope), signal });
    },
    history: async (id, signal) =>
      (await api.ask({ path: path`/memories/${id}/history`, signal }, listOf(change))).map(
        tellChange,
      ),
    event: () =>
      Promise.reject(
        new ToolError("A server of your own has no events: it remembers at once.", {
          code: "NOT_SUPPORTED",
        }),
      ),
    ping: async (signal) => {
      // Every version has it, and it needs the key where one is set.
      await api.request({ path: "/memories", query: { user_id: "signalbox-health" }, signal });
    },
  };
}
