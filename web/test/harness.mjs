// What tests against the double share: a browser, and for each test a server and a page of its own, both free of surprises at
// its end. The bindings are live: import them and use them as they are.
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach } from 'node:test'
import { launch, open, png } from './browser.mjs'
import { Double } from './double.mjs'

export let browser, server, page

before(async () => (browser = await launch()))
after(() => browser.close())
beforeEach(async () => {
  server = await new Double().start()
  page = await open(browser, server.url)
})
afterEach(async () => {
  assert.deepEqual(page.faults, [])
  assert.deepEqual(page.elsewhere, [])
  await page.context().close()
  await server.stop()
})

export const button = (name) => page.getByRole('button', { name, exact: true })

export const attach = async (width = 1600, height = 600) =>
  page.locator('#picture-input').setInputFiles({ name: 'hills.png', mimeType: 'image/png', buffer: await png(page, width, height) })
