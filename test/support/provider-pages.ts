// The pages of the authorization servers of the tests, as a person uses them.
import type { Page } from "playwright-core";

/** Signs in as `account` where that is asked for, agrees to whatever is asked, and waits for the page behind all that. */
export async function agree(page: Page, account: string): Promise<void> {
  const { origin } = new URL(page.url());
  for (let asked = 0; asked < askedMax && page.url().startsWith(origin); asked++) {
    const button = page.getByRole("button", { name: /^(Sign-in|Continue)$/ });
    if ((await button.textContent()) === "Sign-in") {
      await page.getByPlaceholder("Enter any login").fill(account);
      await page.getByPlaceholder("and password").fill("any");
    }
    await leaving(page, () => button.click());
  }
}

/** Says no. */
export async function refuse(page: Page): Promise<void> {
  await leaving(page, () => page.getByRole("link", { name: "Cancel" }).click());
}

/** Does something that leads to another page, and waits for that. */
export async function leaving(page: Page, act: () => Promise<unknown>): Promise<void> {
  const before = page.url();
  await Promise.all([page.waitForURL(({ href }) => href !== before), act()]);
}

const askedMax = 5;
