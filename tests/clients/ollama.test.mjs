// The ollama package for JavaScript. serving.py starts the servers.
//
// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ollama } from 'ollama'
import { full, KEY, NARROW, TALK, TOOL, untilIdle, URL, WATERED, WATERING } from './asked.mjs'

const client = new Ollama({ host: URL })
const keyed = new Ollama({ host: NARROW, headers: { Authorization: `Bearer ${KEY}` } })
const ask = (content, more = {}) => ({ model: 'chat', messages: [{ role: 'user', content }], options: { temperature: 0, num_predict: 60 }, ...more })

async function all(stream) {
  const parts = []
  for await (const part of await stream) parts.push(part)
  return parts
}

test('a stream says what the whole answer says', async () => {
  const whole = await client.chat(ask(TALK))
  const parts = await all(client.chat(ask(TALK, { stream: true })))
  assert.ok(parts.length > 3)
  assert.equal(parts.map((p) => p.message.content).join(''), whole.message.content)
  assert.match(whole.message.content, /Berlin/)
  assert.equal(parts.at(-1).eval_count, whole.eval_count)
  const asked = { model: 'base', prompt: 'One, two,', raw: true, options: { temperature: 0, num_predict: 6 } }
  assert.equal((await all(client.generate({ ...asked, stream: true }))).map((p) => p.response).join(''), (await client.generate(asked)).response)
})

test('functions and a result', async () => {
  const whole = await client.chat(ask(WATERING, { tools: [TOOL] }))
  const [call] = whole.message.tool_calls
  assert.deepEqual([call.function.name, call.function.arguments], ['irrigate', WATERED])
  const streamed = (await all(client.chat(ask(WATERING, { tools: [TOOL], stream: true })))).flatMap((p) => p.message.tool_calls ?? [])
  assert.deepEqual(streamed.map((c) => c.function), [call.function])
  const result = { role: 'tool', tool_name: 'irrigate', content: '{"done": true}' }
  const end = await client.chat({ ...ask(WATERING, { tools: [TOOL] }), messages: [{ role: 'user', content: WATERING }, whole.message, result] })
  assert.ok(end.message.content)
})

test('images, schemas, embeddings, models', async () => {
  const image = readFileSync(process.env.CARAT_PICTURE)
  const asked = (images) => ({ model: 'sight', messages: [{ role: 'user', content: 'what is it?', images }], options: { temperature: 0, num_predict: 8 } })
  assert.notEqual((await client.chat(asked([image]))).message.content, (await client.chat(asked([]))).message.content)
  const format = { type: 'object', properties: { age: { type: 'integer', maximum: 150, minimum: 0 } }, required: ['age'], additionalProperties: false }
  const r = await client.chat(ask('How old?', { model: 'text', format, options: { temperature: 1.5, seed: 1 } }))
  const { age } = JSON.parse(r.message.content)
  assert.ok(Number.isInteger(age) && age >= 0 && age <= 150)
  assert.deepEqual((await client.embed({ model: 'chat', input: ['a', 'b'] })).embeddings.map((e) => e.length), [640, 640])
  assert.deepEqual((await client.list()).models.map((m) => m.name), ['chat:latest', 'base:latest', 'sight:latest', 'text:latest'])
  assert.ok((await client.show({ model: 'sight' })).capabilities.includes('vision'))
})

test('errors', async () => {
  const says = (status, words) => (e) => e.status_code === status && words.test(e.message)
  await assert.rejects(client.chat(ask('a', { model: 'llama3' })), says(404, /llama3/))
  await assert.rejects(client.chat(ask('a b '.repeat(20000))), says(400, /\d{5}.*8192|8192.*\d{5}/))
  await assert.rejects(new Ollama({ host: NARROW }).list(), says(401, /key/))
  assert.equal((await full(() => keyed.chat(ask('a', { model: 'text' })))).status_code, 429)
})

test('a client that aborts', async () => {
  const stream = await keyed.generate({ model: 'text', prompt: 'a', raw: true, stream: true, options: { num_predict: 8000, temperature: 1.5 } })
  await assert.rejects(async () => {
    for await (const _ of stream) stream.abort()
  })
  await untilIdle()
})
