import { expect, test } from "vitest";
import { Emitter } from "./events.ts";

type Events = { added: number; removed: string };

test("listeners hear their event in the order of subscription, until they unsubscribe", () => {
  const emitter = new Emitter<Events>();
  const heard: unknown[] = [];
  const off = emitter.on("added", (n) => heard.push(["first", n]));
  emitter.on("added", (n) => heard.push(["second", n]));
  emitter.on("removed", (s) => heard.push(["removed", s]));
  emitter.emit("added", 1);
  off();
  off();
  emitter.emit("added", 2);
  emitter.emit("removed", "x");
  expect(heard).toEqual([
    ["first", 1],
    ["second", 1],
    ["second", 2],
    ["removed", "x"],
  ]);
});

test("a listener that throws is reported and the others still hear", () => {
  const errors: unknown[] = [];
  const emitter = new Emitter<Events>({ onError: (error) => errors.push(error) });
  const heard: number[] = [];
  emitter.on("added", () => {
    throw new Error("mine");
  });
  emitter.on("added", (n) => heard.push(n));
  emitter.emit("added", 1);
  expect(heard).toEqual([1]);
  expect(errors).toEqual([new Error("mine")]);
});

test("one removed during delivery hears nothing more, one added then hears the next", () => {
  const emitter = new Emitter<Events>();
  const heard: string[] = [];
  emitter.on("added", () => {
    heard.push("first");
    offSecond();
    if (heard.length === 1) emitter.on("added", () => heard.push("third"));
  });
  const offSecond = emitter.on("added", () => heard.push("second"));
  emitter.emit("added", 1);
  emitter.emit("added", 2);
  expect(heard).toEqual(["first", "first", "third"]);
});

test("events without listeners and of odd names are harmless", () => {
  const emitter = new Emitter<Record<string, number>>();
  expect(() => emitter.emit("__proto__", 1)).not.toThrow();
  expect(() => emitter.emit("constructor", 1)).not.toThrow();
});
