/** Text as it may stand in HTML, attributes included. */
export function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The icon of all pages, as an address. Their policies have to allow `img-src data:`. */
export const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='3' fill='%231d2327'/%3E%3Ccircle cx='8' cy='5' r='2.5' fill='%233fd197'/%3E%3Ccircle cx='8' cy='11' r='2.5' fill='%235b6670'/%3E%3C/svg%3E";
