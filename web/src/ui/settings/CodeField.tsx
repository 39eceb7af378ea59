// A field for JSON, which says at once whether it is understood.
import { useId } from 'preact/hooks'

interface CodeFieldProps {
  label: string
  rows: number
  value: string
  placeholder: string
  fault: string // '': none
  good: string
  change: (text: string) => void
}

export function CodeField({ label, rows, value, placeholder, fault, good, change }: CodeFieldProps) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        class="code-field"
        rows={rows}
        spellcheck={false}
        autocapitalize="off"
        value={value}
        placeholder={placeholder}
        aria-invalid={fault !== '' && value.trim() !== ''}
        aria-describedby={`${id}-said`}
        onInput={(e) => change(e.currentTarget.value)}
      />
      <p class={`hint${fault && value.trim() ? ' is-fault' : ''}`} id={`${id}-said`} role="status">
        {fault || good}
      </p>
    </div>
  )
}
