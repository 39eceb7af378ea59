// The tree of a conversation: every message knows the one before it; an edit or another answer is a sibling.
import type { Message } from './types.ts'

export type Messages = ReadonlyMap<string, Message>

/** From the first message to `head`. A damaged tree (a parent that is missing, a circle) ends where it breaks. */
export function pathTo(messages: Messages, head: string | null): Message[] {
  const path: Message[] = []
  const seen = new Set<string>()
  for (let id = head; id !== null && !seen.has(id); ) {
    const message = messages.get(id)
    if (!message) break
    seen.add(id)
    path.push(message)
    id = message.parent
  }
  return path.reverse()
}

export function childrenOf(messages: Messages, parent: string | null): Message[] {
  return [...messages.values()]
    .filter((m) => m.parent === parent)
    .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1))
}

/** The end of the branch that `id` begins: at each fork the youngest child. */
export function leafBelow(messages: Messages, id: string): string {
  const seen = new Set<string>()
  for (;;) {
    const next = childrenOf(messages, id).at(-1)
    if (!next || seen.has(next.id)) return id
    seen.add(next.id)
    id = next.id
  }
}

/** Parent -> children, for a whole path at once. */
export function childIndex(messages: Messages): Map<string | null, Message[]> {
  const index = new Map<string | null, Message[]>()
  for (const message of messages.values()) {
    const list = index.get(message.parent)
    if (list) list.push(message)
    else index.set(message.parent, [message])
  }
  for (const list of index.values()) list.sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1))
  return index
}

/** `id` and everything behind it. */
export function below(messages: Messages, id: string): string[] {
  const index = childIndex(messages)
  const ids = [id]
  for (let i = 0; i < ids.length; i++) for (const child of index.get(ids[i]!) ?? []) ids.push(child.id)
  return ids
}

/** The calls of the last answer of a path that have no result yet. */
export function openCalls(path: Message[]): { message: Message; ids: string[] } | null {
  let at = path.length - 1
  while (at >= 0 && path[at]!.role === 'tool') at--
  const message = path[at]
  if (!message || message.role !== 'assistant' || !message.calls?.length || message.finish === 'fault') return null
  const answered = new Set(path.slice(at + 1).map((m) => m.callId))
  const ids = message.calls.map((c) => c.id).filter((id) => !answered.has(id))
  return ids.length ? { message, ids } : null
}

/** A title out of the first words of a text. */
export function titleOf(text: string): string {
  const line = text.replace(/[`*_#>]+/g, '').replace(/\s+/g, ' ').trim()
  if (line.length <= 52) return line
  const cut = line.slice(0, 52)
  return `${cut.slice(0, Math.max(cut.lastIndexOf(' '), 32)).trimEnd()}…`
}
