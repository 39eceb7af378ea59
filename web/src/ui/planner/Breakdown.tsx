// What one figure of the grid is made of: a bar, and every part with its share.
import type { Estimate } from '../../api/types.ts'
import { bytes, contextName } from '../format.ts'

interface Part {
  name: string
  keys: string[]
}

/** Parts that belong together, in the order of the bar. */
const PARTS: Part[] = [
  { name: 'Weights', keys: ['embedding', 'attention', 'ffn', 'norms'] },
  { name: 'Image tower', keys: ['vision', 'image_scratch', 'image_cache'] },
  { name: 'Keys and values', keys: ['kv_global', 'kv_window'] },
  { name: 'Prefix cache', keys: ['kv_kept'] },
  { name: 'Working memory', keys: ['scratch', 'steps', 'sessions'] },
  { name: 'Program and vocabulary', keys: ['overhead'] },
]

const NAMES: Record<string, string> = {
  embedding: 'embedding',
  attention: 'attention',
  ffn: 'feed-forward',
  norms: 'norms',
  vision: 'weights of the tower',
  image_scratch: 'scratch for pictures',
  image_cache: 'pictures remembered',
  kv_global: 'global layers',
  kv_window: 'window of local layers',
  scratch: 'scratch',
  steps: 'logits of steps',
  sessions: 'sessions',
}

export function Breakdown({ estimate }: { estimate: Estimate }) {
  const known = new Set(PARTS.flatMap((p) => p.keys))
  const others = Object.keys(estimate.bytes).filter((k) => !known.has(k))
  const parts = [...PARTS, ...(others.length ? [{ name: 'Other', keys: others }] : [])]
    .map((p) => ({ ...p, bytes: p.keys.reduce((n, k) => n + (estimate.bytes[k] ?? 0), 0) }))
    .filter((p) => p.bytes > 0)
  return (
    <section class="breakdown" aria-label="What it is made of">
      <h2>
        {bytes(estimate.total)} <span>for {estimate.quant} with {contextName(estimate.context)} of context</span>
      </h2>
      <div class="bar-of-parts" aria-hidden="true">
        {parts.map((p, i) => (
          <span key={p.name} class={`part-${i}`} style={{ flexGrow: p.bytes / estimate.total }} title={`${p.name}: ${bytes(p.bytes)}`} />
        ))}
      </div>
      <dl class="parts">
        {parts.map((p, i) => (
          <div key={p.name}>
            <dt>
              <span class={`swatch part-${i}`} aria-hidden="true" />
              {p.name}
            </dt>
            <dd>
              {bytes(p.bytes)} <small>{((100 * p.bytes) / estimate.total).toFixed(1)} %</small>
            </dd>
            {p.keys.length > 1 && (
              <dd class="part-detail">
                {p.keys
                  .filter((k) => estimate.bytes[k])
                  .map((k) => `${NAMES[k] ?? k} ${bytes(estimate.bytes[k]!)}`)
                  .join(', ')}
              </dd>
            )}
          </div>
        ))}
      </dl>
      <p class="hint">
        {estimate.card ? `Smallest card: ${estimate.card}. ` : ''}In a runtime with llama.cpp’s layout, on a GPU: about {bytes(estimate.llama_cpp_layout)}.
      </p>
    </section>
  )
}
