// An answer as it comes: sends the path, reads the stream, writes the message. Several may run, one a conversation.
import { signal, type Signal } from '@preact/signals'
import { request } from '../api/client.ts'
import { EventReader } from '../api/sse.ts'
import type { CallDelta, Chunk, Timings, Usage } from '../api/types.ts'
import { contextSize, isLoaded, meet, model, trouble } from '../data/server.ts'
import { dropLive, keepLive, saveMessage } from '../data/store.ts'
import type { Call, Finish, Message, Settings, Stats } from '../data/types.ts'
import { updateCost } from '../text/prose.ts'
import { bodyOf } from './body.ts'
import { failedInStream, faultOf } from './faults.ts'
import { fit, without } from './trim.ts'

export interface Running {
  id: string // of the message
  conversation: string
  text: Signal<string>
  calls: Signal<Call[]>
  pieces: Signal<number> // about as many as tokens
  started: number
  first: Signal<number> // when the first piece came; 0: not yet
  stop: () => void
  done: Promise<void>
}

/** Answers on their way, by conversation. */
export const running = signal<ReadonlyMap<string, Running>>(new Map())

const SHOWN_EVERY_MS = 40
const SAVED_EVERY_MS = 1500

/** Resolves when what had come is stored and another answer may begin. */
export async function stop(conversation: string): Promise<void> {
  const answer = running.value.get(conversation)
  answer?.stop()
  await answer?.done
}

interface How {
  isNew?: boolean // not yet stored
  isContinued?: boolean // its own text goes on
  trims?: boolean // whatever the settings say
  then?: (written: Message) => Promise<void> // what belongs to it still, before others see it as done
}

/** Fills `message`, an assistant's, that follows `path`. Resolves when it is done. */
export async function write(message: Message, path: Message[], settings: Settings, how: How): Promise<Message> {
  const { isNew = false, isContinued = false, trims = false } = how
  const aborter = new AbortController()
  const answer = new Answer(message, aborter)
  setRunning(message.conversation, answer.running)
  let result: Message
  try {
    if (isNew) await saveMessage(message, true)
    const body = await bodyOf(isContinued ? [...path, message] : path, settings, model.value?.id, isContinued)
    const notices: string[] = []
    const limit = Math.min(settings.contextLimit ?? Infinity, contextSize.value ?? Infinity)
    if ((trims || settings.whenFull === 'trim') && Number.isFinite(limit)) {
      const n = await fit(body, path, limit, aborter.signal)
      if (n) {
        body.messages = without(body.messages, n)
        notices.push(n === 1 ? 'The oldest exchange was left out.' : `The ${n} oldest exchanges were left out.`)
      }
    }
    const response = await request('v1/chat/completions', body, aborter.signal)
    const ignored = response.headers.get('x-carat-ignored')
    if (ignored) notices.push(`The server ignored: ${ignored}.`)
    await answer.read(response)
    result = answer.whole(notices)
    if (trouble.value || !isLoaded.value) void meet()
  } catch (e) {
    result = aborter.signal.aborted ? answer.broken('stopped') : answer.broken('fault', e)
  }
  answer.close()
  keepLive(result)
  try {
    await saveMessage(result)
    await how.then?.(result)
  } finally {
    dropLive(result.id)
    setRunning(message.conversation, null)
    answer.end()
  }
  return result
}

function setRunning(conversation: string, answer: Running | null): void {
  const next = new Map(running.value)
  if (answer) next.set(conversation, answer)
  else next.delete(conversation)
  running.value = next
}

class Answer {
  readonly running: Running
  end: () => void = () => {}
  #message: Message
  #text: string
  #calls: Call[] = []
  #pieces = 0
  #finish: string | null = null
  #usage: Usage | null = null
  #timings: Timings | null = null
  #model: string | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #saved = Date.now()

  constructor(message: Message, aborter: AbortController) {
    this.#message = message
    this.#text = message.text
    this.running = {
      id: message.id,
      conversation: message.conversation,
      text: signal(message.text),
      calls: signal([]),
      pieces: signal(0),
      started: performance.now(),
      first: signal(0),
      stop: () => aborter.abort(),
      done: new Promise((resolve) => (this.end = resolve)),
    }
    keepLive(message)
  }

  async read(response: Response): Promise<void> {
    const reader = response.body!.getReader()
    const events = new EventReader()
    for (;;) {
      const { value, done } = await reader.read()
      if (done) break
      for (const event of events.add(value)) {
        if (event !== '[DONE]') this.#chunk(JSON.parse(event) as Chunk)
      }
    }
    if (this.#finish === null) throw new Error('the stream ended early')
  }

  #chunk(chunk: Chunk): void {
    if (chunk.error) throw failedInStream(chunk.error)
    this.#model = chunk.model ?? this.#model
    this.#usage = chunk.usage ?? this.#usage
    this.#timings = chunk.timings ?? this.#timings
    const choice = chunk.choices?.[0]
    if (!choice) return
    if (choice.finish_reason) this.#finish = choice.finish_reason
    const { content, tool_calls: calls } = choice.delta ?? {}
    if (!content && !calls?.length) return
    if (!this.running.first.value) this.running.first.value = performance.now()
    this.#pieces++
    this.#text += content ?? ''
    for (const call of calls ?? []) this.#call(call)
    this.#timer ??= setTimeout(() => this.#show(), Math.max(SHOWN_EVERY_MS, 4 * updateCost))
  }

  #call(delta: CallDelta): void {
    const old = this.#calls[delta.index] ?? { id: '', name: '', arguments: '' }
    this.#calls[delta.index] = {
      id: delta.id ?? old.id,
      name: delta.function?.name ?? old.name,
      arguments: old.arguments + (delta.function?.arguments ?? ''),
    }
  }

  #show(): void {
    this.#timer = undefined
    this.running.text.value = this.#text
    if (this.#calls.length) this.running.calls.value = [...this.#calls]
    this.running.pieces.value = this.#pieces
    if (Date.now() - this.#saved > SAVED_EVERY_MS) {
      this.#saved = Date.now()
      void saveMessage(this.#part('stopped')).catch(() => {}) // what a reload finds
    }
  }

  #part(finish: Finish): Message {
    const { fault: _, notice: __, ...kept } = this.#message
    const calls = this.#calls.filter(Boolean)
    return { ...kept, text: this.#text, finish, model: this.#model ?? kept.model, ...(calls.length ? { calls } : {}) }
  }

  whole(notices: string[]): Message {
    return { ...this.#part(this.#finish as Finish), stats: this.#stats(), ...(notices.length ? { notice: notices.join(' ') } : {}) }
  }

  broken(finish: Finish, e?: unknown): Message {
    const part = this.#part(finish)
    delete part.calls // half a call is none
    const stats = this.#pieces ? { stats: this.#stats() } : {}
    return { ...part, ...stats, ...(e === undefined ? {} : { fault: faultOf(e) }) }
  }

  #stats(): Stats {
    const { started, first } = this.running
    const now = performance.now()
    const seconds = (now - first.value) / 1000
    const answer = this.#usage?.completion_tokens ?? this.#timings?.predicted_n ?? this.#pieces
    return {
      prompt: this.#usage?.prompt_tokens ?? 0,
      answer,
      cached: this.#usage?.prompt_tokens_details?.cached_tokens,
      promptPerSecond: this.#timings?.prompt_per_second,
      perSecond: this.#timings?.predicted_per_second ?? (answer > 1 && seconds > 0 ? (answer - 1) / seconds : undefined),
      firstMs: Math.round((first.value || now) - started),
      totalMs: Math.round(now - started),
    }
  }

  close(): void {
    clearTimeout(this.#timer)
  }
}
