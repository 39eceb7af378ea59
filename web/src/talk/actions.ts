// What a person does in a conversation: send, stop, regenerate, edit, branch, go on, answer a call.
import { current, ensureConversation, makeMessage, messages, removeBranch, saveMessage, setHead, settings } from '../data/store.ts'
import { openCalls, pathTo } from '../data/tree.ts'
import type { Call, Message, Picture, Remedy } from '../data/types.ts'
import { claim } from '../pictures/pictures.ts'
import { running, stop, write } from './answer.ts'
import { isDemo, runDemo } from './tools.ts'

export const MAX_ROUNDS = 8 // of calls that the page runs by itself, to one message

export async function send(text: string, pictures: Picture[]): Promise<void> {
  const conversation = await ensureConversation(text)
  await refuseOpenCalls()
  await claim(pictures, conversation.id)
  const head = current.value?.head ?? null
  const message = makeMessage({ conversation: conversation.id, parent: head, role: 'user', text, ...(pictures.length ? { pictures } : {}) })
  await saveMessage(message, true)
  await answerTo(message)
}

/** Another answer to what `parent` says: a sibling of those that are there. */
export async function answerTo(parent: Message, trims = false): Promise<void> {
  if (running.value.has(parent.conversation)) return
  const of = settings.value
  const message = makeMessage({
    conversation: parent.conversation,
    parent: parent.id,
    role: 'assistant',
    text: '',
    ...(of.form === 'text' ? {} : { isJson: true }),
  })
  const path = pathTo(messages.value, parent.id)
  await write(message, path, of, { isNew: true, trims, then: runDemos })
  await goOnWithResults(message.conversation)
}

/** Runs the calls that the page itself can run, if it may do so without asking. */
async function runDemos(message: Message): Promise<void> {
  const of = settings.value
  if (message.finish !== 'tool_calls' || !of.runsDemoTools || current.value?.id !== message.conversation) return
  const path = pathTo(messages.value, message.id)
  const rounds = path.slice(path.findLastIndex((m) => m.role === 'user')).filter((m) => m.calls?.length).length
  if (rounds > MAX_ROUNDS) return
  for (const call of message.calls ?? []) {
    if (isDemo(call.name, of)) await saveResult(message, call, runDemo(call.name, call.arguments))
  }
}

/** The result of a call, which follows what is shown. */
async function saveResult(message: Message, call: Call, text: string): Promise<void> {
  const { conversation } = message
  const parent = current.value?.head ?? null
  await saveMessage(makeMessage({ conversation, parent, role: 'tool', text, callId: call.id, name: call.name }), true)
}

/** When no call is without a result any more, the model goes on. */
async function goOnWithResults(conversation: string): Promise<void> {
  if (current.value?.id !== conversation) return
  const path = pathTo(messages.value, current.value.head)
  const last = path.at(-1)
  if (last?.role === 'tool' && !openCalls(path)) await answerTo(last)
}

export async function answerCall(message: Message, callId: string, result: string): Promise<void> {
  const call = message.calls?.find((c) => c.id === callId)
  const path = pathTo(messages.value, current.value?.head ?? null)
  if (!call || !openCalls(path)?.ids.includes(callId)) return
  await saveResult(message, call, result)
  await goOnWithResults(message.conversation)
}

/** Someone writes on instead of answering calls: the model is told so. */
async function refuseOpenCalls(): Promise<void> {
  const open = openCalls(pathTo(messages.value, current.value?.head ?? null))
  for (const call of open?.message.calls ?? []) {
    if (open!.ids.includes(call.id)) await saveResult(open!.message, call, JSON.stringify({ error: 'the user gave no result' }))
  }
}

export async function regenerate(message: Message): Promise<void> {
  await stop(message.conversation)
  const parent = message.parent === null ? undefined : messages.value.get(message.parent)
  if (!parent) return
  if (isNothing(message)) await removeBranch(message.id)
  await answerTo(parent)
}

/** An answer of which nothing came leaves no branch behind. */
const isNothing = (message: Message): boolean => message.text === '' && !message.calls?.length

/** A user's message, said differently: a branch of its own, answered anew. */
export async function editUser(message: Message, text: string, pictures: Picture[]): Promise<void> {
  await stop(message.conversation)
  await claim(pictures, message.conversation)
  const edited = makeMessage({ conversation: message.conversation, parent: message.parent, role: 'user', text, ...(pictures.length ? { pictures } : {}) })
  await saveMessage(edited, true)
  await answerTo(edited)
}

/** An answer, put right by the user: a branch of its own. */
export async function editAnswer(message: Message, text: string): Promise<void> {
  const { stats: _, fault: __, notice: ___, calls: ____, ...kept } = message
  await saveMessage(makeMessage({ ...kept, text, finish: 'edited' }), true)
}

/** An answer that was cut off or stopped goes on where it ends. */
export async function goOn(message: Message): Promise<void> {
  if (running.value.has(message.conversation) || message.parent === null) return
  const written = write(message, pathTo(messages.value, message.parent), settings.value, { isContinued: true })
  await setHead(message.conversation, message.id)
  await written
}

/** From here on: what is typed next follows this message. Nothing is lost; the old branch stays beside the new one. */
export const branchHere = (message: Message): Promise<void> => setHead(message.conversation, message.id)

export async function remedy(message: Message, what: Remedy): Promise<void> {
  const parent = message.parent === null ? undefined : messages.value.get(message.parent)
  if (!parent || (what !== 'retry' && what !== 'trim')) return
  if (isNothing(message)) await removeBranch(message.id)
  await answerTo(parent, what === 'trim')
}
