// Pictures, functions, schemas, faults, the key, the planner; phone, keyboard, screen readers.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { answers, field, launch, open, png, say, settled } from './browser.mjs'
import { Double } from './double.mjs'
import { CODE, TABLE } from './texts.mjs'

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

const button = (name) => page.getByRole('button', { name, exact: true })
const attach = async (width = 1600, height = 600) =>
  page.locator('#picture-input').setInputFiles({ name: 'hills.png', mimeType: 'image/png', buffer: await png(page, width, height) })

// ---- pictures ----

test('a picture from a file is shown with its crops, switched, sent, kept', async () => {
  await attach()
  await page.getByText('3 crops · 1,024 tokens').waitFor()
  await page.locator('.composer .chip-open').click()
  await page.getByText('4 views: the whole and 3 crops, 1,024 tokens').waitFor()
  assert.equal(await page.locator('.crops canvas').count(), 3)
  await page.getByLabel('Off', { exact: true }).check()
  await page.getByText('1 view, 256 tokens').waitFor()
  assert.equal(await page.locator('.crops canvas').count(), 0)
  await page.getByLabel('On', { exact: true }).check()
  await page.getByText('4 views').waitFor()
  await button('Close').click()
  await say(page, 'What is this?')
  await settled(page)
  const [picture, text] = server.requests[0].messages[0].content
  assert.equal(picture.type, 'image_url')
  assert.match(picture.image_url.url, /^data:image\/png;base64,iVBOR/)
  assert.equal(picture.image_url.detail, 'high')
  assert.deepEqual(text, { type: 'text', text: 'What is this?' })
  await page.reload()
  await page.locator('.from-user img').waitFor()
  assert.equal(await page.locator('.from-user img').evaluate((i) => i.naturalWidth), 1600)
  await page.locator('.from-user .chip-open').click()
  assert.equal(await page.locator('.pan-scan').count(), 0, 'what was sent is sent')
})

test('a picture is dropped', async () => {
  const bytes = [...(await png(page, 300, 300))]
  const data = await page.evaluateHandle((b) => {
    const transfer = new DataTransfer()
    transfer.items.add(new File([new Uint8Array(b)], 'dropped.png', { type: 'image/png' }))
    return transfer
  }, bytes)
  await page.dispatchEvent('.chat', 'dragenter', { dataTransfer: data })
  await page.locator('.drop').waitFor()
  await page.dispatchEvent('.chat', 'drop', { dataTransfer: data })
  await page.getByRole('button', { name: /Look at dropped\.png/ }).waitFor()
  assert.equal(await page.locator('.drop').count(), 0)
})

test('a picture is pasted; pasted text stays text', async () => {
  const bytes = [...(await png(page, 300, 300))]
  await field(page).evaluate((f, b) => {
    const transfer = new DataTransfer()
    transfer.items.add(new File([new Uint8Array(b)], 'pasted.png', { type: 'image/png' }))
    f.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true, cancelable: true }))
  }, bytes)
  await page.getByRole('button', { name: /Look at pasted\.png/ }).waitFor()
  await page.getByRole('button', { name: 'Remove pasted.png' }).click()
  assert.equal(await page.locator('.chip').count(), 0)
})

test('a picture is taken with the camera', async () => {
  await button('Take a picture').click()
  await page.waitForFunction(() => document.querySelector('video')?.readyState >= 2)
  await button('Take the picture').click()
  await page.getByRole('button', { name: /Look at photograph\.jpg/ }).waitFor()
  await say(page, 'Who is that?')
  await settled(page)
  assert.match(server.requests[0].messages[0].content[0].image_url.url, /^data:image\/jpeg/)
})

test('what is no picture is refused in words, an SVG too, which may hold anything', async () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><script>window.hit=1</script></svg>'
  for (const [name, mimeType, text] of [['notes.txt', 'text/plain', 'no picture'], ['drawing.svg', 'image/svg+xml', svg], ['broken.png', 'image/png', '']]) {
    await page.locator('#picture-input').setInputFiles({ name, mimeType, buffer: Buffer.from(text) })
    await page.getByText(`“${name}” is no picture`).waitFor()
  }
  assert.equal(await page.locator('.chip').count(), 0)
})

test('a model without eyes is offered no picture', async () => {
  server.capabilities = ['completion', 'tools']
  await page.reload()
  await page.getByText('text only').waitFor()
  assert.equal(await page.locator('#picture-input').count(), 0)
  assert.equal(await button('Take a picture').count(), 0)
})

// ---- functions ----

const declare = async (text) => {
  await button('Settings').click()
  await page.getByLabel('Your own, as JSON').fill(text)
  await button('Close the settings').click()
}

test('a call is a card; its result goes back and the answer follows', async () => {
  const weather = { name: 'get_weather', description: 'd', parameters: { type: 'object', properties: { city: { type: 'string' } } } }
  await declare(JSON.stringify([weather]))
  server.answer = (body) => (body.messages.at(-1).role === 'tool' ? { text: 'It is 9 °C.' } : { text: 'I look.', calls: [{ name: 'get_weather', arguments: '{"city": "Bergen"}' }] })
  await say(page, 'Weather in Bergen?')
  const card = page.getByRole('region', { name: 'Function get_weather' })
  await card.getByText('waits for a result').waitFor()
  assert.match(await card.innerText(), /"city": "Bergen"/)
  assert.deepEqual(server.requests[0].tools, [{ type: 'function', function: weather }])
  assert.equal(server.requests[0].tool_choice, 'auto')
  await card.getByLabel('Its result').fill('{"temperature": 9}')
  await card.getByRole('button', { name: 'Give result' }).click()
  await page.getByText('It is 9 °C.', { exact: true }).waitFor()
  const [, call, result] = server.requests[1].messages
  assert.equal(call.tool_calls[0].function.arguments, '{"city": "Bergen"}')
  assert.deepEqual(result, { role: 'tool', tool_call_id: call.tool_calls[0].id, name: 'get_weather', content: '{"temperature": 9}' })
  assert.match(await card.innerText(), /answered/)
  await page.reload()
  await page.getByRole('region', { name: 'Function get_weather' }).getByText('answered').waitFor()
})

test('of several calls each is answered or declined before the model goes on', async () => {
  await declare('[{"name":"a"},{"name":"b"}]')
  server.answer = (body) => (body.messages.at(-1).role === 'tool' ? { text: 'Done.' } : { calls: [{ name: 'a', arguments: '{}' }, { name: 'b', arguments: '{"x": 1}' }] })
  await say(page, 'Both')
  const b = page.getByRole('region', { name: 'Function b' })
  await b.getByRole('button', { name: 'Decline' }).click()
  await b.getByText('answered').waitFor()
  assert.equal(server.requests.length, 1)
  const a = page.getByRole('region', { name: 'Function a' })
  await a.getByLabel('Its result').fill('seven')
  await a.getByLabel('Its result').press('Control+Enter')
  await page.getByText('Done.', { exact: true }).waitFor()
  const results = server.requests[1].messages.filter((m) => m.role === 'tool')
  assert.deepEqual(results.map((r) => r.name), ['b', 'a'])
  assert.match(results[0].content, /declined/)
})

test('demo functions are run by the page, and not for ever', async () => {
  await button('Settings').click()
  await page.getByLabel('Calculator').check()
  await button('Close the settings').click()
  server.answer = (body) => (body.messages.at(-1).role === 'tool' ? { text: `It is ${JSON.parse(body.messages.at(-1).content).result}.` } : { calls: [{ name: 'calculator', arguments: '{"expression": "17.5 / 100 * 2340"}' }] })
  await say(page, 'Compute')
  await page.getByText('It is 409.5.', { exact: true }).waitFor()
  server.answer = () => ({ calls: [{ name: 'calculator', arguments: '{"expression": "1+1"}' }] })
  const before = server.requests.length
  await say(page, 'For ever')
  await page.getByText('waits for a result').waitFor()
  assert.equal(server.requests.length - before, 9)
  await button('Run it here').waitFor()
  // Who writes on instead leaves no call without a result.
  server.answer = () => ({ text: 'Very well.' })
  await say(page, 'Stop that')
  await page.getByText('Very well.', { exact: true }).waitFor()
  assert.equal(server.requests.at(-1).messages.at(-2).role, 'tool')
})

test('mistakes in declarations and schemas are said where they are made', async () => {
  await button('Settings').click()
  await page.getByLabel('Your own, as JSON').fill('[{"name": "a b"}]')
  await page.getByText('“a b”').or(page.getByText('"a b"')).first().waitFor()
  assert.equal(await page.getByLabel('Your own, as JSON').getAttribute('aria-invalid'), 'true')
  await page.getByRole('radio', { name: 'Schema' }).check()
  await page.getByLabel('JSON Schema').fill('{"type": ')
  await page.locator('.is-fault').nth(0).waitFor()
})

// ---- forms of answers ----

test('a schema is sent, and the answer is shown as JSON', async () => {
  const schema = { type: 'object', properties: { title: { type: 'string' } }, required: ['title'] }
  await button('Settings').click()
  await page.getByRole('radio', { name: 'Schema' }).check()
  await page.getByLabel('JSON Schema').fill(JSON.stringify(schema))
  await page.getByText('Answers will satisfy it').waitFor()
  server.answer = () => ({ text: '{"title":"Moby-Dick","author":{"name":"Herman Melville"},"year":1851}' })
  await say(page, 'A novel about the sea')
  await settled(page)
  assert.deepEqual(server.requests[0].response_format, { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } })
  assert.match(await answers(page).locator('code').innerText(), /^{\n {2}"title": "Moby-Dick",\n/)
  assert.ok((await page.locator('.prose .hljs-attr').count()) >= 3)
})

// ---- faults ----

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
    server.answer = () => answer
    await page.keyboard.press('Control+Shift+O')
    await page.getByRole('heading', { name: 'Start a conversation' }).waitFor()
    await say(page, 'Try')
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

// ---- planner ----

test('the planner has the grid of carat weigh, and says what a figure is made of', async () => {
  await page.getByRole('link', { name: 'Memory planner' }).click()
  await page.locator('.grid .cell').first().waitFor()
  assert.equal(await page.locator('.grid tbody tr').count(), 9)
  const cell = page.getByRole('button', { name: /^q4_k_m, 32,768 tokens: 4\.68 GiB/ })
  await cell.click()
  assert.equal(await cell.getAttribute('aria-pressed'), 'true')
  await page.getByRole('heading', { name: /4\.68 GiB for q4_k_m with 32k/ }).waitFor()
  assert.match(await page.locator('.parts').innerText(), /Image tower/)
  await page.getByLabel('I have, in GiB').fill('5')
  assert.ok(await page.getByRole('button', { name: /q4_k_m, 32,768 tokens.*, fits/ }).count())
  assert.ok(await page.getByRole('button', { name: /bf16, 1,024 tokens.*does not fit/ }).count())
  await page.getByLabel('Model').last().selectOption('12b')
  await page.waitForFunction(() => /12B/.test(document.querySelector('.planner')?.textContent.match(/Gemma 3 \d+B,/)?.[0] ?? ''))
  await page.goBack()
  await field(page).waitFor()
})

// ---- sizes, keys, readers ----

test('at the width of a phone nothing is cut off, and all of it is in reach', async () => {
  const phone = await open(browser, server.url, { viewport: { width: 360, height: 720 }, isMobile: true, hasTouch: true })
  server.answer = () => ({ text: `${CODE}\n\n${TABLE}` })
  await field(phone).fill('Code and a table')
  await field(phone).press('Enter')
  assert.equal(await field(phone).inputValue(), 'Code and a table\n')
  await phone.getByRole('button', { name: 'Send' }).tap()
  await settled(phone)
  const wide = () => phone.evaluate(() => document.documentElement.scrollWidth)
  assert.equal(await wide(), 360)
  const small = await phone.evaluate(() => [...document.querySelectorAll('button, a, summary')].filter((b) => b.checkVisibility({ visibilityProperty: true }) && !b.closest('[inert]') && !b.closest('.prose')).filter((b) => b.getBoundingClientRect().width < 24 || b.getBoundingClientRect().height < 20).map((b) => b.outerHTML.slice(0, 90)))
  assert.deepEqual(small, [])
  await phone.getByRole('button', { name: 'Show conversations' }).tap()
  await phone.getByRole('link', { name: 'Code and a table' }).tap()
  await phone.getByRole('button', { name: 'Settings' }).tap()
  await phone.getByLabel('System prompt').fill('Short.')
  await phone.getByRole('button', { name: 'Close the settings' }).tap()
  await phone.getByRole('link', { name: 'Memory planner' }).tap()
  await phone.locator('.grid .cell').first().waitFor()
  assert.equal(await wide(), 360)
  assert.deepEqual(phone.faults, [])
  await phone.context().close()
})

test('everything works by keys alone', async () => {
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key)
  }
  const focused = () => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent)
  assert.equal(await focused(), 'Message')
  await page.keyboard.type('first line')
  await press('Shift+Enter')
  await page.keyboard.type('second')
  await press('Enter')
  await settled(page)
  assert.equal(server.requests[0].messages[0].content, 'first line\nsecond')
  // The last message is edited with the arrow key.
  await press('ArrowUp')
  await page.getByLabel('Edit your message').waitFor()
  await page.keyboard.type(' more')
  await press('Control+Enter')
  await page.locator('.branches').first().waitFor()
  await settled(page)
  assert.equal(server.requests[1].messages[0].content, 'first line\nsecond more')
  // A long answer is stopped with Escape.
  server.answer = () => ({ text: 'word '.repeat(500), pause: 25 })
  await page.keyboard.type('go')
  await press('Enter')
  await page.getByText(/word word/).waitFor()
  await press('Escape')
  await settled(page)
  assert.equal(server.cancelled, 1)
  // By Tab from the field back to the answer's buttons.
  let name = ''
  for (let i = 0; i < 12 && name !== 'Regenerate'; i++) {
    await press('Shift+Tab')
    name = await focused()
  }
  assert.equal(name, 'Regenerate')
  server.answer = () => ({ text: 'Anew.' })
  await press('Enter')
  await page.getByText('Anew.', { exact: true }).waitFor()
  // A menu opens, is walked through, closes.
  await page.locator('.is-last').getByRole('button', { name: 'More' }).focus()
  await press('Enter')
  await page.getByRole('menuitem').first().waitFor()
  await press('ArrowDown')
  assert.match(await focused(), /New conversation from here/)
  await press('Escape')
  assert.equal(await focused(), 'More')
  // Settings, list of keys, conversations.
  await press('Control+,')
  await page.getByLabel('System prompt').waitFor()
  await page.waitForFunction(() => document.activeElement.tagName === 'TEXTAREA')
  await press('Escape')
  await page.waitForFunction(() => document.activeElement.id === 'settings-button')
  await press('?')
  await page.getByRole('dialog').waitFor()
  await press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await press('Control+b')
  assert.ok(await page.locator('.sidebar').evaluate((s) => s.inert))
  await press('Control+b', '/')
  assert.equal(await focused(), 'Message')
  await press('Control+Shift+o')
  await page.getByRole('heading', { name: 'Start a conversation' }).waitFor()
  assert.equal(await focused(), 'Message')
})

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Findings of weight, as "rule: where". The order of headings within an answer is the model's matter. */
async function findings(of) {
  await of.evaluate(axe)
  const { violations } = await of.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
  return violations.filter((v) => v.impact === 'serious' || v.impact === 'critical' || v.impact === 'moderate').flatMap((v) => v.nodes.filter((n) => v.id !== 'heading-order' || !/block/.test(n.target)).map((n) => `${v.id}: ${n.target} ${n.failureSummary}`))
}

for (const colorScheme of ['light', 'dark']) {
  test(`a scan of accessibility finds nothing of weight: ${colorScheme}`, async () => {
    const of = await open(browser, server.url, { colorScheme, reducedMotion: 'reduce' })
    const scan = async (what) => {
      await of.waitForTimeout(200)
      assert.deepEqual(await findings(of), [], what)
    }
    await scan('empty')
    server.answer = () => ({ text: `${TABLE}\n\n${CODE}` })
    await say(of, 'Everything')
    await settled(of)
    await of.getByRole('button', { name: 'Regenerate' }).click()
    await of.locator('.branches').waitFor()
    await settled(of)
    await scan('answers')
    await of.locator('#picture-input').setInputFiles({ name: 'hills.png', mimeType: 'image/png', buffer: await png(of, 1600, 600) })
    await of.locator('.composer .chip-open').click()
    await of.locator('.crops canvas').first().waitFor()
    await scan('picture')
    await of.keyboard.press('Escape')
    await of.getByRole('button', { name: 'Settings' }).click()
    await of.getByRole('button', { name: 'Put an example there' }).click()
    await of.getByRole('radio', { name: 'Schema' }).check()
    await of.getByText('More', { exact: true }).click()
    await scan('settings')
    await of.getByRole('radio', { name: 'Text' }).check()
    await of.getByRole('button', { name: 'Close the settings' }).click()
    server.answer = () => ({ calls: [{ name: 'get_weather', arguments: '{"city": "Bergen", "days": [1, 2, 3], "detail": "all that there is to know about it"}' }] })
    await say(of, 'Weather')
    await of.getByText('waits for a result').waitFor()
    await scan('call')
    server.answer = () => ({ status: 500, error: { message: 'no memory' } })
    await of.getByRole('button', { name: 'Decline' }).click()
    await of.getByRole('alert').waitFor()
    await of.locator('.row').first().hover()
    await of.getByRole('button', { name: /Options of/ }).click()
    await scan('fault, menu')
    await of.keyboard.press('Escape')
    await of.getByRole('link', { name: 'Memory planner' }).click()
    await of.locator('.grid .cell').first().waitFor()
    await of.getByLabel('I have, in GiB').fill('5')
    await scan('planner')
    await of.keyboard.press('Escape')
    await of.locator('h1').click()
    await of.keyboard.press('?')
    await scan('keys')
    assert.deepEqual(of.faults, [])
    await of.context().close()
  })
}

test('colours follow the system or the choice, which is kept', async () => {
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const light = await paper()
  await page.emulateMedia({ colorScheme: 'dark' })
  const dark = await paper()
  assert.notEqual(light, dark)
  await button('Light').click()
  assert.equal(await paper(), light)
  await page.reload()
  await field(page).waitFor()
  assert.equal(await paper(), light)
  await button('Dark').click()
  await page.emulateMedia({ colorScheme: 'light' })
  assert.equal(await paper(), dark)
})
