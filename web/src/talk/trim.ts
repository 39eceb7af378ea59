// A conversation that is too long: its oldest exchanges are left out, whole, until the rest fits.
import { countPrompt } from '../api/client.ts'
import type { Message } from '../data/types.ts'
import type { Body, Wire } from './body.ts'

const ROOM = 256 // tokens for an answer, at least

/** Where exchanges begin: at users' messages. System text stays. */
export function exchangeStarts(messages: Wire[]): number[] {
  return messages.flatMap((m, i) => (m.role === 'user' ? [i] : []))
}

/** Without the n oldest exchanges; the last one always stays. */
export function without(messages: Wire[], n: number): Wire[] {
  const starts = exchangeStarts(messages)
  const first = starts[0] ?? 0
  return [...messages.slice(0, first), ...messages.slice(starts[Math.min(n, starts.length - 1)] ?? first)]
}

/** What is left out so that the prompt has at most `limit` tokens with room for an answer: n exchanges. */
export async function fit(body: Body, path: Message[], limit: number, signal: AbortSignal): Promise<number> {
  const wanted = typeof body.max_tokens === 'number' ? Math.min(body.max_tokens, limit / 2) : Math.min(ROOM, limit / 4)
  const room = Math.max(1, limit - wanted)
  const last = exchangeStarts(body.messages).length - 1
  // Nothing was near the limit so far, and the new message is short: no need to count.
  const known = path.findLast((m) => m.stats)?.stats
  if (known && known.prompt + known.answer + 3 * newBytes(path) + 600 * newPictures(path) < room) return 0
  let low = 0
  let high = last
  while (low < high) {
    const middle = low === 0 && high === last ? 0 : Math.floor((low + high) / 2)
    const n = await countPrompt({ ...body, messages: without(body.messages, middle) }, signal)
    if (n === null) return 0
    if (n <= room) high = middle
    else low = middle + 1
  }
  return low
}

const since = (path: Message[]): Message[] => path.slice(path.findLastIndex((m) => m.stats) + 1)
const newBytes = (path: Message[]): number => since(path).reduce((n, m) => n + m.text.length, 0)
const newPictures = (path: Message[]): number => since(path).reduce((n, m) => n + 5 * (m.pictures?.length ?? 0), 0)
