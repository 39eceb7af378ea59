// The openai package for JavaScript: chat, completions, responses, embeddings, its exceptions. serving.py starts the servers.
//
// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import { full, KEY, NARROW, TALK, TOOL, untilIdle, URL, WATERED, WATERING } from './asked.mjs'

const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: 'none', maxRetries: 0 })
const keyed = new OpenAI({ baseURL: `${NARROW}/v1`, apiKey: KEY, maxRetries: 0 })
const ask = (content, more = {}) => ({ model: 'chat', messages: [{ role: 'user', content }], max_tokens: 60, temperature: 0, ...more })
const picture = `data:image/png;base64,${readFileSync(process.env.CARAT_PICTURE).toString('base64')}`

async function all(stream) {
  const parts = []
  for await (const part of await stream) parts.push(part)
  return parts
}

test('a stream says what the whole answer says', async () => {
  const whole = await client.chat.completions.create(ask(TALK))
  const chunks = await all(client.chat.completions.create(ask(TALK, { stream: true, stream_options: { include_usage: true } })))
  assert.ok(chunks.length > 3)
  assert.equal(chunks.map((c) => c.choices[0]?.delta.content ?? '').join(''), whole.choices[0].message.content)
  assert.equal(chunks.at(-1).usage.completion_tokens, whole.usage.completion_tokens)
  assert.match(whole.choices[0].message.content, /Berlin/)
})

test('functions, whole and streamed, and a result', async () => {
  let message
  for (const tool_choice of ['auto', 'required', { type: 'function', function: { name: 'irrigate' } }]) {
    const asked = ask(WATERING, { tools: [TOOL], tool_choice })
    message = (await client.chat.completions.create(asked)).choices[0].message
    assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), WATERED)
    const stream = client.chat.completions.stream(asked)
    const made = (await stream.finalChatCompletion()).choices[0].message.tool_calls
    assert.deepEqual(JSON.parse(made[0].function.arguments), WATERED)
  }
  const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '{"done": true}' }
  const end = await client.chat.completions.create({ ...ask(WATERING, { tools: [TOOL] }), messages: [{ role: 'user', content: WATERING }, message, result] })
  assert.ok(end.choices[0].message.content)
})

test('the loop that runs tools', async () => {
  const watered = []
  const run = client.chat.completions.runTools(ask(WATERING, {
    tools: [{ type: 'function', function: { ...TOOL.function, parse: JSON.parse, function: (a) => (watered.push(a), '{"done": true}') } }],
  }), { maxChatCompletions: 2 })
  await run.done()
  assert.deepEqual(watered[0], WATERED)
})

test('images', async () => {
  const parts = [{ type: 'image_url', image_url: { url: picture } }, { type: 'text', text: 'what is it?' }]
  const seen = await client.chat.completions.create(ask(parts, { model: 'sight', max_tokens: 8 }))
  const blind = await client.chat.completions.create(ask('what is it?', { model: 'sight', max_tokens: 8 }))
  assert.notEqual(seen.choices[0].message.content, blind.choices[0].message.content)
})

test('schemas are kept', async () => {
  const Person = z.object({ name: z.string().max(20), age: z.number().int().min(0).max(150), kind: z.enum(['cat', 'dog', 'human']) })
  for (const model of ['chat', 'text']) {
    const format = zodResponseFormat(Person, 'person')
    const r = await client.chat.completions.parse(ask('Make up somebody.', { model, temperature: 1.5, seed: 3, max_tokens: 300, response_format: format }))
    Person.parse(r.choices[0].message.parsed)
  }
})

test('completions, responses, embeddings, models', async () => {
  const asked = { model: 'base', prompt: 'One, two,', max_tokens: 6, temperature: 0 }
  const whole = (await client.completions.create(asked)).choices[0].text
  const chunks = await all(client.completions.create({ ...asked, stream: true }))
  assert.equal(chunks.map((c) => c.choices[0].text).join(''), whole)
  const response = await client.responses.create({ model: 'chat', input: TALK, max_output_tokens: 30, temperature: 0 })
  const events = await all(client.responses.create({ model: 'chat', input: TALK, max_output_tokens: 30, temperature: 0, stream: true }))
  assert.equal(events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join(''), response.output_text)
  const packed = await client.embeddings.create({ model: 'chat', input: 'a cat' })
  const floats = await client.embeddings.create({ model: 'chat', input: 'a cat', encoding_format: 'float' })
  assert.deepEqual([...new Float32Array(packed.data[0].embedding)], [...new Float32Array(floats.data[0].embedding)])
  assert.equal(floats.data[0].embedding.length, 640)
  assert.deepEqual((await client.models.list()).data.map((m) => m.id), ['chat', 'base', 'sight', 'text'])
})

test('errors', async () => {
  const wrong = new OpenAI({ baseURL: `${NARROW}/v1`, apiKey: 'wrong', maxRetries: 0 })
  await assert.rejects(wrong.models.list(), OpenAI.AuthenticationError)
  await assert.rejects(client.chat.completions.create(ask('a', { model: 'gpt-4o' })), OpenAI.NotFoundError)
  for (const stream of [false, true])
    await assert.rejects(client.chat.completions.create(ask('a b '.repeat(20000), { stream })), (e) =>
      e instanceof OpenAI.BadRequestError && e.code === 'context_length_exceeded' && /\d{5}/.test(e.message) && /8192/.test(e.message))
  const e = await full(() => keyed.chat.completions.create(ask('a', { model: 'text' })))
  assert.ok(e instanceof OpenAI.RateLimitError)
  assert.ok(Number(e.headers.get('retry-after')) >= 1)
})

test('a client that leaves its stream', async () => {
  for await (const _ of await keyed.chat.completions.create(ask('a', { model: 'text', max_tokens: 8000, stream: true, ignore_eos: true }))) break
  await untilIdle()
})
