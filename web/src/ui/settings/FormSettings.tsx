// Whether answers are text, any JSON, or JSON of a schema.
import { changeSettings, settings } from '../../data/store.ts'
import type { AnswerForm } from '../../data/types.ts'
import { parse } from '../../text/json.ts'
import { CodeField } from './CodeField.tsx'

const FORMS: { value: AnswerForm; label: string }[] = [
  { value: 'text', label: 'Text' },
  { value: 'json', label: 'JSON' },
  { value: 'schema', label: 'Schema' },
]

function faultOfSchema(text: string): string {
  const read = parse(text)
  if ('fault' in read) return text.trim() ? read.fault : 'a JSON Schema goes here'
  const isSchema = typeof read.value === 'boolean' || (typeof read.value === 'object' && read.value !== null && !Array.isArray(read.value))
  return isSchema ? '' : 'a schema is an object'
}

export function FormSettings() {
  const { form, schema } = settings.value
  return (
    <>
      <div class="segments" role="radiogroup" aria-label="Form of answers">
        {FORMS.map(({ value, label }) => (
          <label key={value}>
            <input type="radio" name="form" checked={form === value} onChange={() => changeSettings({ form: value })} />
            <span>{label}</span>
          </label>
        ))}
      </div>
      {form === 'json' && <p class="hint">Every answer is one JSON object. It helps to say which in the message.</p>}
      {form === 'schema' && (
        <CodeField
          label="JSON Schema"
          rows={9}
          value={schema}
          placeholder='{"type": "object", "properties": {"city": {"type": "string"}}}'
          fault={faultOfSchema(schema)}
          good="Answers will satisfy it, always."
          change={(text) => changeSettings({ schema: text })}
        />
      )}
    </>
  )
}
