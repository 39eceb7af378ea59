// Conversations in a browser, against the double: sent, streamed, stopped, edited, branched, kept.
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { answers, field, launch, open, say, settled } from './browser.mjs'
import { Double } from './double.mjs'
import { CODE, TABLE, XSS } from './texts.mjs'

let browser, server, page
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

const last = (locator) => locator.last()
const lastText = async () => (await last(answers(page)).innerText()).trim()
const button = (name) => page.getByRole('button', { name, exact: true })

test('a message is sent and its answer streams in', async () => {
  server.answer = () => ({ text: 'One two three four five six seven eight nine ten.', pause: 60 })
  await say(page, 'Count, please')
  await page.waitForFunction(() => /three/.test(document.querySelector('.from-model .prose')?.textContent ?? ''))
  assert.ok(!(await lastText()).includes('ten'), 'it came piece by piece')
  assert.match(await page.locator('.live').innerText(), /about \d+ tokens/)
  await settled(page)
  assert.equal(await lastText(), 'One two three four five six seven eight nine ten.')
  const [body] = server.requests
  assert.deepEqual(body.messages, [{ role: 'user', content: 'Count, please' }])
  assert.equal(body.stream, true)
  assert.equal(body.model, server.models[0])
  assert.ok(!('temperature' in body), 'what is not set is the server’s matter')
  assert.match(await page.locator('.stats summary').innerText(), /10 tokens · [\d.]+\/s/)
  assert.match(await page.locator('.meter-line').innerText(), /of 8,192 tokens/)
})

test('a second message brings the whole conversation along', async () => {
  await say(page, 'First')
  await settled(page)
  await say(page, 'Second')
  await page.waitForFunction(() => document.querySelectorAll('.from-model').length === 2)
  await settled(page)
  assert.deepEqual(server.requests[1].messages.map((m) => m.role), ['user', 'assistant', 'user'])
})

test('stop ends the request and keeps what had come; it can go on', async () => {
  server.answer = () => ({ text: 'word '.repeat(400), pause: 30 })
  await say(page, 'Go')
  await page.waitForFunction(() => /word word word/.test(document.querySelector('.from-model .prose')?.textContent ?? ''))
  await button('Stop').click()
  await settled(page)
  const kept = await lastText()
  assert.match(kept, /^word word/)
  await page.waitForTimeout(150)
  assert.equal(server.cancelled, 1)
  assert.equal(await lastText(), kept)
  assert.match(await page.locator('.stats').innerText(), /stopped/)
  server.answer = () => ({ text: ' and the rest.' })
  await button('Continue').click()
  await settled(page)
  assert.match(await lastText(), /^word.*and the rest\.$/s)
  assert.equal(server.requests[1].continue_final_message, true)
  assert.equal(server.requests[1].messages.at(-1).role, 'assistant')
})

test('regenerate makes a branch; one goes from one to the other', async () => {
  server.answer = (_, n) => ({ text: `Answer number ${n}.` })
  await say(page, 'Say')
  await settled(page)
  await button('Regenerate').click()
  await page.locator('.branches').waitFor()
  await settled(page)
  assert.equal(await lastText(), 'Answer number 2.')
  assert.deepEqual(server.requests[1].messages, server.requests[0].messages)
  await button('Branch before').click()
  await page.getByText('Answer number 1.', { exact: true }).waitFor()
  assert.match(await page.locator('.branches').innerText(), /1\s*\/\s*2/)
  await button('Next branch').click()
  await page.getByText('Answer number 2.', { exact: true }).waitFor()
})

test('an edited message begins a branch with its own answers', async () => {
  server.answer = (body) => ({ text: `You said: ${body.messages.at(-1).content}` })
  await say(page, 'red')
  await settled(page)
  await say(page, 'and more')
  await page.getByText('You said: and more', { exact: true }).waitFor()
  await settled(page)
  await page.locator('.from-user').first().hover()
  await page.locator('.from-user').first().getByRole('button', { name: 'Edit', exact: true }).click()
  await page.getByLabel('Edit your message').fill('blue')
  await page.locator('.editor').getByRole('button', { name: 'Send' }).click()
  await page.locator('.from-model', { hasText: 'You said: blue' }).waitFor()
  assert.equal(await page.getByText('and more').count(), 0)
  await button('Branch before').click()
  await page.getByText('You said: and more', { exact: true }).waitFor()
})

test('editing or regenerating while an answer is written stops it first', async () => {
  server.answer = (body, n) => (n === 1 ? { text: 'slow '.repeat(300), pause: 20 } : { text: `Number ${n}.` })
  await say(page, 'first')
  await page.getByText(/slow slow/).waitFor()
  await field(page).press('ArrowUp')
  await page.getByLabel('Edit your message').fill('second')
  await page.locator('.editor').getByRole('button', { name: 'Send' }).click()
  await page.getByText('Number 2.', { exact: true }).waitFor()
  await settled(page)
  assert.equal(server.cancelled, 1)
  assert.equal(server.requests.length, 2)
  assert.equal(server.requests[1].messages.length, 1)
})

test('one answers while another conversation is open, and is found whole', async () => {
  let release
  const hold = new Promise((resolve) => (release = resolve))
  server.answer = (body) => ({ text: `Echo ${body.messages.at(-1).content} `.repeat(30) + 'END.', pause: 15, hold })
  await say(page, 'alpha')
  await page.getByText(/Echo alpha/).waitFor()
  await button('New conversation').click()
  await say(page, 'beta')
  await page.getByText(/Echo beta/).waitFor()
  assert.equal(await page.locator('.dot').count(), 2)
  await page.getByRole('link', { name: 'alpha' }).click()
  await page.getByText(/Echo alpha/).waitFor()
  release()
  await page.getByText(/Echo alpha.*END\./).waitFor()
  await settled(page)
  await page.getByRole('link', { name: 'beta' }).click()
  await page.getByText(/Echo beta.*END\./).waitFor()
  await page.reload()
  await page.getByText(/Echo beta.*END\./).waitFor()
  await page.getByRole('link', { name: 'alpha' }).click()
  await page.getByText(/Echo alpha.*END\./).waitFor()
})

test('an answer is edited, and the model is given it so', async () => {
  await say(page, 'Hello')
  await settled(page)
  await page.locator('.from-model').getByRole('button', { name: 'More' }).click()
  await page.getByRole('menuitem', { name: 'Edit the answer' }).click()
  await page.getByLabel('Edit the answer').fill('Bonjour.')
  await page.locator('.editor').getByRole('button', { name: 'Save' }).click()
  await page.getByText('Bonjour.', { exact: true }).waitFor()
  await say(page, 'Again')
  await page.waitForFunction(() => document.querySelectorAll('.from-model').length === 2)
  assert.equal(server.requests[1].messages[1].content, 'Bonjour.')
})

test('from any answer a new branch, or a new conversation, begins', async () => {
  server.answer = (body) => ({ text: `Reply ${body.messages.length}` })
  for (const text of ['one', 'two']) {
    await say(page, text)
    await settled(page)
  }
  await page.getByText('Reply 3', { exact: true }).waitFor()
  await page.locator('.from-model').first().hover()
  await page.locator('.from-model').first().getByRole('button', { name: 'Branch from here' }).click()
  await page.getByText('begins a new branch').waitFor()
  await say(page, 'three')
  await page.waitForFunction(() => document.querySelectorAll('.from-model').length === 2)
  await settled(page)
  assert.deepEqual(server.requests[2].messages.map((m) => m.content), ['one', 'Reply 1', 'three'])
  await page.locator('.from-model').last().getByRole('button', { name: 'More' }).click()
  await page.getByRole('menuitem', { name: 'New conversation from here' }).click()
  await page.locator('.row').nth(1).waitFor()
  assert.match(await page.locator('.row').first().innerText(), /\(branch\)/)
  assert.equal(await page.locator('.message').count(), 4)
})

test('a reload finds conversations, branches and what was being written', async () => {
  await say(page, 'Remember me')
  await settled(page)
  await button('Regenerate').click()
  await page.locator('.branches').waitFor()
  await settled(page)
  await page.reload()
  await page.getByText('Good day.', { exact: true }).waitFor()
  assert.match(await page.locator('.branches').innerText(), /2\s*\/\s*2/)
  assert.match(await page.locator('.row').innerText(), /Remember me/)
  server.answer = () => ({ text: 'slow '.repeat(300), pause: 25 })
  await say(page, 'And a long one')
  await page.waitForTimeout(2600)
  await page.reload()
  await page.getByText(/slow slow slow/).waitFor()
  assert.match(await page.locator('.stats').last().innerText(), /stopped/)
  await page.goto(server.url)
  await page.getByRole('link', { name: 'Remember me' }).click()
  await page.getByText(/slow slow slow/).waitFor()
})

test('conversations are renamed, deleted, brought back', async () => {
  await say(page, 'The old title')
  await settled(page)
  const menu = async (item) => {
    await page.locator('.row').first().hover()
    await page.getByRole('button', { name: /Options of/ }).click()
    await page.getByRole('menuitem', { name: item, exact: true }).click()
  }
  await menu('Rename')
  await page.getByLabel('Title').fill('The new title')
  await page.getByLabel('Title').press('Enter')
  await page.getByRole('link', { name: 'The new title' }).waitFor()
  await menu('Delete')
  await page.locator('.row').waitFor({ state: 'detached' })
  await button('Undo').click()
  await page.getByRole('link', { name: 'The new title' }).click()
  await page.getByText('Good day.', { exact: true }).waitFor()
  await menu('Delete')
  await page.getByRole('button', { name: 'Close this notice' }).click()
  await page.waitForTimeout(200)
  await page.reload()
  await field(page).waitFor()
  assert.equal(await page.locator('.row').count(), 0)
})

test('what is exported can be imported: branches, settings, everything', async () => {
  server.answer = (_, n) => ({ text: `Answer ${n}` })
  await say(page, 'Keep this')
  await settled(page)
  await button('Regenerate').click()
  await page.locator('.branches').waitFor()
  await settled(page)
  await button('Settings').click()
  await page.getByLabel('System prompt').fill('Be brief.')
  const download = page.waitForEvent('download')
  await button('Export all').click()
  const file = await (await download).path()
  const other = await open(browser, server.url)
  await other.getByRole('button', { name: 'Settings' }).click()
  await other.locator('#import-input').setInputFiles(file)
  await other.getByText('One conversation came in.', { exact: true }).waitFor()
  await other.getByRole('link', { name: 'Keep this' }).click()
  await other.getByText('Answer 2', { exact: true }).waitFor()
  assert.match(await other.locator('.branches').innerText(), /2\s*\/\s*2/)
  assert.equal(await other.getByLabel('System prompt').inputValue(), 'Be brief.')
  for (const [bytes, says] of [['{', 'not JSON'], ['{"a":1}', 'no conversations'], ['{"format":"carat-conversations","version":9,"conversations":[]}', 'version 9']]) {
    await other.locator('#import-input').setInputFiles({ name: 'x.json', mimeType: 'application/json', buffer: Buffer.from(bytes) })
    await other.locator('.notice', { hasText: says }).waitFor()
  }
  // Hostile fields come to nothing.
  const odd = { format: 'carat-conversations', version: 1, conversations: [null, { conversation: { title: { a: 1 } }, messages: [{ role: 'system' }, { role: 'user', text: 5, parent: 'x', pictures: [{ id: 'no' }] }], pictures: [{ id: 'p', url: 'https://elsewhere.test/x.png' }] }] }
  await other.locator('#import-input').setInputFiles({ name: 'x.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(odd)) })
  await other.getByText('2 conversations came in.', { exact: true }).waitFor()
  assert.deepEqual(other.faults, [])
  assert.deepEqual(other.elsewhere, [])
  await other.context().close()
})

test('sampling, system prompt and limits are sent as set', async () => {
  await button('Settings').click()
  await page.getByLabel('System prompt').fill('Answer in French.')
  await page.getByRole('spinbutton', { name: 'Temperature' }).fill('0.3')
  await page.getByRole('spinbutton', { name: 'Top k' }).fill('20')
  await page.getByRole('spinbutton', { name: 'Longest answer' }).fill('64')
  await page.getByText('More', { exact: true }).click()
  await page.getByRole('spinbutton', { name: 'Seed' }).fill('7')
  await page.getByLabel('Stop strings').fill('END\nSTOP')
  await say(page, 'Hello')
  await settled(page)
  const { temperature, top_k, max_tokens, seed, stop, messages, top_p } = server.requests[0]
  assert.deepEqual({ temperature, top_k, max_tokens, seed, stop, top_p }, { temperature: 0.3, top_k: 20, max_tokens: 64, seed: 7, stop: ['END', 'STOP'], top_p: undefined })
  assert.deepEqual(messages[0], { role: 'system', content: 'Answer in French.' })
  await page.reload()
  await field(page).waitFor()
  await button('Settings').click()
  assert.equal(await page.getByRole('spinbutton', { name: 'Temperature' }).inputValue(), '0.3')
  await button('Temperature: back to the server’s value').click()
  await say(page, 'Again')
  await page.waitForFunction(() => document.querySelectorAll('.from-model').length === 2)
  assert.equal(server.requests[1].temperature, undefined)
})

test('Markdown is shown as such; code has a language and is copied', async () => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  server.answer = () => ({ text: TABLE })
  await say(page, 'Table')
  await settled(page)
  assert.equal(await page.locator('.prose th').count(), 4)
  assert.equal(await page.locator('.prose td.to-right').count(), 8)
  assert.equal(await page.locator('.prose ol > li').count(), 3)
  const link = page.locator('.prose a')
  assert.equal(await link.getAttribute('target'), '_blank')
  assert.match(await link.getAttribute('rel'), /noopener/)
  server.answer = () => ({ text: CODE })
  await say(page, 'Code')
  await page.locator('.code').nth(1).waitFor()
  await settled(page)
  assert.ok((await page.locator('.code .hljs-keyword').count()) > 5)
  await page.locator('.code').first().getByRole('button', { name: 'Copy' }).click()
  await page.locator('.code button', { hasText: 'Copied' }).waitFor()
  const copied = await page.evaluate(() => navigator.clipboard.readText())
  assert.match(copied, /^#include <stdbool\.h>\n/)
  assert.match(copied, /r->items\[\(r->first \+ r->n\+\+\)/)
})

test('a stream looks at its end as the whole text does, and what is complete is not rendered again', async () => {
  const text = `${TABLE}\n\n${CODE}\n\n- a\n- b\n\n  more of b\n\nEnd of it.\n\n---\n\nA [ref] too.\n\n[ref]: https://example.com/`
  server.answer = () => ({ text, pause: 3 })
  await say(page, 'Stream')
  await page.waitForFunction(() => document.querySelectorAll('.prose .block').length > 4)
  await page.evaluate(() => (document.querySelector('.prose .block').firstElementChild.marked = true))
  await settled(page)
  assert.ok(await page.evaluate(() => document.querySelector('.prose .block').firstElementChild.marked), 'the first block is the same node')
  const streamed = await last(answers(page)).innerHTML()
  await page.reload()
  await page.locator('.prose .block').first().waitFor()
  assert.equal(await last(answers(page)).innerHTML(), streamed)
})

test('nothing that a model writes runs, loads or leads elsewhere', async () => {
  const texts = [...XSS, XSS.join('\n\n')]
  server.answer = (_, n) => ({ text: texts[n - 1], pause: 0 })
  for (let i = 0; i < texts.length; i++) {
    await say(page, `${i}`)
    await page.waitForFunction((n) => [...document.querySelectorAll('.said-text')].at(-1)?.textContent === n, `${i}`)
    await settled(page)
  }
  await page.locator('.thread').evaluate((t) => (t.scrollTop = 0))
  await page.getByRole('button', { name: /earlier messages/ }).click()
  await page.waitForFunction((n) => document.querySelectorAll('.from-model').length === n, texts.length)
  await page.waitForTimeout(300)
  assert.equal(await page.evaluate(() => window.hit), undefined)
  const found = await page.evaluate(() => {
    const all = [...document.querySelectorAll('.prose *')]
    return {
      tags: [...new Set(all.map((e) => e.localName))].filter((t) => /^(script|img|svg|math|iframe|object|embed|form|style|link|meta|base|input|details|video|audio)$/.test(t)),
      handlers: all.flatMap((e) => e.getAttributeNames()).filter((n) => n.startsWith('on') || n === 'style' || n === 'src' || n === 'id'),
      hrefs: all.filter((e) => e.localName === 'a').map((e) => e.getAttribute('href')).filter((h) => !/^(https?:\/\/|mailto:)/.test(h)),
      unsafe: all.filter((e) => e.localName === 'a' && !/noopener/.test(e.rel)).length,
    }
  })
  assert.deepEqual(found, { tags: [], handlers: [], hrefs: [], unsafe: 0 })
  assert.ok((await page.locator('.prose').first().textContent()).includes('<script>'), 'it is shown as text')
  assert.ok(server.paths.every((p) => !/elsewhere/.test(p)))
})

test('what is said by users is text, too', async () => {
  await say(page, '<img src=x onerror="window.hit=1"> **not bold**')
  await settled(page)
  assert.equal(await page.locator('.said-text').innerText(), '<img src=x onerror="window.hit=1"> **not bold**')
  assert.equal(await page.evaluate(() => window.hit), undefined)
})

test('a long conversation stays quick', async () => {
  const messages = []
  for (let i = 0; i < 400; i++) {
    messages.push({ id: `m${i}`, parent: i ? `m${i - 1}` : null, role: i % 2 ? 'assistant' : 'user', text: i % 2 ? `${CODE}\n\n${TABLE}` : `Question ${i}`, created: i })
  }
  const file = { format: 'carat-conversations', version: 1, conversations: [{ conversation: { title: 'Long', head: 'm399' }, messages, pictures: [] }] }
  await button('Settings').click()
  await page.locator('#import-input').setInputFiles({ name: 'x.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(file)) })
  await page.getByRole('link', { name: 'Long' }).click()
  await page.locator('.message').last().waitFor()
  assert.ok((await page.locator('.message').count()) <= 60)
  server.answer = () => ({ text: CODE, pause: 8 })
  // The work of the page while an answer streams, not its share of a busy machine.
  const client = await page.context().newCDPSession(page)
  await client.send('Performance.enable')
  const taskTime = async () => (await client.send('Performance.getMetrics')).metrics.find((m) => m.name === 'ScriptDuration').value
  const before = await taskTime()
  await say(page, 'One more')
  await page.waitForFunction(() => !document.querySelector('[aria-busy=true]') && document.querySelectorAll('.from-user').length > 0 && /One more/.test([...document.querySelectorAll('.said-text')].at(-1).textContent))
  await settled(page)
  const spent = (await taskTime()) - before
  assert.ok(spent < 3, `${spent.toFixed(2)} s of script for one answer`)
  await page.locator('.thread').evaluate((t) => (t.scrollTop = 0))
  await page.getByRole('button', { name: /earlier messages/ }).click()
  await page.waitForFunction(() => document.querySelectorAll('.message').length > 100)
})

test('it stays where one has scrolled to, and comes along at the end', async () => {
  server.answer = () => ({ text: 'line\n\n'.repeat(120), pause: 15 })
  await say(page, 'Long')
  await page.waitForFunction(() => document.querySelector('.thread').scrollHeight > 1600)
  const isAtEnd = () => {
    const t = document.querySelector('.thread')
    return t.scrollHeight - t.scrollTop - t.clientHeight < 60
  }
  await page.waitForFunction(isAtEnd)
  await page.mouse.move(700, 300)
  await page.mouse.wheel(0, -500)
  await page.waitForTimeout(400)
  assert.ok(!(await page.evaluate(isAtEnd)))
  await button('To the end').click()
  await page.waitForFunction(isAtEnd)
  await settled(page)
  assert.ok(await page.evaluate(isAtEnd))
})

test('the browser refuses whatever the policy does not allow', async () => {
  const refused = await page.evaluate(async () => {
    const tries = {
      fetch: () => fetch('http://127.0.0.1:9/').then(() => 'went', () => 'refused'),
      picture: () => new Promise((r) => Object.assign(new Image(), { onload: () => r('went'), onerror: () => r('refused'), src: 'http://127.0.0.1:9/x.png' })),
      script: () => { try { return (document.createElement('script').src = 'data:text/javascript,1'), 'went' } catch { return 'refused' } },
      html: () => { try { return (document.createElement('div').innerHTML = '<b>x</b>'), 'went' } catch { return 'refused' } },
    }
    return Promise.all(Object.values(tries).map((t) => t()))
  })
  page.faults = [] // the browser reports what it refused
  page.elsewhere = []
  assert.deepEqual(refused, ['refused', 'refused', 'refused', 'refused'])
})
