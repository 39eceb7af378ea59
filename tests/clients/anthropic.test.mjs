// The @anthropic-ai/sdk package. serving.py starts the servers.
//
// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { full, KEY, NARROW, TALK, untilIdle, URL, WATER, WATERED, WATERING } from './asked.mjs'

const client = new Anthropic({ baseURL: URL, apiKey: 'none', maxRetries: 0 })
const keyed = new Anthropic({ baseURL: NARROW, apiKey: KEY, maxRetries: 0 })
const ask = (content, more = {}) => ({ model: 'chat', messages: [{ role: 'user', content }], max_tokens: 60, temperature: 0, ...more })
const tools = [{ name: 'irrigate', description: 'Waters the plants', input_schema: WATER }]

test('a stream says what the whole answer says', async () => {
  const whole = await client.messages.create(ask(TALK))
  const parts = []
  const final = await client.messages.stream(ask(TALK)).on('text', (t) => parts.push(t)).finalMessage()
  assert.ok(parts.length > 3)
  assert.equal(parts.join(''), whole.content[0].text)
  assert.equal(final.content[0].text, whole.content[0].text)
  assert.equal(final.usage.output_tokens, whole.usage.output_tokens)
})

test('tools, whole and streamed, and a result', async () => {
  let whole
  for (const tool_choice of [{ type: 'auto' }, { type: 'any' }, { type: 'tool', name: 'irrigate' }]) {
    const asked = ask(WATERING, { tools, tool_choice })
    whole = await client.messages.create(asked)
    assert.deepEqual([whole.stop_reason, whole.content[0].input], ['tool_use', WATERED])
    assert.deepEqual((await client.messages.stream(asked).finalMessage()).content[0].input, WATERED)
  }
  const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: whole.content[0].id, content: 'done' }] }
  const end = await client.messages.create({ ...ask(WATERING, { tools }), messages: [{ role: 'user', content: WATERING }, { role: 'assistant', content: whole.content }, result] })
  assert.equal(end.content[0].type, 'text')
})

test('images and counts', async () => {
  const source = { type: 'base64', media_type: 'image/png', data: readFileSync(process.env.CARAT_PICTURE).toString('base64') }
  const asked = ask([{ type: 'image', source }, { type: 'text', text: 'what is it?' }], { model: 'sight', max_tokens: 8 })
  const seen = await client.messages.create(asked)
  const { input_tokens } = await client.messages.countTokens({ model: 'sight', messages: asked.messages })
  assert.equal(input_tokens, seen.usage.input_tokens + (seen.usage.cache_read_input_tokens ?? 0))
})

test('errors', async () => {
  const wrong = new Anthropic({ baseURL: NARROW, apiKey: 'wrong', maxRetries: 0 })
  await assert.rejects(wrong.messages.create(ask('a')), Anthropic.AuthenticationError)
  await assert.rejects(client.messages.create(ask('a', { model: 'claude' })), Anthropic.NotFoundError)
  await assert.rejects(client.messages.create(ask('a b '.repeat(20000))), (e) =>
    e instanceof Anthropic.BadRequestError && /\d{5}/.test(e.message) && /8192/.test(e.message))
  const e = await full(() => keyed.messages.create(ask('a', { model: 'text' })))
  assert.ok(e instanceof Anthropic.RateLimitError)
  assert.ok(Number(e.headers.get('retry-after')) >= 1)
})

test('a client that leaves its stream', async () => {
  const schema = { type: 'string', minLength: 7000 } // no end of its own
  const asked = ask('a', { model: 'text', max_tokens: 8000, stream: true, output_config: { format: { type: 'json_schema', schema } } })
  for await (const event of await keyed.messages.create(asked)) if (event.type === 'content_block_delta') break
  await untilIdle()
})
