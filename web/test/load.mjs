// A module of the page, for tests that need no browser.
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

export async function load(path) {
  const { outputFiles } = await build({ absWorkingDir: root, entryPoints: [path], bundle: true, write: false, format: 'esm', target: 'node18' })
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`)
}
