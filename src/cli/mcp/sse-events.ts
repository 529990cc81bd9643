export interface SseEvent {
  data: string;
  id: string | undefined;
  retryMs: number | undefined;
}

/** One event of a stream may be this large; a larger one ends the stream with an error. */
const eventCharactersMax = 64 * 1024 * 1024;

/** The events of a text/event-stream body, whatever its line ends and wherever its chunks are cut. */
export async function* sseEvents(body: AsyncIterable<Buffer>): AsyncGenerator<SseEvent> {
  let data: string[] = [];
  let id: string | undefined;
  let retryMs: number | undefined;
  let size = 0;
  for await (const line of linesOf(body)) {
    if (line === "") {
      if (data.length > 0 || id !== undefined || retryMs !== undefined) {
        yield { data: data.join("\n"), id, retryMs };
      }
      data = [];
      id = undefined;
      retryMs = undefined;
      size = 0;
      continue;
    }
    size += line.length;
    if (size > eventCharactersMax) throw new Error("An event of the stream is too large.");
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") data.push(value);
    if (field === "id") id = value;
    if (field === "retry" && /^\d{1,9}$/.test(value)) retryMs = Number(value);
  }
}

async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let size = 0;
  let afterReturn = false;
  for await (const chunk of body) {
    let text = decoder.decode(chunk, { stream: true });
    if (afterReturn && text.startsWith("\n")) text = text.slice(1);
    afterReturn = text === "" ? afterReturn : text.endsWith("\r");
    const lines = text.split(/\r\n|\n|\r/);
    const rest = lines.pop() ?? "";
    for (const line of lines) {
      yield parts.join("") + line;
      parts = [];
      size = 0;
    }
    parts.push(rest);
    size += rest.length;
    if (size > eventCharactersMax) throw new Error("A line of the stream is too long.");
  }
}
