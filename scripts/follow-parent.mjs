// Loaded before the gateway when another process holds its handle: ends it in good order when that process is gone.
//
// A launcher killed with -9 cannot pass anything on, so the gateway looks for itself.
const checkMs = 500;
const parent = Number(process.env.SIGNALBOX_PARENT_PID);
delete process.env.SIGNALBOX_PARENT_PID;

const timer = setInterval(() => {
  if (isThere()) return;
  clearInterval(timer);
  process.kill(process.pid, "SIGTERM");
}, checkMs);
timer.unref();

function isThere() {
  // An orphan gets a new parent everywhere but on Windows, where the number stays and its bearer may be gone.
  if (process.platform !== "win32") return process.ppid === parent;
  try {
    return process.kill(parent, 0);
  } catch {
    return false;
  }
}
