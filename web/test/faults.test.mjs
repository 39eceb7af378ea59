// What goes wrong, and what the page says of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answers, field, say, settled } from './browser.mjs'
import { button, page, server } from './harness.mjs'

test('faults are told in plain words, with what to do', async () => {
  const cases = [
    [{ status: 400, error: { message: 'temperature must be at least 0', type: 'invalid_request_error' } }, 'The server refused this request', 'Temperature must be at least 0.'],
    [{ status: 400, error: { message: '9000 tokens, but 8192 fit', code: 'context_length_exceeded' } }, 'longer than the model’s context', '9000 tokens, but 8192 fit.'],
    [{ status: 429, retryAfter: 7 }, 'too much to do', 'wait 7 s'],
    [{ status: 503, error: { message: 'Loading model' } }, 'not ready', 'Loading model'],
    [{ status: 413 }, 'Too large', 'smaller picture'],
    [{ status: 500, error: { message: 'no memory' } }, 'The server failed', 'No memory.'],
    [{ text: 'half of', fails: { message: 'the engine stopped', code: null } }, 'The server failed', 'The engine stopped.'],
    [{ text: 'half of', breaks: true }, 'broke off', 'is kept'],
  ]
  for (const [answer, title, detail] of cases) {
    let goOn // what had come is on the page: a browser may drop what it has not handed over when the connection breaks
    const hold = new Promise((resolve) => (goOn = resolve))
    server.answer = () => ({ ...answer, hold })
    await page.keyboard.press('Control+Shift+O')
    await page.getByRole('heading', { name: 'Start a conversation' }).waitFor()
    await say(page, 'Try')
    if (answer.text) await page.getByText('half of', { exact: true }).waitFor()
    goOn()
    const fault = page.getByRole('alert')
    await fault.waitFor()
    assert.match(await fault.innerText(), new RegExp(title))
    assert.match(await fault.innerText(), new RegExp(detail.replace('.', '\\.')))
    if (answer.text) assert.match(await answers(page).innerText(), /half of/)
  }
  await page.keyboard.press('Control+Shift+O')
  await page.getByRole('heading', { name: 'Start a conversation' }).waitFor()
  server.answer = () => ({ status: 500 })
  await say(page, 'Try')
  await page.getByRole('alert').waitFor()
  server.answer = () => ({ text: 'Now it works.' })
  await button('Try again').click()
  await page.getByText('Now it works.', { exact: true }).waitFor()
  assert.equal(await page.getByRole('alert').count(), 0)
  assert.equal(await page.locator('.branches').count(), 0, 'an answer of which nothing came is no branch')
})

test('oldest exchanges are left out when asked to, whole, and it is said', async () => {
  server.contextSize = 200
  await page.reload()
  await field(page).waitFor()
  const long = 'word '.repeat(40).trim()
  for (let i = 0; i < 3; i++) {
    await say(page, `${i} ${long}`)
    await page.waitForFunction((n) => document.querySelectorAll('.from-model').length === n, i + 1)
    await settled(page)
  }
  server.answer = (body) => (body.messages.length > 5 ? { status: 400, error: { message: 'too long', code: 'context_length_exceeded' } } : { text: 'Fits.' })
  await say(page, `3 ${long}`)
  await button('Leave out the oldest exchanges').click()
  await page.getByText('Fits.', { exact: true }).waitFor()
  await page.getByText(/oldest exchange/).waitFor()
  const sent = server.requests.at(-1).messages
  assert.equal(sent[0].role, 'user')
  assert.ok(sent.length <= 5 && sent.at(-1).content.startsWith('3 '))
})

test('what the server ignores is said', async () => {
  server.answer = () => ({ text: 'Yes.', headers: { 'x-carat-ignored': 'colour' } })
  await say(page, 'Hello')
  await page.getByText('The server ignored: colour.', { exact: true }).waitFor()
})

test('a server that wants a key gets one, for this tab', async () => {
  server.key = 'sesame'
  await page.reload()
  const key = page.getByLabel('Key', { exact: true })
  await key.fill('wrong')
  await button('Use this key').click()
  await page.getByText('did not take that key').waitFor()
  await page.getByLabel('Key', { exact: true }).fill('sesame')
  await button('Use this key').click()
  await say(page, 'Hello')
  await page.getByText('Good day.', { exact: true }).waitFor()
  assert.equal(await page.evaluate(() => localStorage.getItem('carat-api-key')), null)
  await page.reload()
  await page.getByText('Good day.', { exact: true }).waitFor()
})

test('without a server the page says so, and comes back by itself', async () => {
  await say(page, 'Hello')
  await settled(page)
  const port = new URL(server.url).port
  await server.stop()
  await say(page, 'Again')
  await page.getByText('The server does not answer').waitFor()
  await page.getByText('Good day.', { exact: true }).waitFor()
  await server.start(Number(port))
  await button('Try again').click()
  await page.waitForFunction(() => document.querySelectorAll('.from-model .prose').length === 2)
})
