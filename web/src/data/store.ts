// The state of the page: which conversations exist, which one is open, and every change to them, each written to the
// database as it happens. Components read the signals.
import { computed, signal } from '@preact/signals'
import * as db from './db.ts'
import { keep, recall } from './local.ts'
import { below, childrenOf, leafBelow, pathTo, titleOf } from './tree.ts'
import { completeSettings, newId, type Conversation, type Message, type Picture, type Settings } from './types.ts'

export const conversations = signal<Conversation[]>([]) // the latest first
export const current = signal<Conversation | null>(null) // null: a new one, not yet stored
export const messages = signal<ReadonlyMap<string, Message>>(new Map()) // of the current one
export const path = computed(() => pathTo(messages.value, current.value?.head ?? null))
export const isKept = signal(true)

// ---- settings: of the open conversation; a new one begins with the last that were used ----

const SETTINGS = 'carat-settings'

function lastSettings(): Settings {
  try {
    return completeSettings(JSON.parse(recall(SETTINGS) ?? '{}'))
  } catch {
    return completeSettings({})
  }
}

const freshSettings = signal<Settings>(lastSettings())
export const settings = computed<Settings>(() => current.value?.settings ?? freshSettings.value)

export function changeSettings(change: Partial<Settings>): void {
  const changed = { ...settings.value, ...change }
  freshSettings.value = changed
  keep(SETTINGS, JSON.stringify(changed))
  if (current.value) void saveConversation({ ...current.value, settings: changed })
}

// ---- other tabs ----

const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('carat') : null
const tell = (): void => channel?.postMessage('changed')
if (channel) channel.onmessage = () => void loadList()

// ---- conversations ----

export async function loadList(): Promise<void> {
  isKept.value = await db.isKept()
  const list = (await db.all('conversations')).map((c) => ({ ...c, settings: completeSettings(c.settings) }))
  conversations.value = list.sort((a, b) => b.updated - a.updated)
}

async function saveConversation(conversation: Conversation): Promise<void> {
  if (current.value?.id === conversation.id) current.value = conversation
  const others = conversations.value.filter((c) => c.id !== conversation.id)
  conversations.value = [conversation, ...others].sort((a, b) => b.updated - a.updated)
  await db.put('conversations', conversation)
  tell()
}

export function openNew(): void {
  current.value = null
  messages.value = new Map()
}

/** False: there is none of this id. */
export async function openConversation(id: string): Promise<boolean> {
  if (current.value?.id === id) return true
  const found = await db.get('conversations', id)
  if (!found) return false
  const rows = await db.ofConversation('messages', id)
  messages.value = new Map(rows.map((m) => [m.id, live.get(m.id) ?? m]))
  current.value = { ...found, settings: completeSettings(found.settings) }
  return true
}

export async function rename(id: string, title: string): Promise<void> {
  const conversation = conversations.value.find((c) => c.id === id)
  if (conversation && title.trim()) await saveConversation({ ...conversation, title: title.trim() })
}

/** Gone from the list at once; from the database when `isFinal` comes true (there is an undo until then). */
export function removeFromList(id: string): () => void {
  const before = conversations.value
  conversations.value = before.filter((c) => c.id !== id)
  if (current.value?.id === id) openNew()
  return () => {
    const back = before.find((c) => c.id === id)
    if (back) conversations.value = [back, ...conversations.value].sort((a, b) => b.updated - a.updated)
  }
}

export async function removeForGood(id: string): Promise<void> {
  await db.removeConversation(id)
  tell()
}

/** The open conversation; a stored one is made if there is none. */
export async function ensureConversation(firstText: string): Promise<Conversation> {
  if (current.value) return current.value
  const now = Date.now()
  const made: Conversation = {
    id: newId(),
    title: titleOf(firstText) || 'Pictures',
    created: now,
    updated: now,
    head: null,
    settings: freshSettings.value,
  }
  current.value = made
  await saveConversation(made)
  return made
}

// ---- messages ----

/** Messages that are being written, also of conversations that are not open. */
const live = new Map<string, Message>()
export const keepLive = (message: Message): void => void live.set(message.id, message)
export const dropLive = (id: string): void => void live.delete(id)

let lastTime = 0
/** Siblings are ordered by the time of their making, so no two have the same. */
const now = (): number => (lastTime = Math.max(Date.now(), lastTime + 1))

export const makeMessage = (from: Omit<Message, 'id' | 'created'>): Message => ({ ...from, id: newId(), created: now() })

/** Stores a message, new or changed; a new one becomes the head of its conversation. */
export async function saveMessage(message: Message, isNew = false): Promise<void> {
  if (current.value?.id === message.conversation) {
    messages.value = new Map(messages.value).set(message.id, message)
  }
  await db.put('messages', message)
  if (isNew) await setHead(message.conversation, message.id)
}

export async function setHead(conversation: string, head: string | null): Promise<void> {
  const open = current.value?.id === conversation ? current.value : conversations.value.find((c) => c.id === conversation)
  if (open) await saveConversation({ ...open, head, updated: Date.now() })
}

/** Shows the branch that goes through `id`, down to its end. */
export async function showBranch(id: string): Promise<void> {
  const message = messages.value.get(id)
  if (message) await setHead(message.conversation, leafBelow(messages.value, id))
}

export const siblingsOf = (message: Message): Message[] => childrenOf(messages.value, message.parent)

/** Removes a message and what follows it; its neighbour, or its parent, is shown. */
export async function removeBranch(id: string): Promise<void> {
  const message = messages.value.get(id)
  if (!message) return
  const neighbours = siblingsOf(message)
  const at = neighbours.findIndex((m) => m.id === id)
  const neighbour = neighbours[at - 1] ?? neighbours[at + 1]
  const gone = below(messages.value, id)
  const rest = new Map(messages.value)
  for (const each of gone) rest.delete(each)
  messages.value = rest
  await setHead(message.conversation, neighbour ? leafBelow(rest, neighbour.id) : message.parent)
  for (const each of gone) await db.remove('messages', each)
}

/** A copy of the path down to `id`, as a conversation of its own. */
export async function branchOff(id: string): Promise<string | null> {
  const from = current.value
  if (!from) return null
  const conversation: Conversation = {
    ...from,
    id: newId(),
    title: /\(branch\)$/.test(from.title) ? from.title : `${from.title} (branch)`,
    created: Date.now(),
    updated: Date.now(),
    head: null,
  }
  const copied = new Map<string, string>()
  const rows: Message[] = []
  for (const message of pathTo(messages.value, id)) {
    const copy = { ...message, id: newId(), conversation: conversation.id, parent: conversation.head }
    if (message.pictures) copy.pictures = await copyPictures(message.pictures, conversation.id, copied)
    rows.push(copy)
    conversation.head = copy.id
  }
  await db.put('messages', ...rows)
  await db.put('conversations', conversation)
  await loadList()
  tell()
  return conversation.id
}

async function copyPictures(pictures: Picture[], conversation: string, copied: Map<string, string>): Promise<Picture[]> {
  const copies: Picture[] = []
  for (const picture of pictures) {
    let id = copied.get(picture.id)
    if (!id) {
      const row = await db.get('pictures', picture.id)
      id = newId()
      copied.set(picture.id, id)
      if (row) await db.put('pictures', { ...row, id, conversation })
    }
    copies.push({ ...picture, id })
  }
  return copies
}
