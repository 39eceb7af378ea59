// A number that may be left to the server: empty shows the server's own value.
import { useId } from 'preact/hooks'

interface NumberFieldProps {
  label: string
  hint?: string
  unit?: string
  value: number | null
  fallback: number | null // the server's
  none?: string | undefined // what no value is, where the server has none either
  min: number
  max: number
  step: number
  slides?: boolean
  change: (value: number | null) => void
}

export function NumberField({ label, hint, unit, value, fallback, none, min, max, step, slides, change }: NumberFieldProps) {
  const id = useId()
  const read = (text: string) => {
    if (text.trim() === '') return change(null)
    const n = Number(text)
    if (Number.isFinite(n)) change(Math.min(max, Math.max(min, n)))
  }
  return (
    <div class="number">
      <div class="number-row">
        <label for={id} title={hint}>
          {label}
        </label>
        <input
          id={id}
          type="number"
          inputmode="decimal"
          min={min}
          max={max}
          step={step}
          value={value ?? ''}
          placeholder={fallback === null ? (none ?? 'server’s') : String(fallback)}
          onChange={(e) => read(e.currentTarget.value)}
        />
        {unit && <span class="unit">{unit}</span>}
        {value !== null && (
          <button type="button" class="link" aria-label={`${label}: back to the server’s value`} onClick={() => change(null)}>
            reset
          </button>
        )}
      </div>
      {slides && (
        <input type="range" aria-label={label} min={min} max={max} step={step} value={value ?? fallback ?? min} onInput={(e) => read(e.currentTarget.value)} />
      )}
    </div>
  )
}
