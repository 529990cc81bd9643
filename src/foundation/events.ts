/**
 * Named events with typed payloads, delivered synchronously in the order of subscription.
 * A listener that throws harms neither the emitter nor the other listeners: its error goes to `onError`
 * (default: a process warning).
 */
export class Emitter<Events extends Record<string, unknown>> {
  readonly #listeners = new Map<keyof Events, Set<Subscription>>();
  readonly #onError: (error: unknown) => void;

  constructor(options: { onError?: (error: unknown) => void } = {}) {
    this.#onError = options.onError ?? warn;
  }

  /** Subscribes; the returned function ends the subscription and may be called again harmlessly. */
  on<Name extends keyof Events>(name: Name, listener: (payload: Events[Name]) => void): () => void {
    // Wrapped, so that the same function subscribed twice is two subscriptions.
    const subscription = { deliver: (payload: Events[Name]): void => listener(payload) };
    const subscriptions = this.#listeners.get(name) ?? new Set<Subscription>();
    this.#listeners.set(name, subscriptions.add(subscription));
    return () => {
      subscriptions.delete(subscription);
    };
  }

  emit<Name extends keyof Events>(name: Name, payload: Events[Name]): void {
    const subscriptions = this.#listeners.get(name);
    if (subscriptions === undefined) return;
    for (const subscription of Array.from(subscriptions)) {
      if (subscriptions.has(subscription)) this.#deliver(subscription, payload);
    }
  }

  #deliver(subscription: Subscription, payload: unknown): void {
    try {
      subscription.deliver(payload);
    } catch (error) {
      this.#onError(error);
    }
  }
}

// A method, so that each may take its own event's payload: `on` and `emit` hold the two together by name.
interface Subscription {
  deliver(payload: unknown): void;
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
