// How tokens are drawn. What is left empty is the server's matter, and its value is shown.
import { changeSettings, settings } from '../../data/store.ts'
import { serverDefault } from '../../data/server.ts'
import { defaultSampling, type Sampling } from '../../data/types.ts'
import { NumberField } from './NumberField.tsx'

type NumberName = Exclude<keyof Sampling, 'stop'>

interface Row {
  name: NumberName
  label: string
  hint: string
  min: number
  max: number
  step: number
  slides?: boolean
  none?: string
}

const MAIN: Row[] = [
  { name: 'temperature', label: 'Temperature', hint: '0 always takes the likeliest token', min: 0, max: 2, step: 0.05, slides: true },
  { name: 'top_p', label: 'Top p', hint: 'only the likeliest tokens that together have this share', min: 0, max: 1, step: 0.01, slides: true },
  { name: 'top_k', label: 'Top k', hint: 'only so many of the likeliest; 0 is off', min: 0, max: 1000, step: 1 },
  { name: 'max_tokens', label: 'Longest answer', hint: 'in tokens; empty: until the model ends it', min: 1, max: 131072, step: 1, none: 'no limit' },
]

const MORE: Row[] = [
  { name: 'min_p', label: 'Min p', hint: 'only tokens at least this likely beside the likeliest', min: 0, max: 1, step: 0.01, slides: true },
  { name: 'repeat_penalty', label: 'Repeat penalty', hint: '1 is off', min: 0.5, max: 2, step: 0.01, slides: true },
  { name: 'presence_penalty', label: 'Presence penalty', hint: '0 is off', min: -2, max: 2, step: 0.05 },
  { name: 'frequency_penalty', label: 'Frequency penalty', hint: '0 is off', min: -2, max: 2, step: 0.05 },
  { name: 'seed', label: 'Seed', hint: 'the same seed draws the same answer', min: 0, max: 4294967295, step: 1, none: 'any' },
]

export function SamplingSettings() {
  const sampling = settings.value.sampling
  const change = (part: Partial<Sampling>) => changeSettings({ sampling: { ...sampling, ...part } })
  const isOwn = JSON.stringify(sampling) !== JSON.stringify(defaultSampling)
  const isMoreUsed = MORE.some((row) => sampling[row.name] !== null) || sampling.stop !== ''
  const field = (row: Row) => (
    <NumberField
      key={row.name}
      {...row}
      value={sampling[row.name]}
      fallback={row.name === 'max_tokens' || row.name === 'seed' ? null : serverDefault(row.name)}
      change={(value) => change({ [row.name]: value })}
    />
  )
  return (
    <>
      {MAIN.map(field)}
      <details class="more" open={isMoreUsed}>
        <summary>More</summary>
        {MORE.map(field)}
        <label class="field">
          <span>Stop strings, one a line</span>
          <textarea rows={2} value={sampling.stop} onInput={(e) => change({ stop: e.currentTarget.value })} />
        </label>
      </details>
      {isOwn && (
        <button type="button" class="link" onClick={() => changeSettings({ sampling: defaultSampling })}>
          All back to the server’s values
        </button>
      )}
    </>
  )
}
