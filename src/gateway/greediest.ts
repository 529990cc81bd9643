/** Room is made at the expense of whoever has most: a client that takes too much harms itself and nobody else. */

/** Something that is held by a principal, and of which there is a limited number. */
export interface Held {
  readonly principal: { readonly id: string };
}

/** Whoever holds most of these. */
export function greediest(held: Iterable<Held>): { readonly id: string; readonly count: number } {
  let most = { id: "", count: 0 };
  for (const [id, count] of counted(held)) if (count > most.count) most = { id, count };
  return most;
}

/** Who must give one up for `asker`: whoever holds most, where that is more than the asker will have. */
export function whoGivesWay(held: readonly Held[], asker: string): string | undefined {
  const { id, count } = greediest(held);
  const own = held.filter(({ principal }) => principal.id === asker).length;
  return count > own + 1 ? id : undefined;
}

function counted(held: Iterable<Held>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { principal } of held) counts.set(principal.id, (counts.get(principal.id) ?? 0) + 1);
  return counts;
}
