/**
 * The POSTs that are not answered yet: what a sign of life goes to, and what ends when the client goes. One object per POST
 * and a dense array: a Set or Map that every call enters and leaves makes the garbage collector's work several times more.
 */
import type { Cancellable } from "./legacy-session.ts";
import type { Reply } from "./reply.ts";

/** Why a call is cancelled whose client closed its request. */
export const CLIENT_GONE = "the client closed the request";

export class OpenPost {
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  reply: Reply | undefined;
  /** What the client gives up by going away (2026-07-28, streamable HTTP, "Cancellation"); legacy clients give up nothing. */
  call: Cancellable | undefined;
  /** The client went away before it was answered: what would only start now is given up at once. */
  gone = false;
  /** When it next needs a sign of life, in monotonic milliseconds. */
  dueAt = 0;
  place = -1;

  constructor(startedAt: number) {
    this.startedAt = startedAt;
  }
}

export class OpenPosts {
  readonly #posts: OpenPost[] = [];

  add(post: OpenPost): void {
    post.place = this.#posts.length;
    this.#posts.push(post);
  }

  remove(post: OpenPost): void {
    const last = this.#posts.pop();
    if (last !== undefined && last !== post) {
      last.place = post.place;
      this.#posts[post.place] = last;
    }
    post.place = -1;
  }

  /** Sends a sign of life to all that are due at `now`, and again `every` milliseconds later. */
  keepAlive(now: number, every: number): void {
    for (const post of this.#posts) {
      if (now < post.dueAt) continue;
      post.dueAt = now + every;
      post.reply?.keepAlive();
    }
  }
}
