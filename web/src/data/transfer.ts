// Conversations out of the browser and back: one JSON file, pictures in it; or one conversation as Markdown to read.
import { asDataUrl } from '../pictures/pictures.ts'
import * as db from './db.ts'
import { loadList } from './store.ts'
import { pathTo } from './tree.ts'
import { completeSettings, newId, type Call, type Conversation, type Detail, type Message, type Picture, type Role } from './types.ts'

const FORMAT = 'carat-conversations'
const VERSION = 1

interface File {
  format: typeof FORMAT
  version: number
  conversations: { conversation: Conversation; messages: Message[]; pictures: { id: string; url: string }[] }[]
}

export async function exportJson(ids: string[]): Promise<string> {
  const file: File = { format: FORMAT, version: VERSION, conversations: [] }
  for (const id of ids) {
    const conversation = await db.get('conversations', id)
    if (!conversation) continue
    const messages = (await db.ofConversation('messages', id)).sort((a, b) => a.created - b.created)
    const rows = await db.ofConversation('pictures', id)
    const pictures = await Promise.all(rows.map(async (row) => ({ id: row.id, url: await asDataUrl(row.blob) })))
    file.conversations.push({ conversation, messages, pictures })
  }
  return JSON.stringify(file, null, 1)
}

export async function exportMarkdown(id: string): Promise<string> {
  const conversation = await db.get('conversations', id)
  if (!conversation) return ''
  const all = new Map((await db.ofConversation('messages', id)).map((m) => [m.id, m]))
  const parts = [`# ${conversation.title}\n`]
  if (conversation.settings.system.trim()) parts.push(`*System prompt:* ${conversation.settings.system.trim()}\n`)
  for (const message of pathTo(all, conversation.head)) {
    const who = { user: 'You', assistant: message.model ?? 'Model', tool: `Result of ${message.name}` }[message.role]
    parts.push(`## ${who}\n`)
    for (const picture of message.pictures ?? []) parts.push(`[picture: ${picture.name}]\n`)
    if (message.text) parts.push(message.role === 'tool' ? fenced(message.text) : `${message.text.trim()}\n`)
    for (const call of message.calls ?? []) parts.push(`Calls \`${call.name}\`:\n\n${fenced(call.arguments)}`)
  }
  return parts.join('\n')
}

function fenced(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((t) => t.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}json\n${text}\n${fence}\n`
}

export function save(name: string, type: string, text: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

export const fileName = (title: string, ending: string): string =>
  `${title.replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '').toLowerCase() || 'conversation'}.${ending}`

// ---- import: a file is outside data; only what is understood gets in, under new ids ----

/** How many conversations came in. Throws with words for the user. */
export async function importJson(text: string): Promise<number> {
  let file: unknown
  try {
    file = JSON.parse(text)
  } catch {
    throw new Error('This file is not JSON.')
  }
  const { format, version, conversations } = object(file)
  if (format !== FORMAT || !Array.isArray(conversations)) throw new Error('This file holds no conversations of Carat.')
  if (version !== VERSION) throw new Error(`This file is of version ${String(version)}; this page reads ${VERSION}.`)
  for (const each of conversations) await importOne(object(each))
  await loadList()
  return conversations.length
}

const object = (x: unknown): Record<string, unknown> => (typeof x === 'object' && x !== null ? (x as Record<string, unknown>) : {})
const string = (x: unknown): string => (typeof x === 'string' ? x : '')
const time = (x: unknown): number => (typeof x === 'number' && Number.isFinite(x) ? x : Date.now())
const list = (x: unknown): Record<string, unknown>[] => (Array.isArray(x) ? x.map(object) : [])

async function importOne(entry: Record<string, unknown>): Promise<void> {
  const from = object(entry.conversation)
  const id = newId()
  const pictureIds = new Map<string, string>()
  for (const { id: old, url } of list(entry.pictures)) {
    const blob = blobOf(string(url))
    if (!blob) continue
    const fresh = newId()
    pictureIds.set(string(old), fresh)
    await db.put('pictures', { id: fresh, conversation: id, blob, taken: Date.now() })
  }
  const rows = list(entry.messages)
  const ids = new Map(rows.map((row) => [string(row.id), newId()]))
  const messages = rows.flatMap((row) => messageOf(row, id, ids, pictureIds) ?? [])
  const conversation: Conversation = {
    id,
    title: string(from.title) || 'Imported',
    created: time(from.created),
    updated: time(from.updated),
    head: ids.get(string(from.head)) ?? messages.at(-1)?.id ?? null,
    settings: completeSettings(from.settings),
  }
  if (messages.length) await db.put('messages', ...messages)
  await db.put('conversations', conversation)
}

/** A picture of a data: URL, without fetching anything. */
function blobOf(url: string): Blob | null {
  const match = /^data:(image\/[\w.+-]+);base64,([A-Za-z0-9+/=]+)$/.exec(url)
  if (!match) return null
  try {
    return new Blob([Uint8Array.from(atob(match[2]!), (ch) => ch.charCodeAt(0))], { type: match[1]! })
  } catch {
    return null
  }
}

function messageOf(row: Record<string, unknown>, conversation: string, ids: Map<string, string>, pictureIds: Map<string, string>): Message | null {
  const role = row.role as Role
  if (role !== 'user' && role !== 'assistant' && role !== 'tool') return null
  const message: Message = {
    id: ids.get(string(row.id))!,
    conversation,
    parent: ids.get(string(row.parent)) ?? null,
    role,
    text: string(row.text),
    created: time(row.created),
  }
  const pictures = list(row.pictures).flatMap((p) => pictureOf(p, pictureIds) ?? [])
  if (pictures.length) message.pictures = pictures
  const calls = list(row.calls).map((c): Call => ({ id: string(c.id), name: string(c.name), arguments: string(c.arguments) || '{}' }))
  if (calls.length && role === 'assistant') message.calls = calls
  if (role === 'tool') Object.assign(message, { callId: string(row.callId), name: string(row.name) })
  if (role === 'assistant') {
    message.model = string(row.model)
    message.finish = row.finish === 'length' || row.finish === 'tool_calls' || row.finish === 'stopped' ? row.finish : 'stop'
    if (row.isJson === true) message.isJson = true
  }
  return message
}

function pictureOf(p: Record<string, unknown>, ids: Map<string, string>): Picture | null {
  const id = ids.get(string(p.id))
  if (!id) return null
  const detail: Detail = p.detail === 'high' || p.detail === 'low' ? p.detail : 'auto'
  return { id, name: string(p.name), type: string(p.type), width: Number(p.width) || 1, height: Number(p.height) || 1, detail }
}
