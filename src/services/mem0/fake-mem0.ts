// A double of Mem0 for tests, in both of its APIs: keys, memories by scope, events that take a few looks, pages.
import { jsonResponse, type SeenRequest } from "@signalbox/kit/testing";
import { z } from "zod";

interface FakeMemory {
  readonly id: string;
  memory: string;
  readonly user_id: string | null;
  readonly agent_id: string | null;
  readonly run_id: string | null;
  readonly metadata: Record<string, unknown> | null;
  readonly before: string[];
}

export class FakeMem0 {
  readonly key = "m0-key-of-tests";
  readonly memories: FakeMemory[] = [];
  /** Answers that come before the real ones. */
  readonly next: Response[] = [];
  /** Looks until an event is over, and how it ends. */
  looks = 2;
  outcome = "SUCCEEDED";
  readonly #events = new Map<string, { looks: number; results: unknown[] }>();
  #ids = 0;

  readonly answer = (request: SeenRequest): Response => this.next.shift() ?? this.#answer(request);

  #answer(request: SeenRequest): Response {
    const { method, url, headers } = request;
    const platform = url.hostname === "api.mem0.ai";
    const known = platform
      ? headers["authorization"] === `Token ${this.key}`
      : headers["x-api-key"] === this.key;
    if (!known) return jsonResponse({ detail: "Invalid API key." }, { status: 401 });
    if (platform && !url.pathname.endsWith("/"))
      return jsonResponse({ detail: "moved" }, { status: 301 });
    const bare = url.pathname.replace(/\/$/, "").replace(/^\/v[13]/, "");
    const [, kind, id, below] = bare.split("/");
    const given = body.parse(request.json ?? {});
    const step = `${method} ${kind}${id === undefined ? "" : id === "add" || id === "search" ? `/${id}` : "/id"}${below === undefined ? "" : `/${below}`}`;
    switch (step) {
      case "GET ping":
        return jsonResponse({
          status: "ok",
          org_id: "o",
          project_id: "p",
          user_email: "ana@example.com",
        });
      case "POST memories/add":
        return this.#begin(given);
      case "GET event/id":
        return this.#event(id ?? "");
      case "POST memories":
        return platform
          ? this.#page(given.filters ?? {}, url)
          : jsonResponse({ results: this.#add(given) });
      case "POST memories/search":
      case "POST search":
        return jsonResponse({ results: this.#search(given) });
      case "GET memories":
        return jsonResponse({ results: this.#of(Object.fromEntries(url.searchParams)).map(told) });
      case "DELETE memories": {
        const gone = new Set(this.#of(Object.fromEntries(url.searchParams)));
        this.memories.splice(0, Infinity, ...this.memories.filter((one) => !gone.has(one)));
        return jsonResponse({ message: "Memories deleted successfully!" });
      }
    }
    const found = this.memories.find((one) => one.id === id);
    if (found === undefined) return jsonResponse({ error: "Memory not found!" }, { status: 404 });
    return this.#one(step, found, given);
  }

  #one(step: string, found: FakeMemory, { text = "" }: Body): Response {
    switch (step) {
      case "GET memories/id":
        return jsonResponse(told(found));
      case "PUT memories/id":
        found.before.push(found.memory);
        found.memory = text;
        return jsonResponse(told(found));
      case "DELETE memories/id":
        this.memories.splice(this.memories.indexOf(found), 1);
        return jsonResponse({ message: "Memory deleted successfully!" });
      default:
        return jsonResponse(
          [...found.before, found.memory].map((memory, at, all) => ({
            id: uuid(900 + at),
            memory_id: found.id,
            input: [],
            old_memory: all[at - 1] ?? null,
            new_memory: memory,
            user_id: "u",
            event: at === 0 ? "ADD" : "UPDATE",
            metadata: null,
            created_at: at0,
            updated_at: at0,
          })),
        );
    }
  }

  #add({ messages = [], user_id, agent_id, run_id, metadata }: Body) {
    return messages.map(({ content }) => {
      const made = {
        id: uuid(++this.#ids),
        memory: content,
        user_id: user_id ?? null,
        agent_id: agent_id ?? null,
        run_id: run_id ?? null,
        metadata: metadata ?? null,
        before: [],
      };
      this.memories.unshift(made);
      return { id: made.id, memory: content, event: "ADD" };
    });
  }

  #begin(given: Body): Response {
    const results = this.#add(given).map(({ id, memory, event }) => ({
      id,
      data: { memory },
      event,
    }));
    const eventId = uuid(500 + this.#events.size);
    if (given.infer === false)
      return jsonResponse({ message: "done", status: "SUCCEEDED", event_id: eventId, results });
    this.#events.set(eventId, { looks: this.looks, results });
    return jsonResponse({ message: "queued", status: "PENDING", event_id: eventId });
  }

  #event(id: string): Response {
    const found = this.#events.get(id);
    if (found === undefined) return jsonResponse({ error: "Event not found" }, { status: 404 });
    const over = --found.looks < 0;
    return jsonResponse({
      id,
      event_type: "ADD",
      status: over ? this.outcome : "RUNNING",
      payload: {},
      metadata: null,
      results: over ? found.results : [],
      created_at: at0,
      updated_at: at0,
    });
  }

  #page(filters: Record<string, string>, url: URL): Response {
    const all = this.#of(filters);
    const number = Number(url.searchParams.get("page"));
    const size = Number(url.searchParams.get("page_size"));
    const more = number * size < all.length;
    return jsonResponse({
      count: all.length,
      next: more ? `${url.origin}${url.pathname}?page=${number + 1}` : null,
      previous: null,
      results: all.slice((number - 1) * size, number * size).map(told),
    });
  }

  #search({ query = "", filters = {}, top_k = 10, threshold = 0.1 }: Body) {
    const words = query.toLowerCase().split(" ");
    return this.#of(filters)
      .map((one) => ({
        ...told(one),
        score:
          words.filter((word) => one.memory.toLowerCase().includes(word)).length / words.length,
      }))
      .filter(({ score }) => score >= threshold)
      .toSorted((a, b) => b.score - a.score)
      .slice(0, top_k);
  }

  #of({ user_id, agent_id, run_id }: Record<string, string>): FakeMemory[] {
    return this.memories.filter(
      (one) =>
        (user_id === undefined || one.user_id === user_id) &&
        (agent_id === undefined || one.agent_id === agent_id) &&
        (run_id === undefined || one.run_id === run_id),
    );
  }
}

const body = z.object({
  messages: z.array(z.object({ content: z.string() })).optional(),
  user_id: z.string().optional(),
  agent_id: z.string().optional(),
  run_id: z.string().optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  infer: z.boolean().optional(),
  text: z.string().optional(),
  query: z.string().optional(),
  filters: z.record(z.string(), z.string()).optional(),
  top_k: z.number().optional(),
  threshold: z.number().optional(),
});
type Body = z.output<typeof body>;

const at0 = "2026-01-01T00:00:00Z";

function uuid(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
}

function told({ before: _before, ...one }: FakeMemory) {
  return { ...one, categories: [], created_at: at0, updated_at: at0 };
}
