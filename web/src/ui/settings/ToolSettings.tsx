// The functions that the model may call.
import { changeSettings, settings } from '../../data/store.ts'
import type { Settings } from '../../data/types.ts'
import { demoTools, readTools } from '../../talk/tools.ts'
import { CodeField } from './CodeField.tsx'

const EXAMPLE = `[
  {
    "name": "get_weather",
    "description": "The weather of a city, now",
    "parameters": {
      "type": "object",
      "properties": { "city": { "type": "string" } },
      "required": ["city"]
    }
  }
]`

export function ToolSettings() {
  const { tools, demoTools: chosen, runsDemoTools, toolChoice } = settings.value
  const read = readTools(tools)
  const n = 'tools' in read ? read.tools.length : 0
  const toggle = (name: string, isOn: boolean) =>
    changeSettings({ demoTools: isOn ? [...chosen, name] : chosen.filter((c) => c !== name) })
  return (
    <>
      {Object.entries(demoTools).map(([name, { title }]) => (
        <label class="check" key={name}>
          <input type="checkbox" checked={chosen.includes(name)} onChange={(e) => toggle(name, e.currentTarget.checked)} />
          <span>
            {title} <small>run by this page</small>
          </span>
        </label>
      ))}
      {chosen.length > 0 && (
        <label class="check is-inner">
          <input type="checkbox" checked={runsDemoTools} onChange={(e) => changeSettings({ runsDemoTools: e.currentTarget.checked })} />
          <span>without asking</span>
        </label>
      )}
      <CodeField
        label="Your own, as JSON"
        rows={tools ? 9 : 3}
        value={tools}
        placeholder='[{"name": …, "description": …, "parameters": {…}}]'
        fault={'fault' in read ? read.fault : ''}
        good={n ? `${n === 1 ? 'One function' : `${n} functions`}. The model calls, you give the result.` : 'The model calls, you give the result.'}
        change={(text) => changeSettings({ tools: text })}
      />
      {!tools && (
        <button type="button" class="link" onClick={() => changeSettings({ tools: EXAMPLE })}>
          Put an example there
        </button>
      )}
      {(n > 0 || chosen.length > 0) && (
        <label class="field">
          <span>The model</span>
          <select value={toolChoice} onChange={(e) => changeSettings({ toolChoice: e.currentTarget.value as Settings['toolChoice'] })}>
            <option value="auto">may call them</option>
            <option value="required">must call one</option>
            <option value="none">is not told of them</option>
          </select>
        </label>
      )}
    </>
  )
}
