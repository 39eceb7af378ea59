// What the page knows: conversations, the tree of their messages, settings. All of it is stored in the browser alone.

export type Detail = 'auto' | 'high' | 'low' // Pan & Scan: as the server is set, on, off

export interface Picture {
  id: string // of its bytes, in the store of pictures
  name: string
  type: string
  width: number
  height: number
  detail: Detail
}

export interface Call {
  id: string
  name: string
  arguments: string // JSON text of one object
}

export interface Stats {
  prompt: number // tokens of all that the model was given
  answer: number
  cached?: number
  promptPerSecond?: number
  perSecond?: number
  firstMs: number // from sending to the first token, as seen here
  totalMs: number
}

/** What went wrong, in plain words, and what can be done about it. */
export interface Fault {
  title: string
  detail: string
  remedies: Remedy[]
}
export type Remedy = 'retry' | 'trim' | 'new' | 'settings'

export type Role = 'user' | 'assistant' | 'tool'
export type Finish = 'stop' | 'length' | 'tool_calls' | 'stopped' | 'fault' | 'edited'

export interface Message {
  id: string
  conversation: string
  parent: string | null
  role: Role
  text: string
  created: number
  pictures?: Picture[] // of a user
  calls?: Call[] // of an assistant
  callId?: string // of a tool
  name?: string // of a tool: the function's
  model?: string // of an assistant, and what follows too
  finish?: Finish
  stats?: Stats
  fault?: Fault
  notice?: string // what the server ignored, what was left out
  isJson?: boolean // it was asked for as JSON
}

export interface Conversation {
  id: string
  title: string
  created: number
  updated: number
  head: string | null // the last message that is shown
  settings: Settings
}

export type AnswerForm = 'text' | 'json' | 'schema'

export interface Settings {
  system: string
  sampling: Sampling
  form: AnswerForm
  schema: string
  demoTools: string[] // names of those that the page itself runs
  runsDemoTools: boolean // without asking
  tools: string // JSON, as the user typed it
  toolChoice: 'auto' | 'required' | 'none'
  contextLimit: number | null // null: the server's
  whenFull: 'tell' | 'trim'
}

/** null: the server's default. */
export interface Sampling {
  temperature: number | null
  top_p: number | null
  top_k: number | null
  min_p: number | null
  repeat_penalty: number | null
  presence_penalty: number | null
  frequency_penalty: number | null
  seed: number | null
  max_tokens: number | null
  stop: string // one a line
}

export const defaultSampling: Sampling = {
  temperature: null,
  top_p: null,
  top_k: null,
  min_p: null,
  repeat_penalty: null,
  presence_penalty: null,
  frequency_penalty: null,
  seed: null,
  max_tokens: null,
  stop: '',
}

export const defaultSettings: Settings = {
  system: '',
  sampling: defaultSampling,
  form: 'text',
  schema: '',
  demoTools: [],
  runsDemoTools: true,
  tools: '',
  toolChoice: 'auto',
  contextLimit: null,
  whenFull: 'tell',
}

/** Settings of any age or origin, with everything that is missing or of another type filled in. */
export function completeSettings(from: unknown): Settings {
  return complete(defaultSettings, from) as Settings
}

function complete(model: unknown, from: unknown): unknown {
  if (model === null) return typeof from === 'number' && Number.isFinite(from) ? from : null
  if (Array.isArray(model)) return Array.isArray(from) ? from.filter((x) => typeof x === 'string') : model
  if (typeof model === 'object') {
    const source = typeof from === 'object' && from !== null ? (from as Record<string, unknown>) : {}
    return Object.fromEntries(Object.entries(model as object).map(([key, value]) => [key, complete(value, source[key])]))
  }
  return typeof from === typeof model ? from : model
}

export const newId = (): string =>
  // randomUUID exists on https and localhost alone; a phone in the same network has neither.
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, '0')).join('')
