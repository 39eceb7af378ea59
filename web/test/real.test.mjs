// The page as `carat serve` hands it out, with real models: one that chats and calls functions ($CARAT_TEST_CHAT_MODEL, made by
// `make model`), and a tiny one that sees.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { answers, field, launch, open, png, say, settled } from './browser.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const carat = process.env.CARAT ?? `${root}/build/carat`
const sight = `${root}/tests/golden/data/models/tiny-sight`
const chat = process.env.CARAT_TEST_CHAT_MODEL

/** A server on a free port, once it listens. */
async function serve(...args) {
  const child = spawn(carat, ['serve', '--port', '0', '--parallel', '2', '--log', 'none', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const url = await new Promise((resolve, reject) => {
    const listen = (bytes) => {
      said += bytes
      const at = /http:\/\/127\.0\.0\.1:\d+/.exec(said)
      if (at) resolve(`${at[0]}/`)
    }
    child.stdout.on('data', listen)
    child.stderr.on('data', listen)
    child.on('exit', (code) => reject(new Error(`carat serve ended with ${code}: ${said}`)))
  })
  for (;;) {
    const ready = await fetch(`${url}ready`).catch(() => null)
    if (ready?.ok) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return { url, stop: () => new Promise((resolve) => (child.on('exit', resolve), child.kill())) }
}

let browser, server, page
before(async () => {
  browser = await launch()
  server = await serve(...(chat ? [`chat=${chat}`] : []), `sight=${sight}`)
})
after(async () => {
  await browser.close()
  await server.stop()
})
afterEach(async () => {
  if (!page) return
  assert.deepEqual(page.faults, [])
  assert.deepEqual(page.elsewhere, [])
  await page.context().close()
  page = undefined
})

const button = (name) => page.getByRole('button', { name, exact: true })

/** The page with a model chosen, greedy, with short answers. */
async function begin(model, most = 40) {
  page = await open(browser, server.url)
  if (chat) await page.getByRole('combobox', { name: 'Model' }).selectOption(model)
  await button('Settings').click()
  await page.getByRole('spinbutton', { name: 'Temperature' }).fill('0')
  await page.getByRole('spinbutton', { name: 'Longest answer' }).fill(String(most))
  await button('Close the settings').click()
}

test('a picture is seen, with the views that the server cuts', async () => {
  await begin('sight')
  await page.locator('#picture-input').setInputFiles(`${sight}/test/006-0.png`)
  await page.getByText('16 tokens', { exact: true }).waitFor()
  await say(page, 'What is this?')
  await settled(page)
  assert.equal((await answers(page).innerText()).trim(), '9')
  await page.locator('#picture-input').setInputFiles({ name: 'long.png', mimeType: 'image/png', buffer: await png(page, 1600, 600) })
  await page.getByText('3 crops · 64 tokens').waitFor()
  await page.locator('.composer .chip-open').click()
  await page.getByLabel('Off', { exact: true }).check()
  await page.getByText('1 view, 16 tokens').waitFor()
})

test('the planner’s grid is that of the command', async () => {
  page = await open(browser, server.url)
  await page.getByRole('link', { name: 'Memory planner' }).click()
  await page.locator('.grid .cell').first().waitFor()
  const { grid } = JSON.parse(execFileSync(carat, ['weigh', '4b', '--json'], { maxBuffer: 1 << 24 }))
  const shown = await page.locator('.grid .cell-size').allInnerTexts()
  assert.deepEqual(shown, grid.map((row) => (row.total / 2 ** 30).toFixed(2)))
  await page.getByLabel('Model').last().selectOption('sight')
  await page.waitForFunction(() => document.querySelectorAll('.grid tbody tr').length === 1)
})

test('a server with keys asks for one', async () => {
  const keys = join(tmpdir(), `carat-keys-${process.pid}`)
  writeFileSync(keys, 'sesame-open-the-door\n', { mode: 0o600 })
  const closed = await serve('--keys', keys, sight)
  page = await open(browser, closed.url)
  await page.getByLabel('Key', { exact: true }).fill('sesame-open-the-door')
  await button('Use this key').click()
  await say(page, 'What is this?')
  await settled(page)
  assert.notEqual((await answers(page).innerText()).trim(), '')
  await page.context().close()
  page = undefined
  await closed.stop()
})

test('what does not fit is said with both counts', async () => {
  const small = await serve('--ctx-size', '256', '--name', `small=${sight}`)
  page = await open(browser, small.url)
  await say(page, 'word '.repeat(400))
  await page.getByRole('alert').waitFor()
  const fault = await page.getByRole('alert').innerText()
  assert.match(fault, /longer than the model’s context/)
  assert.match(fault, /\d+.*256/)
  await page.context().close()
  page = undefined
  await small.stop()
})

const needsChat = { skip: chat ? false : 'CARAT_TEST_CHAT_MODEL is not set: make model' }

test('an answer streams, is regenerated the same when greedy, and is there after a reload', needsChat, async () => {
  await begin('chat')
  await say(page, 'Tell me about Norway.')
  await settled(page)
  const first = await answers(page).innerText()
  assert.notEqual(first.trim(), '')
  assert.match(await page.locator('.stats summary').innerText(), /\d+ tokens? · [\d.,]+\/s/)
  await button('Regenerate').click()
  await page.locator('.branches').waitFor()
  await settled(page)
  assert.equal(await answers(page).innerText(), first)
  await page.reload()
  await page.locator('.branches').waitFor()
  assert.equal(await answers(page).innerText(), first)
  await field(page).fill('Hello there')
  await page.getByText('2 tokens', { exact: true }).waitFor()
})

test('a long answer is stopped, and the server is free at once', needsChat, async () => {
  await begin('chat', 4000)
  await button('Settings').click()
  await page.getByRole('spinbutton', { name: 'Temperature' }).fill('1')
  await page.getByRole('radio', { name: 'JSON' }).check() // without a form this model soon ends
  await button('Close the settings').click()
  await say(page, 'A long list of words.')
  await page.waitForFunction(() => (document.querySelector('.from-model .prose')?.textContent.length ?? 0) > 4 || !document.querySelector('[aria-busy=true]'))
  if (await button('Stop').count()) await button('Stop').click({ timeout: 1000 }).catch(() => {})
  await settled(page)
  for (let i = 0; ; i++) {
    const slots = await (await fetch(`${server.url}slots?model=chat`)).json()
    if (!slots.some((s) => s.is_processing)) break
    assert.ok(i < 50, 'its place is not free')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
})

test('a function is called, run by the page, and its result answered', needsChat, async () => {
  await begin('chat', 60)
  await button('Settings').click()
  await page.getByLabel('Calculator').check()
  await page.getByRole('combobox', { name: 'The model' }).selectOption('required')
  await page.getByLabel('without asking').uncheck()
  await button('Close the settings').click()
  await say(page, 'What is 6 * 7?')
  const card = page.getByRole('region', { name: 'Function calculator' }).first()
  await card.getByText('waits for a result').waitFor()
  assert.match(await card.innerText(), /"expression"/)
  await page.getByRole('button', { name: 'Settings' }).click()
  await page.getByRole('combobox', { name: 'The model' }).selectOption('auto')
  await button('Close the settings').click()
  await card.getByRole('button', { name: 'Run it here' }).click()
  await card.getByText('answered').waitFor()
  await page.waitForFunction(() => document.querySelectorAll('.from-model').length >= 2)
  await settled(page)
  assert.equal(await page.getByRole('alert').count(), 0)
})

test('an answer satisfies its schema', needsChat, async () => {
  await begin('chat', 200)
  await button('Settings').click()
  await page.getByRole('radio', { name: 'Schema' }).check()
  const schema = { type: 'object', properties: { kind: { enum: ['fruit', 'animal'] }, legs: { type: 'integer', minimum: 0, maximum: 9 } }, required: ['kind', 'legs'], additionalProperties: false }
  await page.getByLabel('JSON Schema').fill(JSON.stringify(schema))
  await button('Close the settings').click()
  await say(page, 'A cat')
  await settled(page)
  const value = JSON.parse(await answers(page).locator('code').innerText())
  assert.deepEqual(Object.keys(value), ['kind', 'legs'])
  assert.ok(['fruit', 'animal'].includes(value.kind) && Number.isInteger(value.legs))
})
