// A call of a function: its name, its arguments, its result; or the field in which the user gives one.
import { useSignal } from '@preact/signals'
import { settings } from '../../data/store.ts'
import type { Call, Message } from '../../data/types.ts'
import { answerCall } from '../../talk/actions.ts'
import { isDemo, runDemo } from '../../talk/tools.ts'
import { highlight } from '../../text/highlight.ts'
import { pretty } from '../../text/json.ts'
import { sanitise } from '../../text/markdown.ts'
import { Icon } from '../icons.tsx'

interface CallCardProps {
  call: Call
  message: Message | undefined // undefined: it is being written
  result?: Message | undefined
  isLast: boolean
}

export function CallCard({ call, message, result, isLast }: CallCardProps) {
  const isOpen = message !== undefined && isLast && !result
  const state = result ? 'answered' : !message ? 'is being written' : isLast ? 'waits for a result' : 'has no result'
  return (
    <section class="call" aria-label={`Function ${call.name}`}>
      <header class="call-head">
        <Icon name="tool" size={16} />
        <code class="call-name">{call.name}</code>
        <span class="space" />
        <span class={`call-state${isOpen ? ' is-open' : ''}`}>{state}</span>
      </header>
      <JsonText label="Arguments" text={call.arguments || '{}'} />
      {result && <JsonText label="Result" text={result.text} />}
      {isOpen && <ResultForm call={call} message={message} />}
    </section>
  )
}

function JsonText({ label, text }: { label: string; text: string }) {
  const shown = pretty(text)
  const isShort = shown.length < 64 && !shown.includes('\n')
  return (
    <div class="call-part">
      <h3>{label}</h3>
      <pre tabindex={isShort ? undefined : 0} role={isShort ? undefined : 'region'} aria-label={isShort ? undefined : label}>
        <code ref={(node) => node?.replaceChildren(sanitise(highlight(shown, 'json')))} />
      </pre>
    </div>
  )
}

function ResultForm({ call, message }: { call: Call; message: Message }) {
  const text = useSignal('')
  const give = (result: string) => void answerCall(message, call.id, result)
  return (
    <form
      class="call-form"
      onSubmit={(e) => {
        e.preventDefault()
        give(text.value)
      }}
    >
      <label class="field">
        <span>Its result, as the model shall see it</span>
        <textarea
          rows={3}
          value={text.value}
          placeholder='JSON or text, like {"temperature": 21}'
          onInput={(e) => (text.value = e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
              e.preventDefault()
              give(text.value)
            }
          }}
        />
      </label>
      <div class="buttons">
        {isDemo(call.name, settings.value) && (
          <button type="button" onClick={() => give(runDemo(call.name, call.arguments))}>
            <Icon name="play" size={15} /> Run it here
          </button>
        )}
        <span class="space" />
        <button type="button" onClick={() => give(JSON.stringify({ error: 'the user declined this call' }))}>
          Decline
        </button>
        <button type="submit" class="primary" disabled={!text.value.trim()}>
          Give result
        </button>
      </div>
    </form>
  )
}
