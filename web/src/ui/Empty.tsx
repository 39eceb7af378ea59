// What one sees before the first message: which model this is, what it can do, a few things to try. And what to do when
// there is no server.
import { changeSettings } from '../data/store.ts'
import { canSee, contextSize, meet, model, trouble } from '../data/server.ts'
import { faultOf } from '../talk/faults.ts'
import { draftText } from './attach.ts'
import { count } from './format.ts'
import { Icon, type IconName } from './icons.tsx'
import { focusComposer } from './state.ts'

interface Start {
  icon: IconName
  title: string
  text: string
  needsEyes?: boolean
  run: () => void
}

const write = (text: string): void => {
  draftText.value = text
  focusComposer()
}

const BOOK = {
  type: 'object',
  properties: { title: { type: 'string' }, author: { type: 'string' }, year: { type: 'integer' } },
  required: ['title', 'author', 'year'],
  additionalProperties: false,
}

const STARTS: Start[] = [
  {
    icon: 'pencil',
    title: 'Write or explain',
    text: 'A letter, a summary, a piece of code',
    run: () => write('Explain what a hash table is, with a short example in Python.'),
  },
  {
    icon: 'picture',
    title: 'Ask about a picture',
    text: 'Drop one here, paste it, or take it',
    needsEyes: true,
    run: () => document.getElementById('picture-input')?.click(),
  },
  {
    icon: 'tool',
    title: 'Let it call functions',
    text: 'A clock and a calculator, run by this page',
    run: () => {
      changeSettings({ demoTools: ['current_time', 'calculator'], toolChoice: 'auto', form: 'text' })
      write('What is 17.5 % of 2340? Use the calculator.')
    },
  },
  {
    icon: 'sliders',
    title: 'Answers of a given form',
    text: 'JSON that always satisfies your schema',
    run: () => {
      changeSettings({ form: 'schema', schema: JSON.stringify(BOOK, null, 2) })
      write('A well-known novel about the sea.')
    },
  },
]

export function Empty() {
  const m = model.value
  const facts = [contextSize.value && `${count(contextSize.value)} tokens of context`, canSee.value ? 'reads pictures' : m && 'text only'].filter(Boolean)
  return (
    <div class="empty">
      <h1>Start a conversation</h1>
      <p>
        {m ? (
          <>
            <strong>{m.id}</strong>
            {facts.map((fact) => ` · ${fact}`).join('')}
          </>
        ) : (
          'The server has no model yet. Start it with one: carat serve MODEL.gguf'
        )}
      </p>
      <ul class="starts">
        {STARTS.filter((s) => !s.needsEyes || canSee.value).map((s) => (
          <li key={s.title}>
            <button type="button" onClick={s.run}>
              <Icon name={s.icon} />
              <span>
                <strong>{s.title}</strong>
                <small>{s.text}</small>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}

export function NoServer() {
  const fault = faultOf(trouble.value)
  return (
    <div class="empty">
      <h1>{fault.title}</h1>
      <p>{fault.detail}</p>
      <p class="hint">The page tries again by itself. Kept conversations can be read meanwhile.</p>
      <button type="button" class="primary" onClick={() => void meet()}>
        Try now
      </button>
    </div>
  )
}
