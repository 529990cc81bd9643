// Which settings hold secrets of the gateway itself, and where the file has them from. No server may be given those.
import { isSecretName } from "../foundation/index.ts";
import { referencesIn } from "../gateway/index.ts";
import { schemaAt } from "./schema-node.ts";
import type { SettingPath } from "./setting-path.ts";

/** Variables and files that hold secrets of the gateway. */
export interface OwnSources {
  readonly variables: ReadonlySet<string>;
  readonly files: readonly string[];
}

/** Whether a setting holds a secret of the gateway: by its name, or because it takes an address with a password. */
export function holdsSecret(path: SettingPath): boolean {
  // A service's is a key to something else, which a server may be given as well.
  if (path[0] === "services") return false;
  // An entry of a list is as secret as the list.
  const name = path.findLast((segment) => !/^\d+$/.test(segment)) ?? "";
  return isSecretName(name) || (/(^|_)url$/.test(name) && takesPassword(path));
}

/** What the secrets in the file refer to; `settings` are those with references, as they are written. */
export function ownSourcesOf(settings: Iterable<readonly [SettingPath, string]>): OwnSources {
  const references = [...settings].flatMap(([path, text]) =>
    holdsSecret(path) ? referencesIn(text) : [],
  );
  const named = (kind: "env" | "file"): string[] =>
    references.filter((one) => one.kind === kind).map(({ name }) => name);
  return { variables: new Set(named("env")), files: named("file") };
}

function takesPassword(path: SettingPath): boolean {
  const schema = schemaAt(path);
  return ["postgres", "redis", "https"].some(
    (scheme) => schema?.safeParse(`${scheme}://name:password@host/place`).success === true,
  );
}
