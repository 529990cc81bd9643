import { expect, test } from "vitest";
import { requireGoodPassword } from "./password-rules.ts";

const about = ["ada.lovelace", "ada@example.com"];

test.each([
  ["short", /needs at least 12/],
  ["x".repeat(201), /more than 200/],
  ["aaaaaaaaaaaa", /repeats itself/],
  ["abcdeabcdeabcde", /repeats itself/],
  ["ada.lovelace12", /little more than the name/],
  ["Password1234", /tried first/],
  ["qwerty123456", /tried first/],
  ["change-me-please", /tried first/],
  ["tab\tcharacters", /cannot be typed/],
])("%j is refused", (password, why) => {
  expect(() => requireGoodPassword(password, about)).toThrow(why);
});

test.each([
  ["correct horse battery"],
  ["k7#Wq9!zLm2x"],
  ["привет мир, как дела"],
  ["ada.lovelace likes tea"],
])("%j is taken", (password) => {
  expect(() => requireGoodPassword(password, about)).not.toThrow();
});
