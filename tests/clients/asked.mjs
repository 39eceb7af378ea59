// What the tests of JavaScript clients share: where the servers are, and what is asked. serving.py has the same for Python.
//
// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises'

export const URL = process.env.CARAT_URL
export const NARROW = process.env.CARAT_NARROW_URL
export const KEY = process.env.CARAT_KEY

// The chat model calls for the first and answers the second in words, both with a clear margin.
export const WATERING = 'Give the balcony plants 468 liters of water.'
export const WATERED = { area: 'balcony', amount: 468 }
export const TALK = 'Was ist die Hauptstadt von Deutschland?'
export const WATER = {
  type: 'object',
  properties: { area: { type: 'string' }, amount: { type: 'integer', description: 'How many' } },
  required: ['area', 'amount'],
}
export const TOOL = { type: 'function', function: { name: 'irrigate', description: 'Waters the plants', parameters: WATER } }

async function busy() {
  const slots = await (await fetch(`${NARROW}/slots`, { headers: { 'x-api-key': KEY } })).json()
  return slots.some((s) => s.is_processing)
}

/** The narrow server's only place is free: long before an answer of 8000 tokens would have ended of itself. */
export async function untilIdle() {
  for (const until = Date.now() + 10000; await busy(); await sleep(10))
    if (Date.now() > until) throw new Error('a client has left, and its place is not free')
}

/** What call() rejects with while the queue of the narrow server is full. */
export async function full(call) {
  const leave = new AbortController()
  const endless = () =>
    fetch(`${NARROW}/v1/completions`, {
      method: 'POST',
      headers: { 'x-api-key': KEY },
      body: JSON.stringify({ prompt: 'a', max_tokens: 8000, ignore_eos: true }),
      signal: leave.signal,
    }).catch(() => {})
  endless()
  while (!(await busy())) await sleep(10)
  endless()
  await sleep(300)
  try {
    await call()
  } catch (e) {
    return e
  } finally {
    leave.abort()
    await untilIdle()
  }
  throw new Error('the queue is full, and the call was answered')
}
