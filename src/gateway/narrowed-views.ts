/**
 * Views narrowed to what principals may use, made when one first asks and kept for the life of a snapshot. Principals of
 * the same permissions share theirs; where nothing is left out it is the view of everybody.
 */
import type { Permissions } from "../access/index.ts";
import type { View } from "./view.ts";

/** Narrowed views kept; the oldest make room and are made anew when they are asked for again. */
const NARROWED_MAX = 256;

/** What one set of permissions sees of each view, and how many of these are views of their own. */
interface Seen {
  readonly views: Map<View, View>;
  narrowed: number;
}

export class NarrowedViews {
  readonly #seen = new Map<Permissions, Seen>();
  readonly #max: number;
  #count = 0;

  constructor(max = NARROWED_MAX) {
    this.#max = max;
  }

  of(view: View, permissions: Permissions): View {
    return this.#seen.get(permissions)?.views.get(view) ?? this.#make(view, permissions);
  }

  #make(view: View, permissions: Permissions): View {
    const narrowed = view.narrowedTo(permissions);
    if (narrowed !== view && this.#count >= this.#max) this.#makeRoom();
    const seen = this.#seen.get(permissions) ?? { views: new Map<View, View>(), narrowed: 0 };
    this.#seen.set(permissions, seen);
    seen.views.set(view, narrowed);
    if (narrowed !== view) {
      seen.narrowed++;
      this.#count++;
    }
    return narrowed;
  }

  #makeRoom(): void {
    for (const [permissions, { narrowed }] of this.#seen) {
      if (narrowed === 0) continue;
      this.#seen.delete(permissions);
      this.#count -= narrowed;
      return;
    }
  }
}
