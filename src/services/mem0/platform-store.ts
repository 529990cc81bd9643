// Mem0's platform: paths end with a slash, and what is to be remembered is worked on in the background, told as an event.
import { ServiceError, path, takeUpTo, type Clock, type RestClient } from "@signalbox/kit";
import { z } from "zod";
import { asFields, change, memory, tellChange } from "./memory.ts";
import type { Remembered, Store } from "./store.ts";

const outcome = z.object({
  id: z.string(),
  memory: z.string().optional(),
  data: z.object({ memory: z.string().optional() }).optional(),
  event: z.string().optional(),
});
const added = z.object({
  status: z.string().optional(),
  event_id: z.string().optional(),
  results: z.array(outcome).optional(),
});
const event = z.object({ id: z.string(), status: z.string(), results: z.array(outcome).nullish() });
const page = z.object({ results: z.array(memory), next: z.string().nullish() });

/** Speaks to Mem0's platform, API v3 and what of v1 it still has. */
export function platformStore(
  api: RestClient,
  { clock, eventsTimeoutMs }: { clock: Clock; eventsTimeoutMs: number },
): Store {
  const eventOf = async (id: string, signal: AbortSignal) => {
    const { status, results } = await api.ask({ path: path`/v1/event/${id}/`, signal }, event);
    return { ...remembered(results ?? [], pendingStatuses.has(status), id), status };
  };

  const settled = async (id: string, signal: AbortSignal): Promise<Remembered> => {
    const deadlineMs = clock.monotonicMs() + eventsTimeoutMs;
    for (let pollMs = pollFirstMs; ; pollMs = Math.min(pollMs * 2, pollMsMax)) {
      const { status, ...found } = await eventOf(id, signal);
      if (status === "FAILED")
        throw new ServiceError(`Mem0 could not remember this (event ${id}).`, {
          kind: "non_retryable",
          code: "NOT_REMEMBERED",
        });
      if (!found.pending || clock.monotonicMs() + pollMs > deadlineMs) return found;
      await clock.wait(pollMs, signal);
    }
  };

  return {
    add: async (messages, scope, { metadata, infer }, signal) => {
      const json = {
        messages,
        ...asFields(scope),
        infer,
        ...(metadata !== undefined && { metadata }),
      };
      const answer = await api.ask(
        { method: "POST", path: "/v3/memories/add/", json, signal },
        added,
      );
      if (answer.results !== undefined) return remembered(answer.results, false, answer.event_id);
      if (answer.event_id === undefined) return { memories: [], pending: true };
      return await settled(answer.event_id, signal);
    },
    search: async (query, scope, { limit, threshold }, signal) => {
      const json = {
        query,
        filters: asFields(scope),
        top_k: limit,
        ...(threshold !== undefined && { threshold }),
      };
      const request = {
        method: "POST",
        path: "/v3/memories/search/",
        json,
        safe: true,
        signal,
      } as const;
      return (await api.ask(request, z.object({ results: z.array(memory) }))).results;
    },
    list: async (scope, limit, signal) => {
      const json = { filters: asFields(scope) };
      const at = (number: number) => ({ page: number, page_size: Math.min(limit + 1, 100) });
      let number = 1;
      const found = api.pages(
        { method: "POST", path: "/v3/memories/", query: at(1), json, safe: true, signal },
        {
          items: (data) => page.parse(data).results,
          next: ({ data }, request) =>
            (page.parse(data).next ?? null) === null
              ? undefined
              : { ...request, query: at(++number) },
          itemsMax: limit + 1,
        },
      );
      return await takeUpTo(found, limit);
    },
    get: (id, signal) => api.ask({ path: path`/v1/memories/${id}/`, signal }, memory),
    update: async (id, text, signal) => {
      await api.request({ method: "PUT", path: path`/v1/memories/${id}/`, json: { text }, signal });
    },
    remove: async (id, signal) => {
      await api.request({ method: "DELETE", path: path`/v1/memories/${id}/`, signal });
    },
    removeAll: async (scope, signal) => {
      await api.request({
        method: "DELETE",
        path: "/v1/memories/",
        query: asFields(scope),
        signal,
      });
    },
    history: async (id, signal) =>
      (await api.ask({ path: path`/v1/memories/${id}/history/`, signal }, z.array(change))).map(
        tellChange,
      ),
    event: eventOf,
    ping: async (signal) => {
      await api.request({ path: "/v1/ping/", signal });
    },
  };
}

function remembered(
  results: readonly z.output<typeof outcome>[],
  pending: boolean,
  eventId: string | undefined,
): Remembered {
  return {
    memories: results.map(({ id, memory: text, data, event: what }) => ({
      id,
      memory: text ?? data?.memory ?? "",
      event: what ?? "ADD",
    })),
    pending,
    ...(eventId !== undefined && { eventId }),
  };
}

const pendingStatuses: ReadonlySet<string> = new Set(["PENDING", "RUNNING"]);
const pollFirstMs = 500;
const pollMsMax = 4_000;
