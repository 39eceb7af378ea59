// The browser's database: conversations, messages, pictures. Without it (private windows of some browsers) everything
// still works, in memory, and the page says that nothing is kept.
import type { Conversation, Message } from './types.ts'

const NAME = 'carat'
const VERSION = 1

type Stored = { conversations: Conversation; messages: Message; pictures: StoredPicture }
export interface StoredPicture {
  id: string
  conversation: string // '': it is not sent yet
  blob: Blob
  taken: number // when
}
type StoreName = keyof Stored

let opened: Promise<IDBDatabase | null> | undefined
const memory: { [S in StoreName]: Map<string, Stored[S]> } = { conversations: new Map(), messages: new Map(), pictures: new Map() }

function open(): Promise<IDBDatabase | null> {
  opened ??= new Promise((resolve) => {
    let request: IDBOpenDBRequest
    try {
      request = indexedDB.open(NAME, VERSION)
    } catch {
      return resolve(null)
    }
    request.onupgradeneeded = () => {
      const db = request.result
      db.createObjectStore('conversations', { keyPath: 'id' })
      db.createObjectStore('messages', { keyPath: 'id' }).createIndex('conversation', 'conversation')
      db.createObjectStore('pictures', { keyPath: 'id' }).createIndex('conversation', 'conversation')
    }
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close()
      resolve(request.result)
    }
    request.onerror = () => resolve(null)
  })
  return opened
}

export const isKept = async (): Promise<boolean> => (await open()) !== null

const done = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })

const finished = (transaction: IDBTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onerror = () => reject(transaction.error)
    transaction.onabort = () => reject(transaction.error)
  })

export async function put<S extends StoreName>(store: S, ...rows: Stored[S][]): Promise<void> {
  const db = await open()
  if (!db) {
    for (const row of rows) (memory[store] as Map<string, Stored[S]>).set(row.id, row)
    return
  }
  const transaction = db.transaction(store, 'readwrite')
  for (const row of rows) transaction.objectStore(store).put(row)
  await finished(transaction)
}

export async function get<S extends StoreName>(store: S, id: string): Promise<Stored[S] | undefined> {
  const db = await open()
  if (!db) return (memory[store] as Map<string, Stored[S]>).get(id)
  return done(db.transaction(store).objectStore(store).get(id))
}

export async function all<S extends StoreName>(store: S): Promise<Stored[S][]> {
  const db = await open()
  if (!db) return [...(memory[store] as Map<string, Stored[S]>).values()]
  return done(db.transaction(store).objectStore(store).getAll())
}

export async function ofConversation<S extends 'messages' | 'pictures'>(store: S, id: string): Promise<Stored[S][]> {
  const db = await open()
  if (!db) return [...(memory[store] as Map<string, Stored[S]>).values()].filter((row) => row.conversation === id)
  return done(db.transaction(store).objectStore(store).index('conversation').getAll(id))
}

/** A conversation with its messages and pictures, or one message. */
export async function remove(store: StoreName, id: string): Promise<void> {
  const db = await open()
  if (!db) {
    memory[store].delete(id)
    return
  }
  const transaction = db.transaction(store, 'readwrite')
  transaction.objectStore(store).delete(id)
  await finished(transaction)
}

export async function removeConversation(id: string): Promise<void> {
  for (const store of ['messages', 'pictures'] as const) {
    for (const row of await ofConversation(store, id)) await remove(store, row.id)
  }
  await remove('conversations', id)
}
