// The ai package with @ai-sdk/openai-compatible. serving.py starts the servers.
//
// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, embedMany, generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai'
import { z } from 'zod'
import { full, KEY, NARROW, TALK, untilIdle, URL, WATERED, WATERING } from './asked.mjs'

const carat = createOpenAICompatible({ name: 'carat', baseURL: `${URL}/v1`, includeUsage: true, supportsStructuredOutputs: true })
const keyed = createOpenAICompatible({ name: 'carat', baseURL: `${NARROW}/v1`, apiKey: KEY, includeUsage: true })
const ask = (more = {}) => ({ model: carat('chat'), prompt: TALK, maxOutputTokens: 60, temperature: 0, maxRetries: 0, ...more })
const Person = z.object({ name: z.string().max(20), age: z.number().int().min(0).max(150), kind: z.enum(['cat', 'dog', 'human']) })
const irrigate = (execute) =>
  tool({ description: 'Waters the plants', inputSchema: z.object({ area: z.string(), amount: z.number().int().describe('How many') }), execute })

test('a stream says what the whole answer says', async () => {
  const whole = await generateText(ask())
  const stream = streamText(ask())
  const parts = []
  for await (const part of stream.textStream) parts.push(part)
  assert.ok(parts.length > 3)
  assert.equal(parts.join(''), whole.text)
  assert.match(whole.text, /Berlin/)
  assert.equal((await stream.usage).outputTokens, whole.usage.outputTokens)
})

test('tools: a loop to the end, whole and streamed, required and by name', async () => {
  const watered = []
  const tools = { irrigate: irrigate(async (a) => (watered.push(a), { done: true })) }
  const whole = await generateText(ask({ prompt: WATERING, tools, stopWhen: stepCountIs(2) }))
  const stream = streamText(ask({ prompt: WATERING, tools, stopWhen: stepCountIs(2) }))
  assert.equal(await stream.text, whole.text)
  assert.ok(whole.text)
  assert.deepEqual(watered, [WATERED, WATERED])
  for (const toolChoice of ['required', { type: 'tool', toolName: 'irrigate' }]) {
    const inputs = []
    for await (const part of streamText(ask({ prompt: WATERING, tools: { irrigate: irrigate() }, toolChoice })).fullStream)
      if (part.type === 'tool-call') inputs.push(part.input)
    assert.deepEqual(inputs, [WATERED])
  }
})

test('objects, whole and streamed', async () => {
  const asked = ask({ prompt: 'Make up somebody.', schema: Person, maxOutputTokens: 300 })
  const { object } = await generateObject(asked)
  Person.parse(object)
  const stream = streamObject(asked)
  const parts = []
  for await (const part of stream.partialObjectStream) parts.push(part)
  assert.ok(parts.length > 1)
  assert.deepEqual(await stream.object, object)
})

test('images and embeddings', async () => {
  const image = readFileSync(process.env.CARAT_PICTURE)
  const content = [{ type: 'image', image, mediaType: 'image/png' }, { type: 'text', text: 'what is it?' }]
  const asked = { model: carat('sight'), maxOutputTokens: 8 }
  const seen = await generateText(ask({ ...asked, prompt: undefined, messages: [{ role: 'user', content }] }))
  assert.notEqual(seen.text, (await generateText(ask({ ...asked, prompt: 'what is it?' }))).text)
  const model = (carat.embeddingModel ?? carat.textEmbeddingModel)('chat')
  assert.deepEqual((await embedMany({ model, values: ['a cat', 'a dog'] })).embeddings.map((e) => e.length), [640, 640])
})

test('errors', async () => {
  const status = (wanted) => (e) => APICallError.isInstance(e) && e.statusCode === wanted
  const wrong = createOpenAICompatible({ name: 'carat', baseURL: `${NARROW}/v1`, apiKey: 'wrong' })
  await assert.rejects(generateText(ask({ model: wrong('text') })), status(401))
  await assert.rejects(generateText(ask({ model: carat('gpt-4o') })), status(404))
  await assert.rejects(generateText(ask({ prompt: 'a b '.repeat(20000) })), (e) => status(400)(e) && /\d{5}/.test(e.message) && /8192/.test(e.message))
  const e = await full(() => generateText(ask({ model: keyed('text') })))
  assert.equal(e.statusCode, 429)
  assert.ok(Number(e.responseHeaders['retry-after']) >= 1)
})

test('a client that aborts', async () => {
  const leave = new AbortController()
  const stream = streamText(ask({
    model: keyed('text'), maxOutputTokens: 8000, temperature: 1.5, providerOptions: { carat: { ignore_eos: true } }, abortSignal: leave.signal, onError: () => {},
  }))
  for await (const part of stream.fullStream) if (part.type === 'text-delta') leave.abort()
  await untilIdle()
})
