// Functions that the model calls, and answers of a given form.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answers, say, settled } from './browser.mjs'
import { button, page, server } from './harness.mjs'

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
