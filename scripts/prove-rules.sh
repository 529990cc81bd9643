#!/bin/sh
# Plants one violation per rule in a copy of this repository and checks that the right tool refuses it where it
# stands. A check that sees nothing also passes, so this runs with the tests and whenever a tool is upgraded.
set -u
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
work=$(mktemp -d) && copy="$work/copy" && mkdir "$copy" || exit 1
trap 'rm -rf "$work"' EXIT
(cd "$root" && tar -cf - --exclude=./node_modules --exclude=./.git --exclude=./.signalbox .) | tar -xf - -C "$copy"
ln -s "$root/node_modules" "$copy/node_modules"
cd "$copy" || exit 1

missed=0
number=0
tab=$(printf '\t')

run() { # file below node_modules, arguments
  file=$1
  shift
  node scripts/bootstrap.mjs run "node_modules/$file" "$@" 2>&1
}
layers() { run dependency-cruiser/bin/dependency-cruiser.mjs --config .dependency-cruiser.mjs --output-type err-long src kit packs; }
lint() { run oxlint/bin/oxlint --deny-warnings --format=unix; }
types() { run typescript/bin/tsc --pretty false; }
unused() { run knip/bin/knip.js --reporter compact; }
format() { run oxfmt/bin/oxfmt --check; }

plant() { # the violation's name, a word of the rule that must refuse it, the planted file's path, its text
  number=$((number + 1))
  mkdir -p "$(dirname "$3")" && printf '%b' "$4" >"$3"
  printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$work/planted"
}

refuse() { # the tool that must refuse all that was planted since the last call
  "$1" >"$work/output"
  status=$?
  while IFS="$tab" read -r name rule file; do
    if [ "$status" -ne 0 ] && grep -F -- "$rule" "$work/output" | grep -qF -- "$file"; then echo "refused  $name"
    else echo "MISSED   $name" && missed=$((missed + 1)); fi
    rm -f "$file"
  done <"$work/planted"
  : >"$work/planted"
}

one='export const one = 1;\n'
mkdir -p src/store packs/planted/src
printf 'export type Row = string;\n' >src/store/planted-row.ts

plant "the data plane reaches the store" gateway-uses-only src/gateway/planted-a.ts 'import type { Row } from "../store/index.ts";\nexport type R = Row;\n'
plant "the same, hidden behind \`using\`" gateway-uses-only src/gateway/planted-b.ts 'import { openStore } from "../store/index.ts";\nexport async function f(): Promise<void> {\n  await using store = await openStore();\n  void store;\n}\n'
plant "the same, at run time" gateway-uses-only src/gateway/planted-c.ts 'export const f = async (): Promise<unknown> => import("../store/index.ts");\n'
plant "the protocol looks up to the upstream" protocol-uses-only src/protocol/planted.ts 'import type { Lane } from "../upstream/index.ts";\nexport type L = Lane;\n'
plant "the floor imports a module" foundation-uses-only src/foundation/planted.ts 'import type { Lane } from "../upstream/index.ts";\nexport type L = Lane;\n'
plant "the API reaches the store" api-uses-only src/api/planted.ts 'import type { Row } from "../store/index.ts";\nexport type R = Row;\n'
plant "the operations reach the gateway" ops-uses-only src/ops/planted.ts 'import type { Gateway } from "../gateway/index.ts";\nexport type G = Gateway;\n'
plant "the command line imports the server" cli-uses-only src/cli/planted.ts 'import type { Gateway } from "../gateway/index.ts";\nexport type G = Gateway;\n'
plant "a module is entered past its index" modules-meet-at-their-index src/registry/planted.ts 'import type { Row } from "../store/planted-row.ts";\nexport type R = Row;\n'
plant "the root enters a module past its index" the-root-uses-indexes-too src/planted.ts 'import type { Row } from "./store/planted-row.ts";\nexport type R = Row;\n'
plant "two files import each other" no-cycles src/store/planted-egg.ts 'import type { Hen } from "./planted-hen.ts";\nexport type Egg = Hen | 1;\n'
printf 'import type { Egg } from "./planted-egg.ts";\nexport type Hen = Egg | 2;\n' >src/store/planted-hen.ts
plant "a service imports the server" services-uses-only src/services/planted/index.ts 'import type { Gateway } from "../../gateway/index.ts";\nexport type G = Gateway;\n'
plant "a service imports a sibling" services-never-import-each-other src/services/planted-twin/index.ts 'import type { G } from "../planted/index.ts";\nexport type H = G;\n'
plant "a pack imports the server" packs-see-only-the-kit packs/planted/src/planted.ts 'import type { Gateway } from "../../../src/gateway/index.ts";\nexport type G = Gateway;\n'
plant "the kit imports the server" kit-stands-alone kit/src/planted.ts 'import type { Gateway } from "../../src/gateway/index.ts";\nexport type G = Gateway;\n'
plant "a module that is missing from the map" every-module-is-on-the-map src/rogue/planted.ts 'import type { Log } from "../foundation/index.ts";\nexport type L = Log;\n'
plant "a drawer" no-grab-bags src/gateway/planted-d.ts 'export { one } from "./utils/planted.ts";\n'
mkdir -p src/gateway/utils && printf '%b' "$one" >src/gateway/utils/planted.ts
plant "an import that resolves nowhere" nothing-unresolvable src/gateway/planted-e.ts 'import { u } from "./missing.ts";\nexport const v = u;\n'
plant "undici outside the upstream" undici-stays-in-upstream src/gateway/planted-f.ts 'import { Pool } from "undici";\nexport const P = Pool;\n'
plant "pg outside the store" pg-stays-in-store src/registry/planted-b.ts 'import pg from "pg";\nexport const P = pg;\n'
plant "Drizzle outside the store" drizzleorm-stays-in-store src/registry/planted-c.ts 'import { sql } from "drizzle-orm";\nexport const s = sql;\n'
plant "Hono outside the API" hono-stays-in-api src/gateway/planted-g.ts 'import { Hono } from "hono";\nexport const H = Hono;\n'
plant "pino outside the foundation" pino-stays-in-foundation src/gateway/planted-h.ts 'import { pino } from "pino";\nexport const p = pino;\n'
plant "diff outside the registry" diff-stays-in-registry src/api/planted-h.ts 'import { diffWords } from "diff";\nexport const d = diffWords;\n'
plant "commander outside the command line" commander-stays-in-cli src/api/planted-b.ts 'import { Command } from "commander";\nexport const C = Command;\n'
refuse layers
rm -rf packs/planted src/gateway/utils src/rogue src/services/planted src/services/planted-twin src/store/planted-hen.ts src/store/planted-row.ts

plant "a floating promise" no-floating-promises src/gateway/planted-a.ts 'const f = (): Promise<number> => Promise.resolve(1);\nf();\n'
plant "any" no-explicit-any src/gateway/planted-b.ts 'export const f = (x: any): number => Number(x);\n'
plant "a non-null assertion" no-non-null-assertion src/gateway/planted-c.ts 'export const f = (x: string | undefined): string => x!;\n'
plant "a switch that misses a case" switch-exhaustiveness-check src/gateway/planted-d.ts 'export function f(k: "a" | "b"): number {\n  switch (k) {\n    case "a":\n      return 1;\n  }\n  return 0;\n}\n'
plant "a default export" no-default-export src/gateway/planted-e.ts 'export default 1;\n'
plant "a console line in the product" no-console src/gateway/planted-f.ts 'console.log("here");\n'
plant "a thrown string" only-throw-error src/gateway/planted-g.ts 'export function f(): never {\n  throw "no";\n}\n'
plant "an exported function without its type" explicit-module-boundary-types src/gateway/planted-h.ts 'export function f() {\n  return 1;\n}\n'
plant "a file name in camel case" filename-case src/gateway/plantedName.ts "$one"
refuse lint

plant "an enum" TS1294 src/gateway/planted-a.ts 'export enum E {\n  A,\n}\n'
plant "an index that may be missing" TS2532 src/gateway/planted-b.ts 'export const f = (list: string[]): number => list[0].length;\n'
plant "a wrong type in a test" TS2322 src/gateway/planted.test.ts 'export const n: number = "one";\n'
refuse types

plant "a file that nobody imports" src/gateway/planted-orphan.ts src/gateway/planted-orphan.ts "$one"
refuse unused

plant "a line that is not formatted" src/gateway/planted.ts src/gateway/planted.ts 'export const  two=2\n'
refuse format

echo "$number planted, $missed missed"
[ "$missed" -eq 0 ]
