import type { EventId, EventStore, JSONRPCMessage, StreamId } from "@modelcontextprotocol/server";

const eventsMax = 1_000;

/** Keeps the last thousand events of one session so that a stream can be resumed; older ones are forgotten. */
export function createEventStore(): EventStore {
  const events: { id: EventId; stream: StreamId; message: JSONRPCMessage }[] = [];
  let minted = 0;
  return {
    storeEvent: async (stream, message) => {
      minted += 1;
      const id = `${stream}/${minted}`;
      events.push({ id, stream, message });
      if (events.length > eventsMax) events.shift();
      return id;
    },
    getStreamIdForEventId: async (id) => streamOf(id),
    replayEventsAfter: async (lastId, { send }) => {
      const stream = streamOf(lastId);
      const last = sequenceOf(lastId);
      for (const event of events)
        if (event.stream === stream && sequenceOf(event.id) > last && "jsonrpc" in event.message)
          await send(event.id, event.message);
      return stream;
    },
  };
}

function streamOf(id: EventId): StreamId {
  return id.slice(0, id.lastIndexOf("/"));
}

function sequenceOf(id: EventId): number {
  return Number(id.slice(id.lastIndexOf("/") + 1));
}
