// What an answer took: tokens, speed, and on request the rest.
import type { Message } from '../../data/types.ts'
import { count, seconds, speed } from '../format.ts'

const ENDS: Partial<Record<string, string>> = { length: 'reached its limit', stopped: 'stopped', edited: 'edited' }

export function StatsLine({ message }: { message: Message }) {
  const s = message.stats
  const end = ENDS[message.finish ?? 'stopped'] // none: the page was left before it came
  if (!s) return end ? <p class="stats">{end}</p> : null
  const more = [
    `${count(s.prompt)} tokens of prompt`,
    s.cached ? `${count(s.cached)} of them remembered` : '',
    s.promptPerSecond ? `read at ${speed(s.promptPerSecond)}` : '',
    `first token after ${seconds(s.firstMs)}`,
    `${seconds(s.totalMs)} in all`,
    message.model ?? '',
  ].filter(Boolean)
  return (
    <details class="stats">
      <summary>
        {end && <span class="end">{end} · </span>}
        {count(s.answer)} {s.answer === 1 ? 'token' : 'tokens'}
        {s.perSecond ? ` · ${speed(s.perSecond).replace(' tokens', '')}` : ''}
      </summary>
      <p>{more.join(' · ')}</p>
    </details>
  )
}
