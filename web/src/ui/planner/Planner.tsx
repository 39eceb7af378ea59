// The memory planner: what a model needs, by quantisation and context: the grid of `carat weigh`, and what it is made of.
import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { weigh } from '../../api/client.ts'
import type { Estimate } from '../../api/types.ts'
import { models } from '../../data/server.ts'
import { keep, recall } from '../../data/local.ts'
import { faultOf } from '../../talk/faults.ts'
import type { Fault } from '../../data/types.ts'
import { count } from '../format.ts'
import { Breakdown } from './Breakdown.tsx'
import { Grid } from './Grid.tsx'

interface Query {
  model: string
  kv: 'f16' | 'q8_0'
  parallel: number
  images: number
}

const SIZES = [
  { value: '270m', label: 'Gemma 3 270M' },
  { value: '1b', label: 'Gemma 3 1B' },
  { value: '4b', label: 'Gemma 3 4B' },
  { value: '12b', label: 'Gemma 3 12B' },
  { value: '27b', label: 'Gemma 3 27B' },
]

const query = signal<Query>({ model: '4b', kv: 'f16', parallel: 1, images: 1 })
const memory = signal<number | null>(Number(recall('carat-memory')) || null) // GiB
const grid = signal<Estimate[]>([])
const fault = signal<Fault | null>(null)
const chosen = signal<string | null>(null) // quant/context

export const keyOf = (e: Estimate): string => `${e.quant}/${e.context}`

async function load(of: Query, aborter: AbortController): Promise<void> {
  try {
    const rows = await weigh(of, aborter.signal)
    grid.value = rows
    fault.value = null
  } catch (e) {
    if (!aborter.signal.aborted) fault.value = faultOf(e)
  }
}

export function Planner() {
  useEffect(() => {
    const aborter = new AbortController()
    void load(query.value, aborter)
    return () => aborter.abort()
  }, [query.value])
  const rows = grid.value
  const first = rows[0]
  const selected = rows.find((r) => keyOf(r) === chosen.value) ?? rows.find((r) => r.quant === 'q4_0' && r.context === 8192) ?? rows[0]
  return (
    <div class="planner" tabindex={0} role="region" aria-label="Memory planner">
      <div class="planner-inner">
        <h1>What a model needs</h1>
        <p class="lead">
          Memory by weights and context, worked out by the same sums that reserve it at load. Nothing is downloaded or loaded for
          this.
        </p>
        <Choices />
        {fault.value ? (
          <div class="fault" role="alert">
            <div>
              <strong>{fault.value.title}</strong>
              <p>{fault.value.detail}</p>
            </div>
          </div>
        ) : (
          selected && (
            <>
              <Grid rows={rows} memory={memory.value === null ? null : memory.value * 2 ** 30} selected={keyOf(selected)} choose={(key) => (chosen.value = key)} />
              <p class="hint">
                {first!.model}, {count(Math.round(first!.parameters / 1e6))} million parameters. GiB of memory; below, the smallest graphics card that holds
                this and what runtimes with llama.cpp’s layout need. Carat itself runs on the processor.
              </p>
              <Breakdown estimate={selected} />
            </>
          )
        )}
      </div>
    </div>
  )
}

function Choices() {
  const q = query.value
  const change = (part: Partial<Query>) => (query.value = { ...q, ...part })
  const own = models.value.map((m) => m.id)
  return (
    <form class="choices" onSubmit={(e) => e.preventDefault()}>
      <label class="field">
        <span>Model</span>
        <select value={q.model} onChange={(e) => change({ model: e.currentTarget.value })}>
          {SIZES.map(({ value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
          {own.length > 0 && (
            <optgroup label="On this server">
              {own.map((id) => (
                <option key={id} value={id}>
                  {id}
                </option>
              ))}
            </optgroup>
          )}
        </select>
      </label>
      <label class="field">
        <span>Conversations at once</span>
        <input type="number" min={1} max={64} value={q.parallel} onChange={(e) => change({ parallel: clamp(e.currentTarget, 1, 64) })} />
      </label>
      <label class="field">
        <span>Pictures in a prompt</span>
        <input type="number" min={0} max={64} value={q.images} onChange={(e) => change({ images: clamp(e.currentTarget, 0, 64) })} />
      </label>
      <label class="field">
        <span>Keys and values</span>
        <select value={q.kv} onChange={(e) => change({ kv: e.currentTarget.value as Query['kv'] })}>
          <option value="f16">f16</option>
          <option value="q8_0">q8_0, half the memory</option>
        </select>
      </label>
      <label class="field">
        <span>I have, in GiB</span>
        <input
          type="number"
          min={0}
          step={0.5}
          placeholder="any"
          value={memory.value ?? ''}
          onInput={(e) => {
            memory.value = Number(e.currentTarget.value) || null
            keep('carat-memory', e.currentTarget.value)
          }}
        />
      </label>
    </form>
  )
}

function clamp(input: HTMLInputElement, min: number, max: number): number {
  const n = Math.min(max, Math.max(min, Math.round(Number(input.value) || 0)))
  input.value = String(n)
  return n
}
