/**
 * Runs `work` after `firstMs` and then every `everyMs` until the signal aborts, never two runs at once. Does not keep the
 * process alive; what `work` rejects with goes to `failed`.
 */
export function repeat(
  work: () => Promise<void>,
  options: {
    firstMs: number;
    everyMs: number;
    signal: AbortSignal;
    failed: (error: unknown) => void;
  },
): void {
  const { firstMs, everyMs, signal, failed } = options;
  if (signal.aborted) return;
  let timer = setTimeout(run, firstMs).unref();
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });

  function run(): void {
    work()
      .catch(failed)
      .finally(() => {
        if (!signal.aborted) timer = setTimeout(run, everyMs).unref();
      });
  }
}
