import { readdirSync } from "node:fs";
import { constants, monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import type { Metrics } from "./metrics.ts";

/**
 * Registers what the process itself uses: CPU, memory, files, event-loop lag, garbage collection, and the build.
 * Gathered when scraped. The returned function ends the measuring.
 */
export function processMetrics(
  metrics: Metrics,
  build: { version?: string; commit?: string } = {},
): () => void {
  metrics
    .gauge("mcp_build_info", "Always 1; the labels tell what runs.", ["version", "commit", "node"])
    .slot(build.version ?? "unknown", build.commit ?? "unknown", process.version)
    .set(1);
  cpu(metrics);
  memory(metrics);
  openFiles(metrics);
  const endings = [eventLoop(metrics), garbageCollection(metrics)];
  return () => {
    for (const end of endings) end();
  };
}

function cpu(metrics: Metrics): void {
  const user = metrics
    .counter("process_cpu_user_seconds_total", "CPU time spent in own code.")
    .slot();
  const system = metrics
    .counter("process_cpu_system_seconds_total", "CPU time in the kernel.")
    .slot();
  const total = metrics.counter("process_cpu_seconds_total", "CPU time altogether.").slot();
  metrics
    .gauge("process_start_time_seconds", "When the process started, in seconds since 1970.")
    .slot()
    .set(Date.now() / 1000 - process.uptime());
  metrics.collect(() => {
    const used = process.cpuUsage();
    user.inc(used.user / 1e6 - user.value);
    system.inc(used.system / 1e6 - system.value);
    total.inc((used.user + used.system) / 1e6 - total.value);
  });
}

function memory(metrics: Metrics): void {
  const resident = metrics.gauge("process_resident_memory_bytes", "Memory held in RAM.").slot();
  const used = metrics.gauge("nodejs_heap_size_used_bytes", "JavaScript heap in use.").slot();
  const total = metrics.gauge("nodejs_heap_size_total_bytes", "JavaScript heap reserved.").slot();
  const external = metrics.gauge("nodejs_external_memory_bytes", "Memory of buffers.").slot();
  metrics.collect(() => {
    const usage = process.memoryUsage();
    resident.set(usage.rss);
    used.set(usage.heapUsed);
    total.set(usage.heapTotal);
    external.set(usage.external);
  });
}

function openFiles(metrics: Metrics): void {
  if (process.platform !== "linux") return;
  const open = metrics.gauge("process_open_fds", "Open files and sockets.").slot();
  metrics.collect(() => open.set(readdirSync("/proc/self/fd").length));
}

function eventLoop(metrics: Metrics): () => void {
  const p50 = metrics
    .gauge("nodejs_eventloop_lag_p50_seconds", "Median event-loop lag since the last scrape.")
    .slot();
  const p99 = metrics
    .gauge(
      "nodejs_eventloop_lag_p99_seconds",
      "99th percentile of event-loop lag since the last scrape.",
    )
    .slot();
  const max = metrics
    .gauge("nodejs_eventloop_lag_max_seconds", "Longest event-loop lag since the last scrape.")
    .slot();
  const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  delay.enable();
  metrics.collect(() => {
    if (delay.count === 0) return;
    p50.set(lag(delay.percentile(50)));
    p99.set(lag(delay.percentile(99)));
    max.set(lag(delay.max));
    delay.reset();
  });
  return () => {
    delay.disable();
  };
}

const LAG_RESOLUTION_MS = 20;

// The timer's own period is part of what is measured.
function lag(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - LAG_RESOLUTION_MS / 1e3);
}

const gcKinds: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, "minor"],
  [constants.NODE_PERFORMANCE_GC_MAJOR, "major"],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, "incremental"],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, "weakcb"],
]);

function garbageCollection(metrics: Metrics): () => void {
  const durations = metrics.histogram(
    "nodejs_gc_duration_seconds",
    "Pauses for garbage collection.",
    ["kind"],
    [0.001, 0.01, 0.1, 1],
  );
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const kind: unknown = Reflect.get(Object(Reflect.get(entry, "detail")), "kind");
      const name = (typeof kind === "number" ? gcKinds.get(kind) : undefined) ?? "other";
      durations.slot(name).observe(entry.duration / 1000);
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return () => {
    observer.disconnect();
  };
}
