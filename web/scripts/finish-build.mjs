// After `vite build`: a smaller copy of every file for browsers that take one, what loads first, and the bound on it.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const MOST_FIRST_SCRIPT = 300 * 1024;
const folder = new URL("../../src/watchbill/console/", import.meta.url).pathname;
const text = new Set([".js", ".css", ".svg", ".json"]);

const files = readdirSync(folder, { recursive: true })
  .map(String)
  .filter((name) => statSync(join(folder, name)).isFile());
const gzipped = new Map();
for (const name of files.filter((one) => text.has(extname(one)))) {
  const content = readFileSync(join(folder, name));
  const smaller = gzipSync(content, { level: 9 });
  gzipped.set(name, smaller.length);
  if (content.length < 1024) continue;
  writeFileSync(join(folder, `${name}.gz`), smaller);
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } };
  writeFileSync(join(folder, `${name}.br`), brotliCompressSync(content, options));
}

const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
for (const end of ["", ".gz", ".br"]) rmSync(join(folder, `manifest.json${end}`), { force: true });
const first = new Set();
const follow = (key) => {
  if (first.has(manifest[key].file)) return;
  first.add(manifest[key].file);
  (manifest[key].imports ?? []).forEach(follow);
};
follow("index.html");
const size = [...first].reduce((sum, name) => sum + (gzipped.get(name) ?? 0), 0);
const kib = (bytes) => `${(bytes / 1024).toFixed(1).padStart(7)} KiB`;
const rest = [...gzipped].filter(([name]) => name.endsWith(".js") && !first.has(name)).sort((a, b) => b[1] - a[1]);
console.log(`${kib(size)} of script load first, gzipped (at most ${MOST_FIRST_SCRIPT / 1024})`);
for (const [name, bytes] of rest.slice(0, 12)) console.log(`${kib(bytes)} later: ${name}`);
if (size > MOST_FIRST_SCRIPT) {
  console.error("That is too much: load what not every page needs with its page.");
  process.exit(1);
}
