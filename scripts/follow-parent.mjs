// Loaded before the gateway when other processes hold its handle (npm, its shell, our own launcher): ends the
// gateway in good order when one of them is gone, since a process killed with -9 can pass nothing on.
const checkMs = 250;
const holders = (process.env.SIGNALBOX_HOLDERS ?? "").split(",").map(Number);
delete process.env.SIGNALBOX_HOLDERS;
const isOurParent = holders[0] === process.ppid;

const timer = setInterval(() => {
  if (!isHeld()) process.kill(process.pid, "SIGTERM");
}, checkMs);
timer.unref();

// A gateway that is told to stop is on its way: our signal would be a second one, which means "at once".
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stopWatching(signal));

function stopWatching(signal) {
  clearInterval(timer);
  // Before the gateway listens to signals itself, they mean what they mean without us: the end.
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}

function isHeld() {
  // An orphan gets a new parent at once, while the number of a dead process may live on in another.
  return (!isOurParent || holders[0] === process.ppid) && holders.every(isAlive);
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}
