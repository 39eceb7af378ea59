// Builds the page: src/ -> dist/, and writes down what it was built from (dist/built-from.json), so that a test without
// Node can tell whether the bundle is current. Usage: node build.mjs [OUT]
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('.', import.meta.url))
const out = process.argv[2] ?? join(root, 'dist')

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesBelow(path) : [path]
  })
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

/** One hash of all that the bundle is made from; tests/unit/web/test_bundle.py computes the same. */
function hashOfSources() {
  const paths = [...filesBelow(join(root, 'src')), ...['build.mjs', 'package.json', 'package-lock.json'].map((f) => join(root, f))]
  const lines = paths.map((path) => `${sha256(readFileSync(path))}  ${relative(root, path).replaceAll('\\', '/')}\n`)
  return sha256(lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join(''))
}

/** The licences of what is bundled, as their packages have them. */
function licences() {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const names = [...Object.keys(dependencies), '@preact/signals-core'].sort()
  return names
    .map((name) => {
      const folder = join(root, 'node_modules', name)
      const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const file = readdirSync(folder).find((f) => /^licen[cs]e(\.\w+)?$/i.test(f))
      return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
    })
    .join(`\n${'-'.repeat(72)}\n\n`)
}

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
await build({
  absWorkingDir: root,
  entryPoints: [
    { in: 'src/main.tsx', out: 'page' },
    { in: 'src/style/page.css', out: 'page' },
  ],
  outdir: out,
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['chrome123', 'firefox121', 'safari17.5'], // the first with light-dark()
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none', // licences.txt has them, whole
  logLevel: 'warning',
})
for (const name of ['index.html', 'icon.svg']) writeFileSync(join(out, name), readFileSync(join(root, 'src', name)))
writeFileSync(join(out, 'licences.txt'), licences())
const files = Object.fromEntries(readdirSync(out).sort().map((f) => [f, sha256(readFileSync(join(out, f)))]))
writeFileSync(join(out, 'built-from.json'), JSON.stringify({ sources: hashOfSources(), files }, null, 2) + '\n')
