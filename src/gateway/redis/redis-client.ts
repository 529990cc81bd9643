import { createClient } from "@redis/client";

/** A connection on which nothing comes for so long is made anew; pings see to it that something does. */
const SILENCE_MAX_MS = 15_000;
const PING_EVERY_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;
const COMMANDS_MAX = 10_000;

/** A client that fails at once while it is not connected, and connects again by itself. */
// oxlint-disable-next-line typescript/explicit-function-return-type, typescript/explicit-module-boundary-types -- the library's types have no short name
export function redisClient(url: string) {
  return createClient({
    url,
    name: "signalbox",
    disableOfflineQueue: true,
    commandsQueueMaxLength: COMMANDS_MAX,
    pingInterval: PING_EVERY_MS,
    maintNotifications: "disabled",
    socket: { connectTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SILENCE_MAX_MS },
  });
}
